// A few seconds of each scenario of `npm run e2e:survive`: servers that are stopped, replaced,
// killed or cut off while people write. Whatever it costs in time, nothing that was promised is
// lost or doubled, nobody is refused, and all servers end with the same state.
import { describe, expect, it } from "vitest";
import { runGrowShrink } from "./survive/grow-shrink.ts";
import { runReplaceAll } from "./survive/replace-all.ts";
import { runRollingRestart } from "./survive/rolling-restart.ts";
import { type Outcome, type ScenarioOptions, shortDurations } from "./survive/scenario.ts";
import { runTwoIslands } from "./survive/two-islands.ts";
import { runTwoOfThree } from "./survive/two-of-three.ts";

/** What happened, for whoever reads why a run has failed. */
function optionsFor(said: string[]): ScenarioOptions {
  return { durations: shortDurations, say: (line) => said.push(line) };
}

async function expectKept(
  run: (options: ScenarioOptions) => Promise<readonly Outcome[]>,
): Promise<readonly Outcome[]> {
  const said: string[] = [];
  const outcomes = await run(optionsFor(said));
  for (const { acked, lost, doubled, equalDigests, digestsOf, errors } of outcomes) {
    const found = { lost, doubled, equalDigests, digestsOf, errors };
    const kept = { lost: 0, doubled: 0, equalDigests: true, digestsOf: "state", errors: [] };
    expect(found, said.join("\n")).toEqual(kept);
    expect(acked).toBeGreaterThan(0);
  }
  return outcomes;
}

function expectHeld(outcomes: readonly Outcome[]): void {
  for (const { held } of outcomes) expect(held).toBeGreaterThan(0);
}

describe("what is planned (R2, R9)", () => {
  it("a rolling restart", async () => {
    await expectKept(runRollingRestart);
  });

  it("1, 2, 3, 2 and 1 servers", async () => {
    await expectKept(runGrowShrink);
  });

  it("every server of three replaced by a new one", async () => {
    await expectKept(runReplaceAll);
  });
});

describe("what is not (R5, R8)", () => {
  it("two of three killed at once", async () => {
    const way = "leader-and-follower-at-once";
    expectHeld(await expectKept((options) => runTwoOfThree(options, [way])));
  });

  it("two islands and a majority", async () => {
    expectHeld(await expectKept(runTwoIslands));
  });
});
