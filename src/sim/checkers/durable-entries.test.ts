// Logs that come back whole, cut as they should be, and short.
import { describe, expect, it } from "vitest";
import {
  appended,
  died,
  diskDamaged,
  diskReplaced,
  durable,
  goodRun,
  judge,
  started,
} from "./cluster-events.test-support.ts";
import { DurableEntries } from "./durable-entries.ts";

describe("durable entries", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge((logs) => new DurableEntries(logs), [...goodRun(), ...more]);
  const back = (lastIndex: number, lastTerm = 1) => [
    died(1),
    started(1, { life: 2, lastIndex, lastTerm }),
  ];

  it("passes a restart that has lost only what was not durable, or nothing", () => {
    expect(check(appended(1, [3, 1]), ...back(2))).toBeUndefined();
    expect(check(appended(1, [3, 1]), ...back(3))).toBeUndefined();
  });

  it("passes a restart in the middle of a cut", () => {
    const cut = [appended(1, [3, 1], [4, 1]), durable(1, 4), appended(1, [3, 2])];
    expect(check(...cut, ...back(2))).toBeUndefined();
    expect(check(...cut, ...back(4))).toBeUndefined();
    expect(check(...cut, ...back(3, 2))).toBeUndefined();
  });

  it("passes a loss on a disk that was damaged or replaced", () => {
    expect(check(diskDamaged(1), ...back(1))).toBeUndefined();
    expect(check(diskReplaced(1), ...back(0, 0))).toBeUndefined();
  });

  it("catches a log that comes back shorter", () => {
    expect(check(...back(1))).toMatch(/log up to 1, after entry 2 of term 1 was durable/);
  });

  it("catches a log that comes back with what was cut off for good", () => {
    const cut = [appended(1, [3, 1], [4, 1]), durable(1, 4), appended(1, [3, 2]), durable(1, 3)];
    expect(check(...cut, ...back(4))).toMatch(/after entry 3 of term 2 was durable/);
  });
});
