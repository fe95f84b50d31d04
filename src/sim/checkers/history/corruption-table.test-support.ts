// The form of every checker's test: a good history passes, and each way to spoil it is caught, by
// this checker, with words that name what is wrong.
import { expect, it } from "vitest";
import type { HistoryChecker, HistoryRecord } from "../../history.ts";
import { type Corruption, goodHistory, judge, spoil } from "./test-history.test-support.ts";

/** What is wrong, how it comes about, and what the checker must say. */
export type CorruptionRow = readonly [title: string, corruption: Corruption, message: RegExp];

/** Defines the tests of one checker. */
export function testCorruptions(
  checker: HistoryChecker,
  rows: readonly CorruptionRow[],
  good: () => readonly HistoryRecord[] = goodHistory,
): void {
  it("passes a good history", () => {
    expect(judge(checker, good())).toBeUndefined();
  });

  it.each(rows)("catches %s", (_title, corruption, message) => {
    expect(judge(checker, spoil(good(), corruption))).toMatch(message);
  });
}
