// `npm run sim`: runs one seed, or many in worker threads, and says what came of it. The first line
// says what is run, the last one repeats the run that failed. What is right is judged elsewhere.
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import {
  helpText,
  parseCommandLine,
  type SimCommand,
  seedMax,
  UsageError,
} from "./command-line.ts";
import { runMany } from "./run-many.ts";
import { readSeeds } from "./seeds.ts";
import { usageExitCode } from "./verdicts.ts";

/** The commit that is run; "unknown" where there is no repository. */
function readCommit(): string {
  const git = spawnSync("git", ["rev-parse", "--short=12", "HEAD"], {
    cwd: import.meta.dirname,
    encoding: "utf8",
  });
  return git.status === 0 ? git.stdout.trim() : "unknown";
}

/** A seed that nobody has chosen. */
function drawSeed(): number {
  return randomInt(seedMax);
}

/** Runs one command line and answers with the exit code. */
async function run(args: readonly string[]): Promise<number> {
  let command: SimCommand;
  try {
    command = parseCommandLine(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`sim: ${error.message}; see npm run sim -- --help\n`);
    return usageExitCode;
  }
  const world = { commit: readCommit(), print: (line: string) => console.log(line) };
  const { what } = command;
  switch (what.kind) {
    case "help":
      world.print(helpText);
      return 0;
    case "one":
      return (await import("./run-traced.ts")).runTraced(command, what.seed ?? drawSeed(), world);
    case "many":
      return runMany(command, { ...what, from: what.from ?? drawSeed() }, world);
    case "replay":
      return runMany(command, { kind: "replay", jobs: readSeeds().map(({ job }) => job) }, world);
  }
}

// A reader that has seen enough (`| head`) is no failure of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await run(process.argv.slice(2));
