// The laws of a log slice, each by a slice that breaks it.
import { describe, expect, test } from "vitest";
import { brokenLaw } from "./log-slice.ts";
import { entriesOf } from "./lone-replica.test-support.ts";
import type { Entry, LogIndex, Term } from "./types.ts";

const entries = (start: LogIndex, ...terms: Term[]) => entriesOf(terms, start);

describe("log slice laws", () => {
  const slice = (previous: [LogIndex, Term], term: Term, found: Entry[]) =>
    brokenLaw({ term, previousIndex: previous[0], previousTerm: previous[1], entries: found });
  test.each([
    ["a lawful one", slice([3, 1], 2, entries(4, 1, 2)), undefined],
    ["an empty one", slice([0, 0], 1, []), undefined],
    ["1: a gap", slice([3, 1], 2, entries(5, 1)), /^1/],
    ["1: a double", slice([3, 1], 2, [...entries(4, 1), ...entries(4, 1)]), /^1/],
    ["2: a term that falls", slice([3, 2], 2, entries(4, 1)), /^2/],
    ["3: a term newer than the leader's", slice([3, 1], 2, entries(4, 3)), /^3/],
    ["3: a previous term newer than the leader's", slice([3, 3], 2, []), /^3/],
    ["4: a term at index 0", slice([0, 1], 2, []), /^4/],
    ["4: no term at an index", slice([2, 0], 2, []), /^4/],
    ["an index that is no integer", slice([1.5, 1], 2, []), /integer/],
  ])("%s", (_, broken, expected) => {
    if (expected === undefined) expect(broken).toBeUndefined();
    else expect(broken).toMatch(expected);
  });
});
