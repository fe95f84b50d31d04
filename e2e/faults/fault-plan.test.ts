// The same seed gives the same plan, in which every fault strikes; command lines are understood or
// refused.
import { expect, test } from "vitest";
import { parseCommandLine, UsageError } from "./command-line.ts";
import { faultKind, faultNames } from "./fault-kinds.ts";
import { drawFaultPlan } from "./fault-plan.ts";

const runMs = 60_000;

test("the same seed gives the same plan, another seed another one", () => {
  const plan = drawFaultPlan({ seed: 7, runMs, faults: faultNames });
  expect(drawFaultPlan({ seed: 7, runMs, faults: faultNames })).toEqual(plan);
  expect(drawFaultPlan({ seed: 8, runMs, faults: faultNames })).not.toEqual(plan);
});

test("every fault strikes at least once, within the run and its own bounds, in order", () => {
  for (let seed = 0; seed < 50; seed++) {
    const { strikes } = drawFaultPlan({ seed, runMs: 5_000, faults: faultNames });
    expect(new Set(strikes.map(({ fault }) => fault))).toEqual(new Set(faultNames));
    let beforeMs = 0;
    for (const { atMs, fault, durationMs } of strikes) {
      const { min, max } = faultKind(fault).durationMs;
      expect(atMs).toBeGreaterThanOrEqual(beforeMs);
      expect(atMs).toBeLessThan(5_000);
      expect(durationMs >= min && durationMs <= max).toBe(true);
      beforeMs = atMs;
    }
  }
});

test("what is asked for is understood, and what is not known is refused", () => {
  const asked = ["--seed", "3", "--minutes", "0.5", "--servers", "5", "--faults", "pause,kill"];
  expect(parseCommandLine(asked)).toMatchObject({
    seed: 3,
    minutes: 0.5,
    servers: 5,
    faults: ["kill", "pause"],
  });
  expect(parseCommandLine([]).faults).toEqual(faultNames);
  expect(parseCommandLine(["--scenario", "packets"]).faults).toContain("packet-cut-one-way");
  for (const wrong of [
    ["--sed", "3"],
    ["--seed", "x"],
    ["--seed", "1.5"],
    ["--servers", "0"],
    ["--minutes", "0"],
    ["--faults", "kil"],
    ["--scenario", "none"],
    ["--scenario", "links", "--faults", "kill"],
    ["seed"],
  ]) {
    expect(() => parseCommandLine(wrong), wrong.join(" ")).toThrow(UsageError);
  }
});
