// Reads that are up to date, behind, and of an earlier life.
import { describe, expect, it } from "vitest";
import {
  answered,
  at,
  died,
  goodRun,
  judge,
  readAnswered,
  readAsked,
} from "./cluster-events.test-support.ts";
import { LinearizableReads } from "./linearizable-reads.ts";

describe("linearizable reads", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge(() => new LinearizableReads(), [...goodRun(), ...more]);

  it("passes a read that shows what was acknowledged before it was asked, and no more", () => {
    expect(check(readAsked(2, 1), answered(1, 3, 2), readAnswered(2, 1, at(2)))).toBeUndefined();
  });

  it("passes a read that says it was not confirmed", () => {
    expect(check(readAsked(2, 1), readAnswered(2, 1, 0, false))).toBeUndefined();
  });

  it("catches a read that misses what another server had acknowledged", () => {
    const stale = [answered(1, 3, 2), readAsked(2, 1), readAnswered(2, 1, at(2, 4095))];
    expect(check(...stale)).toMatch("12288 was known to clients when it was asked");
  });

  it("catches a read that is behind an earlier read", () => {
    const first = [readAsked(1, 1), readAnswered(1, 1, at(5))];
    expect(check(...first, readAsked(2, 1), readAnswered(2, 1, at(4)))).toMatch("was known");
  });

  it("catches an answer to a read of an earlier life", () => {
    expect(check(readAsked(1, 1), died(1), readAnswered(1, 1, at(2)))).toMatch("never asked");
  });
});
