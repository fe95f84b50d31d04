// The form in which the log hands commands to chat: of the same shape as in
// src/replica/state-machine.ts, which chat may not import; `server` brings the two together.
import type { Position } from "../base/position.ts";

/** A committed entry with its commands. */
export interface CommittedEntry {
  readonly index: number;
  /** Cluster time in milliseconds since 1970. */
  readonly timestampMs: number;
  /** Encoded `chat.v1.Command`s; the one at i has positionOf(index, i). */
  readonly commands: readonly Uint8Array[];
}

/** What one command came to. */
export interface AppliedCommand<Outcome, Event> {
  readonly position: Position;
  readonly outcome: Outcome;
  /** In order; empty for a refused or repeated command. */
  readonly events: readonly Event[];
}
