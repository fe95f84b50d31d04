// Runs the simulator as a child process with one known bug switched in, until a run fails, and
// makes sure that the same run passes without the bug. Bounded in runs and in time.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { KnownBug } from "./known-bug.ts";
import { knownBugVariable } from "./mutations.ts";
import type { JobOptions, RunJob } from "./run-job.ts";

/** How far the search for one bug goes. */
export interface SearchBounds {
  /** The first seed. */
  readonly from: number;
  /** Runs at most, for each bug. */
  readonly seeds: number;
  /** Real minutes at most, for each bug. */
  readonly minutes: number;
}

/** What came of the search for one bug. */
export interface SearchResult {
  readonly bug: KnownBug;
  /** Checker, or verdict where there was none; undefined: not caught. */
  readonly caughtBy: string | undefined;
  /** The run that caught it, and what it said. */
  readonly seed: number | undefined;
  readonly message: string;
  /** Runs until then. */
  readonly seeds: number;
  readonly seconds: number;
  /** Seeds that fail without the bug too, and so did not count. */
  readonly failsAnyway: readonly number[];
}

/** A failing run as the simulator's line of JSON tells it. */
interface ReportedFailure extends RunJob {
  readonly verdict: string;
  readonly checker: string;
  readonly message: string;
}

interface Reported {
  readonly runs: number;
  readonly failures: readonly ReportedFailure[];
}

/** Runs the simulator with these arguments, and with a bug or without; answers what it reported. */
export type RunSimulator = (args: readonly string[], bug?: KnownBug) => Promise<Reported>;

/**
 * What the runs of every bug are given, unless its own hint says otherwise: servers that count
 * slowly and people who write seldom, so that a simulated hour costs seconds.
 */
export const usualHint = {
  simulatedMs: 600_000,
  swarm: { pace: "slow", intensity: 0.2 },
} as const satisfies JobOptions;

const simulator = fileURLToPath(new URL("main.ts", import.meta.url));
const hook = new URL("mutate-hook.ts", import.meta.url).href;
/** A run with a bug may never end. */
const stuckMinutes = 1;

/** The simulator in a process of its own. */
export const runSimulatorProcess: RunSimulator = (args, bug) => {
  const preload = bug === undefined ? [] : ["--import", hook];
  const env = { ...process.env, ...(bug && { [knownBugVariable]: bug.name }) };
  const child = spawn(process.execPath, [...preload, simulator, ...args, "--json"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const json = output.split("\n").findLast((line) => line.startsWith("{"));
      if (json === undefined) {
        reject(new Error(`the simulator ended with ${code} and no figures: ${errors}${output}`));
      } else {
        resolve(JSON.parse(json));
      }
    });
  });
};

/** Looks for a run that fails with the bug and passes without it. */
export async function searchBug(
  bug: KnownBug,
  bounds: SearchBounds,
  run: RunSimulator = runSimulatorProcess,
): Promise<SearchResult> {
  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1_000;
  const failsAnyway: number[] = [];
  let seeds = 0;
  while (seeds < bounds.seeds && seconds() < bounds.minutes * 60) {
    const minutesLeft = Math.max(0.01, bounds.minutes - seconds() / 60).toFixed(3);
    const many = ["--from", `${bounds.from + seeds}`, "--seeds", `${bounds.seeds - seeds}`];
    const limits = ["--minutes", minutesLeft, "--until-failure", "--stuck-minutes", stuckMinutes];
    const { runs, failures } = await run([...many, ...limits.map(String), ...hintArgs(bug)], bug);
    const [failure] = failures;
    seeds += runs;
    if (failure === undefined) break;
    const seed = `${failure.seed}`;
    const control = await run(["--from", seed, "--seeds", "1", ...hintArgs(bug)]);
    if (control.failures.length === 0) {
      const { verdict, checker, message } = failure;
      const caughtBy = checker === "" ? verdict : checker;
      return { bug, caughtBy, seed: failure.seed, message, seeds, seconds: seconds(), failsAnyway };
    }
    failsAnyway.push(failure.seed);
  }
  const nothing = { caughtBy: undefined, seed: undefined, message: "" };
  return { bug, ...nothing, seeds, seconds: seconds(), failsAnyway };
}

function hintArgs({ hint = {} }: KnownBug): string[] {
  const { simulatedMs = usualHint.simulatedMs } = hint;
  const swarm = { ...usualHint.swarm, ...hint.swarm };
  return ["--hours", `${simulatedMs / 3_600_000}`, "--swarm", JSON.stringify(swarm)];
}
