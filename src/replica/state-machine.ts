// What a replica needs of the state machine that it replicates. `chat` fits it; the replica knows
// no chat.
import type { Position } from "../base/position.ts";

/** A committed entry with its commands, in the form in which the state machine gets it. */
export interface CommittedEntry {
  readonly index: number;
  /** Cluster time, never backwards from entry to entry. */
  readonly timestampMs: number;
  /**
   * Encoded commands; the one at i has positionOf(index, i). Empty for entries that concern
   * consensus alone.
   */
  readonly commands: readonly Uint8Array[];
}

/** What one command came to. */
export interface AppliedCommand<Outcome, Event> {
  readonly position: Position;
  readonly outcome: Outcome;
  /** For subscribers, in order; empty for a refused or repeated command. */
  readonly events: readonly Event[];
}

/**
 * A deterministic state machine: the same entries give the same state, outcomes and events on every
 * replica. It owns no clock, no chance and no ids of its own.
 */
export interface StateMachine<Outcome, Event> {
  /** The last entry whose effect is in the state that is stored. */
  appliedIndex(): number;
  /**
   * Applies entries, in order and without a gap after appliedIndex(), in one transaction together
   * with the new applied index. A refusal is an outcome. A throw is a bug: nothing of the call is
   * stored and the replica stops. Answers the commands of all entries, in order.
   */
  apply(entries: readonly CommittedEntry[]): AppliedCommand<Outcome, Event>[];
  /**
   * Whether a command may be held in island mode, judged by the state as of now; undefined: it may.
   * Otherwise the refusal, which spends no id.
   */
  judgeHeld(command: Uint8Array): Outcome | undefined;
  /**
   * Whether a command that stands in the log's uncommitted tail is of a kind that islands hold; its
   * rights were not judged yet.
   */
  isHoldable(command: Uint8Array): boolean;
  /**
   * Under which key a command is held: its author and id, the same for the command and for the one
   * that merges it. Undefined for bytes that are neither.
   */
  heldKey(command: Uint8Array): string | undefined;
  /**
   * Whether the state has what a held command stands for, so that merging it would change nothing.
   * A mere refusal does not count: merging may still put it aside for its author. False where that
   * is not known; it is then merged once more, which is harmless.
   */
  isMerged(command: Uint8Array): boolean;
  /** The command that brings a held one into the log when the island heals (idempotent). */
  mergeCommand(held: {
    readonly command: Uint8Array;
    /** Cluster time at acceptance. */
    readonly timestampMs: number;
    /** The last committed index that the accepting server knew. */
    readonly commitIndex: number;
  }): Uint8Array;
}
