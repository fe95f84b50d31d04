// Many runs over scripted workers: what is told of them, and the exit code.
import { describe, expect, it } from "vitest";
import { parseCommandLine } from "./command-line.ts";
import { runMany, type Series } from "./run-many.ts";

const worker = new URL("workers/scripted-worker.test-support.ts", import.meta.url);
const unbounded = Number.POSITIVE_INFINITY;

async function run(series: Series, options: readonly string[] = []) {
  const lines: string[] = [];
  const command = parseCommandLine(["--seeds", "1", "--json", ...options]);
  const world = { commit: "0123abc", print: (line: string) => lines.push(line), worker };
  const exitCode = await runMany(command, series, world);
  const json = JSON.parse(lines.findLast((line) => line.startsWith("{")) ?? "{}");
  return { exitCode, lines, json, last: lines.at(-1) };
}

function seeds(from: number, runs: number): Series {
  return { kind: "many", from, runs, minutes: unbounded };
}

describe("runMany", () => {
  it("sums up and repeats itself where all pass", async () => {
    const { exitCode, lines, json, last } = await run(seeds(10, 3), ["--workers", "2"]);
    expect(exitCode).toBe(0);
    expect(lines[0]).toMatch(/^seeds from 10, commit 0123abc, 2 workers/);
    expect(json).toMatchObject({ runs: 3, simulatedHours: 3, operations: 30, failures: [] });
    expect(last).toBe("npm run sim -- --from 10 --seeds 3");
  });

  it("repeats what was fixed for all", async () => {
    const { last } = await run(seeds(10, 1), ["--hours", "2", "--servers", "3"]);
    expect(last).toBe(`npm run sim -- --from 10 --seeds 1 --hours 2 --swarm '{"servers":3}'`);
  });

  it("names each failing seed and ends with the gravest one's command and code", async () => {
    const jobs = [2, 3, 4, 6].map((seed) => ({ seed }));
    const { exitCode, lines, json, last } = await run({ kind: "replay", jobs });
    const failed = lines.filter((line) => line.startsWith("FAILED"));
    expect(failed).toEqual([
      "FAILED seed 3: safety: a hole",
      expect.stringMatching(/^FAILED seed 4: crash: Error: a worker's own bug/),
      "FAILED seed 6: liveness: no leader",
    ]);
    expect(json.runs).toBe(4);
    expect(json.verdicts).toEqual({ passed: 1, safety: 1, crash: 1, liveness: 1 });
    expect(exitCode).toBe(129);
    expect(last).toBe("npm run sim -- --seed 3");
  });

  it("gives up a run that does not end, and goes on", async () => {
    const { exitCode, lines, json } = await run(seeds(5, 2), ["--stuck-minutes", "0.01"]);
    expect(lines).toContainEqual(expect.stringMatching(/^FAILED seed 5: crash: the run has not/));
    expect(json.runs).toBe(2);
    expect(exitCode).toBe(127);
  });

  it("takes a worker that ends for a crash", async () => {
    const { exitCode, last } = await run(seeds(6, 3));
    expect(exitCode).toBe(127);
    expect(last).toBe("npm run sim -- --seed 7");
  });

  it("tells liveness apart", async () => {
    expect((await run(seeds(6, 1))).exitCode).toBe(128);
  });

  it("ends with the first failure where that is asked", async () => {
    const { json } = await run(seeds(1, 50), ["--until-failure"]);
    expect(json.runs).toBe(3);
    expect(json.failures).toMatchObject([{ seed: 3, checker: "dense-numbers" }]);
  });

  it("begins no run when the time is over", async () => {
    const { json } = await run({ kind: "many", from: 1, runs: unbounded, minutes: 0 });
    expect(json.runs).toBe(0);
  });

  it("replays known seeds with their options", async () => {
    const jobs = [{ seed: 9 }, { seed: 3, simulatedMs: 3_600_000 }];
    const { exitCode, last } = await run({ kind: "replay", jobs });
    expect(exitCode).toBe(129);
    expect(last).toBe("npm run sim -- --seed 3 --hours 1");
  });
});
