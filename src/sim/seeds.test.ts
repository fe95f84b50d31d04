// The format of seeds.txt, and every run in it: what has failed once must pass.
import { describe, expect, it } from "vitest";
import { runSimulation } from "./run.ts";
import { toRunOptions } from "./run-job.ts";
import { parseSeeds, readSeeds } from "./seeds.ts";

describe("parseSeeds", () => {
  it("reads seed, options, commit and what it was", () => {
    const text =
      '# Comment.\n\n42 {"simulatedMs":60000} 0123abc A vote was lost.\n7 {} 0123abc B.\n';
    expect(parseSeeds(text)).toEqual([
      { job: { seed: 42, simulatedMs: 60_000 }, commit: "0123abc", what: "A vote was lost." },
      { job: { seed: 7 }, commit: "0123abc", what: "B." },
    ]);
  });

  it.each(["42 {} 0123abc", "x {} 0123abc A.", "42 {} commit A.", '42 {"a": 1} 0123abc A.'])(
    "refuses `%s`",
    (line) => {
      expect(() => parseSeeds(`# Comment.\n${line}`)).toThrow("line 2 of the seeds is none");
    },
  );

  it("refuses an option that runs do not have", () => {
    expect(() => parseSeeds('42 {"hours":1} 0123abc A.')).toThrow("no option of a run: hours");
  });
});

describe("seeds.txt", () => {
  it("can be read", () => {
    expect(readSeeds()).toBeInstanceOf(Array);
  });

  for (const { job, commit, what } of readSeeds()) {
    it(`seed ${job.seed} passes, which failed with ${commit}: ${what}`, async () => {
      const { verdict, message } = await runSimulation(toRunOptions(job));
      expect({ verdict, message }).toEqual({ verdict: "passed", message: "" });
    }, 120_000);
  }
});
