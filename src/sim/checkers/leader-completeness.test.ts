// New leaders with and without what was committed before.
import { describe, expect, it } from "vitest";
import {
  appended,
  committed,
  follows,
  goodRun,
  judge,
  leads,
  received,
} from "./cluster-events.test-support.ts";
import { LeaderCompleteness } from "./leader-completeness.ts";

describe("leader completeness", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge((logs) => new LeaderCompleteness(logs), [...goodRun(), ...more]);

  it("passes a leader that has what was committed, and does not ask for what was not", () => {
    expect(check(appended(1, [3, 1]), leads(2, 2))).toBeUndefined();
  });

  it("passes a leader by late votes of a term that is older than the commit", () => {
    const later = [leads(1, 5), appended(1, [3, 5]), committed(1, 3)];
    expect(check(...later, leads(2, 4))).toBeUndefined();
    expect(check(...later, leads(2, 6))).toMatch("without entry 3 of term 5");
  });

  it("looks at a follower's commit when the entries that came with it are in its log", () => {
    const learns = [received(2), follows(2, 2, 1), committed(2, 3), appended(2, [3, 2])];
    expect(check(...learns, leads(3, 3))).toMatch("server 3 leads term 3 without entry 3");
    expect(check(...learns, appended(3, [3, 2]), leads(3, 3))).toBeUndefined();
  });

  it("catches a leader that has another entry there", () => {
    const lost = [appended(1, [3, 1]), committed(1, 3), appended(2, [3, 2])];
    expect(check(...lost, leads(2, 3))).toMatch("it has one of term 2 there");
  });
});
