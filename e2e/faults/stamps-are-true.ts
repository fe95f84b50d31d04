// The stamps of all items lie within the run, whatever the clock of one server says (product row
// R12). For real servers only: in the simulator there is no time that is true for everybody.
import { type HistoryRecord, SafetyViolation } from "../../src/sim/index.ts";

/**
 * Stamps may be off by the age of what a leader heard last of the others' clocks, and by as much as
 * a pause, a stall or a cut holds that up.
 */
const toleranceMs = 30_000;

/** Throws a SafetyViolation for an item that was not written while the run lasted. */
export function checkStamps(
  history: readonly HistoryRecord[],
  run: { readonly startedAtMs: number; readonly endedAtMs: number },
): void {
  for (const record of history) {
    if (record.kind !== "finalTimeline") continue;
    for (const { number, timestampMs } of record.items) {
      const isTrue =
        timestampMs >= run.startedAtMs - toleranceMs && timestampMs <= run.endedAtMs + toleranceMs;
      if (isTrue) continue;
      const offSeconds = Math.round((timestampMs - run.endedAtMs) / 1_000);
      throw new SafetyViolation(
        "stamps-are-true",
        `item ${number} of room ${record.room} is stamped ${offSeconds} s from the run's end`,
      );
    }
  }
}
