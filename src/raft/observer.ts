// Hears what a core does, so that a run can be shown, traced or held against a published
// specification.
import type { PeerMessage } from "./peer-message.ts";
import type { Configuration, HardState, LogIndex, ReplicaId, Role } from "./types.ts";

/** What a core holds at one moment, durable or not. */
export interface CoreView {
  readonly id: ReplicaId;
  readonly role: Role;
  readonly hardState: HardState;
  readonly commitIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Everything up to here is known to be durable. */
  readonly stableIndex: LogIndex;
  readonly configuration: Configuration;
}

/**
 * Called from inside `step`, synchronously, after the change that it tells of. Must not call the
 * core.
 */
export interface Observer {
  /** A core was made of what its disk holds: before its first step. */
  started?(view: CoreView): void;
  roleChanged?(change: {
    id: ReplicaId;
    role: Role;
    hardState: HardState;
    leader: ReplicaId;
  }): void;
  messageSent?(message: PeerMessage): void;
  messageReceived?(message: PeerMessage): void;
  /**
   * The log has grown, or was cut (`cutAt` is the first index that went, 0 for none) and has grown.
   * Not told of a restored snapshot.
   */
  logChanged?(change: { id: ReplicaId; lastIndex: LogIndex; cutAt: LogIndex }): void;
  committed?(change: { id: ReplicaId; commitIndex: LogIndex }): void;
  configurationChanged?(change: { id: ReplicaId; configuration: Configuration }): void;
  /** Nothing more of this step follows. */
  stepEnded?(view: CoreView): void;
}
