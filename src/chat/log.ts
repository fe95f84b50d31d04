// The form in which the log hands commands to chat. The same small types as
// src/replica/state-machine.ts, which chat may not import; `server` holds one against the other.
import type { Brand } from "../base/brand.ts";

/**
 * A command's place in the log: entry index × 2^12 + its ordinal in the entry. Rises strictly, with
 * gaps.
 */
export type Position = Brand<number, "Position">;

/**
 * Commands that one entry may hold. Must equal `commandsPerEntryMax` of
 * src/replica/state-machine.ts.
 */
export const commandsPerEntryMax = 4096;

/** The position of the command with this ordinal in the entry with this index. */
export function positionOf(index: number, ordinal: number): Position {
  return index * commandsPerEntryMax + ordinal;
}

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
