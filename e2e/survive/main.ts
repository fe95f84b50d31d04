// `npm run e2e:survive`: real servers that are stopped, replaced, killed and cut off while people
// write. One line of JSON for each run, what happened on standard error; exit code 1 where anything
// is not as promised.
import { parseArgs } from "node:util";
import { runGrowShrink } from "./grow-shrink.ts";
import { runReplaceAll } from "./replace-all.ts";
import { runRollingRestart } from "./rolling-restart.ts";
import { fullDurations, type Outcome, type Scenario, shortDurations } from "./scenario.ts";
import { runTwoIslands } from "./two-islands.ts";
import { runTwoOfThree } from "./two-of-three.ts";

const scenarios: Readonly<Record<string, Scenario>> = {
  "rolling-restart": {
    summary: "each server in turn is stopped and started again",
    run: runRollingRestart,
  },
  "grow-shrink": {
    summary: "1, 3, 5, 3, 1 servers; the leader is removed, too",
    run: runGrowShrink,
  },
  "replace-all": {
    summary: "every server of three is replaced by a new one",
    run: runReplaceAll,
  },
  "two-of-three": {
    summary: "two of three are killed, in every order; writing goes on",
    run: runTwoOfThree,
  },
  "two-islands": {
    summary: "two of five are cut off, each alone; writing goes on everywhere",
    run: runTwoIslands,
  },
};

const usage = `usage: npm run e2e:survive -- [--short] [scenario …]
${Object.entries(scenarios)
  .map(([name, { summary }]) => `  ${name.padEnd(16)} ${summary}`)
  .join("\n")}
  --short          a few seconds of each`;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function report(outcome: Outcome): void {
  const { scenario, acked, held, problems } = outcome;
  const verdict = problems.length === 0 ? "passed" : `FAILED: ${problems.join("; ")}`;
  say(`${scenario}: ${acked} messages stored and ${held} held; ${verdict}`);
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

/** Answers whether everything was as promised. */
async function runOne(name: string, options: { readonly isShort: boolean }): Promise<boolean> {
  const durations = options.isShort ? shortDurations : fullDurations;
  try {
    const outcomes = await scenarios[name]!.run({ durations, say });
    for (const outcome of outcomes) report(outcome);
    return outcomes.every(({ problems }) => problems.length === 0);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    say(`${name}: FAILED: ${problem}`);
    process.stdout.write(`${JSON.stringify({ scenario: name, problems: [problem] })}\n`);
    return false;
  }
}

async function main(args: readonly string[]): Promise<number> {
  let names: readonly string[];
  let isShort: boolean;
  try {
    const options = { short: { type: "boolean", default: false } } as const;
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    if (!positionals.every((name) => name in scenarios)) throw new Error("no such scenario");
    names = positionals.length > 0 ? positionals : Object.keys(scenarios);
    isShort = values.short;
  } catch {
    say(usage);
    return 2;
  }
  let isGood = true;
  for (const name of names) isGood = (await runOne(name, { isShort })) && isGood;
  return isGood ? 0 : 1;
}

// Connections that nobody needs any more, such as those that fetch keeps, would hold it up.
process.exit(await main(process.argv.slice(2)));
