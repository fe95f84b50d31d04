// Where messages wait that are not stored yet, so that they outlive the program: the port that
// hosts fill in, and the store that forgets. What is sent when is outbox.ts's part.
import type { RoomName } from "./types.ts";

/** A message as it waits; plain JSON. */
export interface OutboxMessage {
  /** The id that it is stored under: 32 hexadecimal digits. */
  readonly commandId: string;
  readonly room: RoomName;
  readonly body: string;
  /** When it was written, by this machine's clock; only to be shown. */
  readonly writtenAtMs: number;
}

/**
 * Where messages survive a restart until they are stored. One store belongs to one person: what is
 * in it is sent as whoever logs in. Calls are made in order; a call may overlap the one before, so
 * the store keeps them in order itself.
 */
export interface OutboxStore {
  /**
   * All messages that were saved and not removed, in the order in which they were saved. Called
   * once per start of the client.
   */
  load(): Promise<readonly OutboxMessage[]>;
  save(message: OutboxMessage): void | Promise<void>;
  /** The message is stored by the servers, or refused for good. Held ones stay. */
  remove(commandId: string): void | Promise<void>;
}

/** A store that forgets when the process ends. */
export function createMemoryOutboxStore(): OutboxStore {
  const messages = new Map<string, OutboxMessage>();
  return {
    load: () => Promise.resolve([...messages.values()]),
    save: (message) => {
      messages.set(message.commandId, message);
    },
    remove: (commandId) => {
      messages.delete(commandId);
    },
  };
}
