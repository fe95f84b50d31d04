// Commits and applications by hand, in order and against it.
import { describe, expect, it } from "vitest";
import {
  appended,
  applied,
  committed,
  died,
  durable,
  goodRun,
  judge,
  leads,
  received,
  started,
} from "./cluster-events.test-support.ts";
import { CommitSafety } from "./commit-safety.ts";

describe("commit safety", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge((logs) => new CommitSafety(logs), [...goodRun(), ...more]);
  const third = [appended(1, [3, 1]), durable(1, 3), committed(1, 3)];
  const restarted = (appliedIndex: number) => [
    died(1),
    started(1, { life: 2, lastIndex: 2, lastTerm: 1, appliedIndex }),
  ];

  it("passes entries that are applied again in a new life, from where its state stands", () => {
    const again = [committed(1, 2), applied(1, { index: 2, results: [{}] })];
    expect(check(...restarted(1), ...again)).toBeUndefined();
  });

  it.each([
    [
      "another entry committed at an index",
      [...third, appended(2, [3, 2]), received(2), committed(2, 3), received(2)],
      /server 2: commits an entry of term 2 at 3, where one of term 1 is committed/,
    ],
    [
      "another entry committed below the newest",
      [...third, leads(2, 3), appended(2, [3, 2], [4, 3]), committed(2, 4)],
      /commits an entry of term 2 at 3/,
    ],
    ["a commit of what is not there", [committed(1, 3)], /commits entry 3, its log ends at 2/],
    ["a commit index that falls", [...third, committed(1, 2)], /fell from 3 to 2/],
    ["an entry applied twice", [applied(1, { index: 2 })], /applied entry 2 after entry 2/],
    ["an entry left out", [...third, applied(1, { index: 4 })], /applied entry 4 after entry 2/],
    [
      "an entry applied before it is committed",
      [appended(2, [3, 1]), durable(2, 3), applied(2, { index: 3 })],
      /applied entry 3, its commit index is 2/,
    ],
    [
      "an entry applied before it is durable",
      [...third, appended(2, [3, 1]), committed(2, 3), applied(2, { index: 3 })],
      /applied entry 3, its log is durable up to 2/,
    ],
    [
      "another content applied",
      [...restarted(1), committed(1, 2), applied(1, { index: 2, timestampMs: 9, results: [{}] })],
      /applied something else at 2/,
    ],
    ["a state from nowhere", restarted(3), /holds entry 3 as applied, which nobody has applied/],
  ])("catches %s", (_title, events, message) => {
    expect(check(...events)).toMatch(message);
  });
});
