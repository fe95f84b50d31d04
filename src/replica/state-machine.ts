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
}
