// Acceptances after and before the disk has them.
import { describe, expect, it } from "vitest";
import {
  accepts,
  appended,
  died,
  durable,
  follows,
  goodRun,
  judge,
  started,
} from "./cluster-events.test-support.ts";
import { NothingSaidBeforeDurable } from "./nothing-said-before-durable.ts";

describe("nothing said before durable", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge((logs) => new NothingSaidBeforeDurable(logs), [...goodRun(), ...more]);

  it("passes what is durable, of this life or recovered", () => {
    expect(check(appended(2, [3, 1]), durable(2, 3), accepts(2, 3))).toBeUndefined();
    const back = started(2, { life: 2, lastIndex: 2, lastTerm: 1 });
    expect(check(died(2), back, accepts(2, 2))).toBeUndefined();
  });

  it("passes a late word of an older term", () => {
    const cut = [appended(2, [3, 1]), follows(2, 2, 3), appended(2, [3, 2])];
    expect(check(...cut, accepts(2, 3))).toBeUndefined();
  });

  it("catches what is only appended", () => {
    const message = "accepts entries up to 3 in term 1, its log is durable up to 2";
    expect(check(appended(2, [3, 1]), accepts(2, 3))).toMatch(message);
  });
});
