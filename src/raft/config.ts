// What a core is told at birth.
import type { Observer } from "./observer.ts";
import type { Configuration, Entry, HardState, LogIndex, ReplicaId, Term } from "./types.ts";

/** Settings of one core. Ticks are the caller's; the defaults in brackets assume 10 ms. */
export interface RaftConfig {
  readonly id: ReplicaId;
  /** Election time-out is drawn from [min, max) ticks (30, 60). Raft §5.2. */
  readonly electionTimeoutTicksMin: number;
  readonly electionTimeoutTicksMax: number;
  /** Heartbeat every so many ticks (5). */
  readonly heartbeatIntervalTicks: number;
  /** Bytes of entries in one appendEntries (1 MiB); one entry always fits. */
  readonly appendBytesMax: number;
  /** appendEntries under way to one follower (64). */
  readonly appendsInFlightMax: number;
  /** Bytes of proposals that are not committed yet (64 MiB); more are dropped. */
  readonly uncommittedBytesMax: number;
  /** Seed of the core's own randomness; two cores of a cluster must have different ones. */
  readonly seed: number;
  /** Hears what the core does; for logs, traces and checkers. Never influences it. */
  readonly observer?: Observer;
}

/**
 * What the core reads of the durable log. The caller keeps it true: entries asked to be persisted
 * appear in it. Between steps it may cut the log's beginning, never behind what is applied here and
 * durable: firstIndex() rises.
 */
export interface LogReader {
  /** Index of the oldest entry that can be read; lastIndex() + 1 where there is none. */
  firstIndex(): LogIndex;
  lastIndex(): LogIndex;
  /** Term at firstIndex() - 1 … lastIndex(); undefined elsewhere (compacted or not there). */
  term(index: LogIndex): Term | undefined;
  /** Entries [start, end), at least one, then as many as fit into bytesMax. */
  entries(start: LogIndex, end: LogIndex, bytesMax: number): Entry[];
}

/** What a core starts from: what the disk really holds. */
export interface Restored {
  readonly hardState: HardState;
  /** As of the log's beginning or the snapshot; configurations in the log come on top. */
  readonly configuration: Configuration;
  /**
   * Already in the state machine, and not ahead of the log. commitIndex starts here, or before the
   * log's first entry if that is later: what was cut was applied once. Then the caller has lost its
   * state and owes itself another one, of firstIndex() - 1 or later, before it applies anything.
   */
  readonly appliedIndex: LogIndex;
  readonly log: LogReader;
  /**
   * The entry that added this replica, committed before it was told so; 0 for a founder. Until the
   * log has it, somebody may take this replica for a predecessor with the same id: it has no say.
   */
  readonly joinedIndex: LogIndex;
  /**
   * Entries that it may have acknowledged are lost: until the input `trustLog` it neither votes nor
   * stands. Kept by the caller over restarts.
   */
  readonly abstains: boolean;
}
