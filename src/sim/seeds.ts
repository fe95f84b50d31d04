// Reads seeds.txt: the runs that have failed once and must not again. Runs nothing.
import { readFileSync } from "node:fs";
import type { JobOptions, RunJob } from "./run-job.ts";

/** A line of seeds.txt. */
export interface KnownSeed {
  readonly job: RunJob;
  /** The commit with which it failed. */
  readonly commit: string;
  readonly what: string;
}

const linePattern = /^(\d+) (\{\S*\}) ([0-9a-f]{7,40}) (\S.*)$/;

/** The seeds in a text of the format of seeds.txt. Throws on a line that is none. */
export function parseSeeds(text: string): KnownSeed[] {
  const seeds: KnownSeed[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const [, seed = "", options = "", commit = "", what = ""] = linePattern.exec(line) ?? [];
    if (seed === "") throw new Error(`line ${at + 1} of the seeds is none: ${line}`);
    seeds.push({ job: { seed: Number(seed), ...parseOptions(options) }, commit, what });
  }
  return seeds;
}

/** All lines of seeds.txt. */
export function readSeeds(): KnownSeed[] {
  return parseSeeds(readFileSync(new URL("seeds.txt", import.meta.url), "utf8"));
}

function parseOptions(text: string): JobOptions {
  const options: Record<string, unknown> = JSON.parse(text);
  for (const name of Object.keys(options)) {
    if (name !== "simulatedMs" && name !== "swarm") throw new Error(`no option of a run: ${name}`);
  }
  return options as JobOptions;
}
