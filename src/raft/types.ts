// The nouns of consensus, spelled as in the paper.
import type { Brand } from "../base/brand.ts";

/** Which replica; a positive integer. 0 stands for none. */
export type ReplicaId = Brand<number, "ReplicaId">;
/** A term of leadership; 0 before the first election. */
export type Term = Brand<number, "Term">;
/** A place in the log; the first entry has 1, 0 is before the first. */
export type LogIndex = Brand<number, "LogIndex">;

/** What an entry holds: nothing (a new leader's first), commands, or a configuration. */
export type EntryKind = "noop" | "commands" | "configuration";

/** One entry of the log. `payload` is opaque to the core but for configurations. */
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

/**
 * Who takes part. Voters of both lists decide while a change is under way (joint consensus, Raft
 * §6); `votersOutgoing` is empty otherwise.
 */
export interface Configuration {
  readonly voters: readonly ReplicaId[];
  readonly votersOutgoing: readonly ReplicaId[];
  /** Receive the log but have no vote (dissertation §4.2.1). */
  readonly learners: readonly ReplicaId[];
  /** What the caller keeps with it, at most `configurationContextBytesMax`; opaque to the core. */
  readonly context: Uint8Array;
}

/**
 * Where a replica stands (Raft §5.1); a pre-candidate asks whether an election would succeed
 * (§9.6).
 */
export type Role = "follower" | "preCandidate" | "candidate" | "leader";
