// What a run's verdict is worth to the caller of a program: exit codes, and which of several
// failures is told. Judges nothing.
import type { Verdict } from "./run.ts";

/** Exit code of each verdict, apart so that scripts can tell them. */
export const verdictExitCodes: Readonly<Record<Verdict, number>> = {
  passed: 0,
  /** An assertion of the product, or anything else that was thrown. */
  crash: 127,
  liveness: 128,
  safety: 129,
};

/** Exit code for a command line that cannot be understood; nothing was run. */
export const usageExitCode = 2;

/** The gravest last. */
const byGravity: readonly Verdict[] = ["passed", "liveness", "crash", "safety"];

/** Whether `a` is worse than `b`: broken safety is worst, then a crash, then a standstill. */
export function isGraver(a: Verdict, b: Verdict): boolean {
  return byGravity.indexOf(a) > byGravity.indexOf(b);
}
