// The commands of an "applied" event one by one, each with its entry and what came of it; and which
// of them nobody has applied before. Judges nothing.
import type { Position } from "../../base/position.ts";
import type { ChatEvent, ChatOutcome } from "../../chat/index.ts";
import type { CommittedEntry } from "../../replica/index.ts";
import type { ClusterEvent } from "../cluster-event.ts";

/** An event that tells of applied entries. */
export type AppliedEvent = Extract<ClusterEvent, { kind: "applied" }>;

/** What one command came to. */
export interface CommandResult {
  readonly position: Position;
  readonly outcome: ChatOutcome;
  readonly events: readonly ChatEvent[];
}

/** Hears of entries that are applied for the first time in the run, in order. */
export interface FirstApplication {
  /** Before its commands; also of one without any. */
  entry?(entry: CommittedEntry): void;
  command(encoded: Uint8Array, result: CommandResult, entry: CommittedEntry): void;
}

/** Tells apart what is new in the run. */
export class FirstApplications {
  /** Entries up to here have been applied by somebody. */
  appliedIndex = 0;

  /** Those of the event's entries that come next after all that were told before. */
  forEach({ entries, applied }: AppliedEvent, hears: FirstApplication): void {
    let at = 0;
    for (const entry of entries) {
      const { commands } = entry;
      if (entry.index !== this.appliedIndex + 1) {
        at += commands.length;
        continue;
      }
      this.appliedIndex = entry.index;
      hears.entry?.(entry);
      for (const command of commands) {
        const result = applied[at++];
        if (result === undefined) throw new Error(`entry ${entry.index} has too few results`);
        hears.command(command, result, entry);
      }
    }
  }
}
