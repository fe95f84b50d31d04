// Logs that part and meet again, and logs that must not be.
import { describe, expect, it } from "vitest";
import { appended, died, durable, goodRun, judge, started } from "./cluster-events.test-support.ts";
import { LogMatching } from "./log-matching.ts";

describe("log matching", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge((logs) => new LogMatching(logs), [...goodRun(), ...more]);

  it("passes logs that part and are cut to match again", () => {
    const parted = [appended(1, [3, 1], [4, 1]), appended(2, [3, 2]), appended(3, [3, 2])];
    expect(check(...parted, appended(1, [3, 2], [4, 2]), appended(2, [4, 2]))).toBeUndefined();
  });

  it("passes a restart with the log as it was before a cut, and what then follows on it", () => {
    const cut = [appended(1, [3, 1], [4, 1], [5, 1]), durable(1, 5), appended(1, [3, 2], [4, 2])];
    const back = started(1, { life: 2, lastIndex: 5, lastTerm: 1 });
    expect(check(...cut, died(1), back, appended(1, [6, 3]))).toBeUndefined();
    // Entry 6 of term 3 stands after entry 5 of term 1 from now on, on every server.
    const other = [appended(2, [3, 2], [4, 2], [5, 2]), appended(2, [6, 3])];
    expect(check(...cut, died(1), back, appended(1, [6, 3]), ...other)).toMatch("after another");
  });

  it.each([
    ["another content", [appended(1, [3, 1, 7]), appended(2, [3, 1, 8])], /another content/],
    [
      "another entry before it",
      [appended(1, [3, 1], [4, 3]), appended(2, [3, 2], [4, 3])],
      /after another entry/,
    ],
    [
      "another content where terms competed",
      [appended(1, [3, 1]), appended(2, [3, 2, 1]), appended(3, [3, 2, 2])],
      /server 3: it appended entry 3 of term 2/,
    ],
    ["a hole", [appended(1, [4, 1])], /appended entry 4 after entry 2/],
    [
      "a recovered entry that nobody appended",
      [died(1), started(1, { lastIndex: 2, lastTerm: 2 })],
      /recovered entry 2 of term 2, which nobody appended/,
    ],
  ])("catches %s", (_title, events, message) => {
    expect(check(...events)).toMatch(message);
  });
});
