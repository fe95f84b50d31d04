// The search for a known bug, over a scripted simulator; and the hook that switches a bug in, in a
// real process.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { KnownBug } from "./known-bug.ts";
import { type RunSimulator, searchBug } from "./mutation-runner.ts";
import { knownBugVariable } from "./mutations.ts";

const bug: KnownBug = { name: "a-bug", what: "A bug.", expect: ["dense-numbers"], edits: [] };
const bounds = { from: 1, seeds: 20, minutes: 1 };

/** A simulator in which these seeds fail: those of `always` without the bug too. */
function simulator(failing: { readonly bug: number[]; readonly always: number[] }): {
  readonly run: RunSimulator;
  readonly calls: string[];
} {
  const calls: string[] = [];
  const run: RunSimulator = async (args, active) => {
    calls.push(`${active?.name ?? "none"} ${args.join(" ")}`);
    const value = (name: string) => Number(args[args.indexOf(name) + 1]);
    const fails = [...failing.always, ...(active === undefined ? [] : failing.bug)];
    for (let runs = 1; runs <= value("--seeds"); runs++) {
      const seed = value("--from") + runs - 1;
      if (!fails.includes(seed)) continue;
      const failure = { seed, verdict: "safety", checker: "dense-numbers", message: "a hole" };
      return { runs, failures: [failure] };
    }
    return { runs: value("--seeds"), failures: [] };
  };
  return { run, calls };
}

describe("searchBug", () => {
  it("finds the first seed that fails with the bug and passes without it", async () => {
    const { run, calls } = simulator({ bug: [5], always: [] });
    const result = await searchBug(bug, bounds, run);
    expect(result).toMatchObject({ caughtBy: "dense-numbers", seed: 5, seeds: 5, failsAnyway: [] });
    expect(calls.map((call) => call.split(" ")[0])).toEqual(["a-bug", "none"]);
  });

  it("does not count a seed that fails without the bug too", async () => {
    const { run } = simulator({ bug: [5], always: [2] });
    const result = await searchBug(bug, bounds, run);
    expect(result).toMatchObject({
      caughtBy: "dense-numbers",
      seed: 5,
      seeds: 5,
      failsAnyway: [2],
    });
  });

  it("gives up when all seeds are used", async () => {
    const { run } = simulator({ bug: [], always: [20] });
    const result = await searchBug(bug, bounds, run);
    expect(result).toMatchObject({ caughtBy: undefined, seeds: 20, failsAnyway: [20] });
  });

  it("passes a bug's hint on, also to the run without the bug", async () => {
    const { run, calls } = simulator({ bug: [1], always: [] });
    await searchBug(
      { ...bug, hint: { simulatedMs: 1_800_000, swarm: { servers: 3 } } },
      bounds,
      run,
    );
    for (const call of calls) {
      expect(call).toContain("--hours 0.5");
      expect(call).toContain('"servers":3}');
    }
  });
});

describe("the hook", () => {
  const hook = new URL("mutate-hook.ts", import.meta.url).href;
  const quorum = new URL("../raft/quorum.ts", import.meta.url).href;
  const program = `
    import { Worker, isMainThread } from "node:worker_threads";
    import { majoritySize } from ${JSON.stringify(quorum)};
    console.log(isMainThread ? "main" : "worker", majoritySize(5));
  `;
  const worker = JSON.stringify(`data:text/javascript,${encodeURIComponent(program)}`);
  const inBoth = `${program} if (isMainThread) new Worker(new URL(${worker}));`;

  function node(name: string) {
    const args = ["--import", hook, "--input-type=module", "-e", inBoth];
    const env = { ...process.env, [knownBugVariable]: name };
    return spawnSync(process.execPath, args, { env, encoding: "utf8" });
  }

  it("changes a file as it is loaded, in workers too, and leaves it as it is", () => {
    expect(node("half-is-a-majority").stdout).toBe("main 2\nworker 2\n");
    expect(node("vote-for-any-log").stdout).toBe("main 3\nworker 3\n");
  });

  it("fails where it does not know the bug", () => {
    const { status, stderr } = node("no-such-bug");
    expect(status).not.toBe(0);
    expect(stderr).toContain("names no known bug: no-such-bug");
  });
});
