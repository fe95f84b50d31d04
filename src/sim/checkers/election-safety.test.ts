// Leaders of terms by hand.
import { describe, expect, it } from "vitest";
import { died, goodRun, judge, leads, saved, started } from "./cluster-events.test-support.ts";
import { ElectionSafety } from "./election-safety.ts";

describe("election safety", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge(() => new ElectionSafety(), [...goodRun(), ...more]);

  it("passes one leader a term, whoever leads the next", () => {
    expect(check(leads(2, 2), leads(1, 3))).toBeUndefined();
  });

  it("passes a leader by its own vote alone that dies before its term is durable", () => {
    const once = [died(1), started(1, { life: 2 }), leads(1, 4), died(1), started(1, { life: 3 })];
    expect(check(...once, leads(1, 4), saved(1, 4, 1))).toBeUndefined();
    const twice = [leads(1, 4), saved(1, 4, 1), died(1), started(1, { life: 4 }), leads(1, 4)];
    expect(check(...once, ...twice)).toMatch("led term 4 in its lives 3 and 4");
  });

  it("catches two servers that lead one term", () => {
    expect(check(leads(2, 2), leads(3, 2))).toMatch("servers 2 and 3 both led term 2");
  });

  it("catches a server that leads a term again in its next life", () => {
    const again = [died(1), started(1, { life: 2 }), leads(1, 1)];
    expect(check(...again)).toMatch("led term 1 in its lives 1 and 2");
  });
});
