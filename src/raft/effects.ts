// What a step asks of the caller, with the order that the caller owes.
import type { InstallSnapshot, PeerMessage } from "./peer-message.ts";
import type { Entry, HardState, LogIndex, ReplicaId, Role, Term } from "./types.ts";

/**
 * The result of one `step`. The caller owes, in this order: 1. `send`, 2. `persist`, then at
 * leisure the rest.
 */
export interface Effects {
  /**
   * May leave at once, before and beside any write: what they say holds without this step's writes.
   */
  readonly send: readonly PeerMessage[];
  /** To be made durable; undefined when there is nothing. */
  readonly persist: Persist | undefined;
  /** The caller may apply entries up to here (committed and durable here). Never falls. */
  readonly applyTo: LogIndex;
  /** Answers to `readIndex` inputs: may be served once applied up to `index`. */
  readonly reads: readonly ReadResult[];
  /** Set when role, term or leader have changed in this step. */
  readonly roleChange: RoleChange | undefined;
  /**
   * True: the proposal in this step was not taken, since this replica does not lead, is handing
   * over, or too much is uncommitted.
   */
  readonly proposalDropped: boolean;
  /** The place in the log of the configuration that this step's input wished for. */
  readonly configurationIndex: LogIndex | undefined;
  /** Why the configuration that this step's input wished for was not taken. */
  readonly configurationRefused: string | undefined;
  /**
   * A received chunk to store; one with offset 0 begins a snapshot and voids what came of another.
   * When `done`, restore the state machine and answer with `snapshotRestored`.
   */
  readonly storeChunk: InstallSnapshot | undefined;
  /**
   * Followers that need a chunk of the newest snapshot from this offset; answer with
   * `snapshotChunk`.
   */
  readonly snapshotChunks: readonly { readonly to: ReplicaId; readonly offset: number }[];
}

/**
 * One write. Each is made durable in the order of the steps; a later one may be joined with an
 * earlier one.
 */
export interface Persist {
  /** First: the new hard state, when it has changed. */
  readonly hardState: HardState | undefined;
  /**
   * Second: entries to append. Where the first one's index is not past the log's end, the log is
   * cut there first.
   */
  readonly entries: readonly Entry[];
  /** Last, when all of the above and all before it is durable: messages that say so. */
  readonly sendAfter: readonly PeerMessage[];
}

/** The answer to a `readIndex` input. */
export interface ReadResult {
  readonly requestId: number;
  readonly index: LogIndex;
  /** True: no leader could confirm it; ask again. */
  readonly refused: boolean;
}

/** Where this replica stands now. */
export interface RoleChange {
  readonly role: Role;
  readonly term: Term;
  /** 0 while none is known. */
  readonly leader: ReplicaId;
}
