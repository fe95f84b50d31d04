// The nouns of the log as storage needs them, of the same shape as those of the consensus core,
// which this floor does not import. Not here: roles, configurations, anything that decides.
import type { Brand } from "../base/brand.ts";

/** Which replica; a positive integer. 0 stands for none. */
export type ReplicaId = Brand<number, "ReplicaId">;
/** A term of leadership; 0 before the first election. */
export type Term = Brand<number, "Term">;
/** A place in the log; the first entry has 1, 0 is before the first. */
export type LogIndex = Brand<number, "LogIndex">;

/** What an entry holds; opaque here. */
export type EntryKind = "noop" | "commands" | "configuration";

/** One entry of the log. `payload` is opaque and must not be changed once it is handed over. */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly payload: Uint8Array;
}

/** What must survive a crash besides the log: durable before any message of that term leaves. */
export interface HardState {
  readonly term: Term;
  /** For whom this replica voted in `term`, 0 for nobody. */
  readonly votedFor: ReplicaId;
}

/** Where a log begins: the entry before its first. */
export interface LogBase {
  /** 0 where the log begins with entry 1. */
  readonly index: LogIndex;
  readonly term: Term;
  /**
   * Opaque bytes that the caller gave with it: the configuration as of that entry. Empty at 0.
   */
  readonly context: Uint8Array;
}
