// What came of a run: asks every checker, counts what is in the history, and says it as one object.
// The exit codes are the simulator's.
import { type HistoryRecord, historyCheckers, SafetyViolation } from "../../src/sim/index.ts";
import { checkStamps } from "./stamps-are-true.ts";

/** Something that must not be. */
export interface Violation {
  readonly kind: "safety" | "crash" | "liveness";
  /** The checker, or what else found it. */
  readonly checker: string;
  readonly message: string;
}

/** What the history has of each. */
export interface HistoryCounts {
  readonly operations: number;
  /** Operations that were answered with success. */
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly deliveries: number;
}

/** Exit codes, the gravest first. */
const exitCodes: readonly (readonly [Violation["kind"], number])[] = [
  ["safety", 129],
  ["crash", 127],
  ["liveness", 128],
];

/** The exit code for what was found; 0 for nothing. */
export function exitCodeOf(violations: readonly Violation[]): number {
  for (const [kind, code] of exitCodes) {
    if (violations.some((violation) => violation.kind === kind)) return code;
  }
  return 0;
}

/** Asks all checkers, each by itself. */
export function judgeHistory(
  history: readonly HistoryRecord[],
  run: { readonly startedAtMs: number; readonly endedAtMs: number },
): Violation[] {
  const checks = [
    ...historyCheckers.map((checker) => () => checker.check(history)),
    () => checkStamps(history, run),
  ];
  return checks.flatMap((check) => {
    try {
      check();
      return [];
    } catch (error) {
      if (!(error instanceof SafetyViolation)) throw error;
      return [{ kind: "safety", checker: error.checker, message: error.message } as const];
    }
  });
}

/** Counts operations by their results, and deliveries. */
export function countHistory(history: readonly HistoryRecord[]): HistoryCounts {
  const counts = { operations: 0, acknowledged: 0, refused: 0, unknown: 0, deliveries: 0 };
  for (const record of history) {
    if (record.kind === "delivery") counts.deliveries += 1;
    if (record.kind !== "operation") continue;
    counts.operations += 1;
    if (record.result === "ok") counts.acknowledged += 1;
    else counts[record.result] += 1;
  }
  return counts;
}
