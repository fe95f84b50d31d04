// That the closing line of `npm test` says what happened, and that no failure adds up to none.
import { expect, test } from "vitest";
import { addCounts, countTests, formatCounts, noTests } from "./test-report.ts";

const report = (passed: number, failed: number, pending = 0) =>
  JSON.stringify({
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: pending,
    numTodoTests: 0,
  });

test.each([
  ["all passed", report(5, 0), 0, "5 passed, 0 failed"],
  ["some failed", report(5, 2), 1, "5 passed, 2 failed"],
  ["some were skipped", report(5, 0, 3), 0, "5 passed, 0 failed, 3 skipped"],
  ["a file could not be loaded", report(5, 0), 1, "5 passed, 1 failed"],
  ["vitest died without a report", undefined, 137, "0 passed, 1 failed"],
])("when %s", (_what, text, exitCode, line) => {
  expect(formatCounts(countTests(text, exitCode))).toBe(line);
});

test("adds up several runs", () => {
  const one = countTests(report(5, 1, 1), 1);
  const both = addCounts(addCounts(noTests, one), countTests(report(2, 0), 0));
  expect(both).toEqual({ passed: 7, failed: 1, skipped: 1 });
});
