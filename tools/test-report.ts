// Reads what vitest reports as JSON, and adds up what several runs and steps came to.

/** Tests counted. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** No tests. */
export const noTests: TestCounts = { passed: 0, failed: 0, skipped: 0 };

/**
 * The counts of one run of vitest, by its JSON report (undefined where it wrote none) and its exit
 * code. A run that failed without a failed test, such as a file that could not be loaded, counts
 * as one failed test, so that nothing that went wrong adds up to 0 failed.
 */
export function countTests(report: string | undefined, exitCode: number): TestCounts {
  const counts = parseReport(report);
  const isFailureHidden = exitCode !== 0 && counts.failed === 0;
  return isFailureHidden ? { ...counts, failed: 1 } : counts;
}

/** Both together. */
export function addCounts(one: TestCounts, other: TestCounts): TestCounts {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

/** The line that `npm test` closes with: "12 passed, 0 failed", and the skipped where there are. */
export function formatCounts({ passed, failed, skipped }: TestCounts): string {
  const tail = skipped === 0 ? "" : `, ${skipped} skipped`;
  return `${passed} passed, ${failed} failed${tail}`;
}

function parseReport(report: string | undefined): TestCounts {
  if (report === undefined) return noTests;
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(report);
  return {
    passed: Number(numPassedTests ?? 0),
    failed: Number(numFailedTests ?? 0),
    skipped: Number(numPendingTests ?? 0) + Number(numTodoTests ?? 0),
  };
}
