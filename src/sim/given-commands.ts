// The commands that a device has given, as long as they may be given once more: messages without an
// answer, and some of what was acknowledged last. Matches the outbox's messages with the sends of
// the history. Bounded.
import type { Random } from "../base/random.ts";
import type { OutboxMessage, RejectedError, RoomName, SendReceipt } from "../client/index.ts";
import type { DeviceOutbox } from "./device-outbox.ts";
import type { HistoryRecorder, OpenOperation } from "./history-recorder.ts";
import { failureOf } from "./operation-result.ts";
import { rememberedCommandsMax } from "./workload-limits.ts";

/** What a command asked for, under its id. */
export type GivenCommand = { readonly commandId: string } & (
  | { readonly command: "sendMessage"; readonly room: RoomName; readonly body: string }
  | { readonly command: "createRoom"; readonly name: string }
  | { readonly command: "joinRoom" | "leaveRoom"; readonly room: RoomName }
);

interface OpenSend {
  readonly open: OpenOperation<"send"> | OpenOperation<"resend">;
  readonly message: OutboxMessage;
  /** It was given once more past the outbox: a refusal of the one says nothing of the other. */
  isGivenTwice: boolean;
}

/** One device's commands. */
export class GivenCommands {
  readonly #recorder: HistoryRecorder;
  /** Messages that the outbox has or had, and that have no answer, by command id. */
  readonly #open = new Map<string, OpenSend>();
  #acknowledged: GivenCommand[] = [];
  /** The send that is being handed to the client right now. */
  #handedOver: OpenOperation<"send"> | undefined;

  constructor(recorder: HistoryRecorder) {
    this.#recorder = recorder;
  }

  /** Messages without an answer. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Calls `send`, which hands the message of this operation to a client. */
  handOver<T>(open: OpenOperation<"send">, send: () => T): T {
    this.#handedOver = open;
    try {
      return send();
    } finally {
      this.#handedOver = undefined;
    }
  }

  /** The outbox has taken the message that is being handed over: now its id is known. */
  saved(message: OutboxMessage): void {
    const open = this.#handedOver;
    if (open === undefined) return;
    const { commandId } = message;
    open.arguments = { ...open.arguments, commandId };
    this.#open.set(commandId, { open, message, isGivenTwice: false });
  }

  /** A new program of the device has found these, also some that were answered before the kill. */
  loaded(client: string, messages: readonly OutboxMessage[]): void {
    for (const message of messages) {
      const { commandId, room, body } = message;
      if (this.#open.has(commandId)) continue;
      const open = this.#recorder.begin(client, "resend", {
        command: "sendMessage",
        commandId,
        content: "same",
        first: "acknowledged",
        room,
        body,
      });
      this.#open.set(commandId, { open, message, isGivenTwice: false });
    }
  }

  stored({ commandId, room, body }: OutboxMessage, receipt: SendReceipt): void {
    const { position, disks, repeated, roomId, number } = receipt;
    const value = { position, disks, repeated, commandId, roomId, number };
    this.#open.get(commandId)?.open.succeed(value);
    this.#open.delete(commandId);
    this.acknowledged({ command: "sendMessage", commandId, room, body });
  }

  refused({ commandId }: OutboxMessage, error: RejectedError): void {
    const sent = this.#open.get(commandId);
    if (sent === undefined) return;
    this.#open.delete(commandId);
    const failure = failureOf("send", error);
    sent.open.fail(sent.isGivenTwice ? { ...failure, result: "unknown" } : failure);
  }

  /** The program was killed: what the outbox does not have is not sent any more. */
  forgetLost(outbox: DeviceOutbox): void {
    for (const [commandId, { open }] of [...this.#open]) {
      if (outbox.has(commandId)) continue;
      open.abandon();
      this.#open.delete(commandId);
    }
  }

  /** A command was acknowledged, and may be given once more. */
  acknowledged(command: GivenCommand): void {
    this.#acknowledged.push(command);
    // Half at once, so that a full memory is not moved with every command.
    if (this.#acknowledged.length > rememberedCommandsMax) {
      this.#acknowledged = this.#acknowledged.slice(-rememberedCommandsMax / 2);
    }
  }

  /**
   * One to be given once more; undefined while there is none. Of the messages without an answer
   * only the oldest: any other might overtake those before it.
   */
  draw(
    random: Random,
  ): { readonly given: GivenCommand; readonly first: "acknowledged" | "open" } | undefined {
    const [oldest] = this.#open.values();
    if (oldest !== undefined && random.nextBoolean(0.5)) {
      oldest.isGivenTwice = true;
      const { commandId, room, body } = oldest.message;
      return { given: { command: "sendMessage", commandId, room, body }, first: "open" };
    }
    const given = this.#acknowledged[random.nextInteger(0, this.#acknowledged.length)];
    return given && { given, first: "acknowledged" };
  }
}
