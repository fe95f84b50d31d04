// `npm run sim:mutations`: checks the checkers. Each known bug is switched in and must be caught;
// prints a table of what caught it and how many seeds that took.
import { parseArgs } from "node:util";
import { closest } from "fastest-levenshtein";
import type { KnownBug } from "./known-bug.ts";
import { type SearchResult, searchBug, usualHint } from "./mutation-runner.ts";
import { knownBugs } from "./mutations.ts";
import { usageExitCode } from "./verdicts.ts";

const usage = `Usage: npm run sim:mutations -- [options]

Switches known bugs in, one after the other, and runs seeds until one fails.

  --only NAME     this bug only; may be given again
  --seeds N       runs at most for each bug (200)
  --minutes N     real minutes at most for each bug (3)
  --from N        the first seed (1)
  --children N    processes at a time (2)
  --list          names all bugs

Exit codes: 0 all caught · 1 one was not · 2 wrong arguments`;

const options = {
  only: { type: "string", multiple: true },
  seeds: { type: "string", default: "200" },
  minutes: { type: "string", default: "3" },
  from: { type: "string", default: "1" },
  children: { type: "string", default: "2" },
  list: { type: "boolean" },
  help: { type: "boolean" },
} as const;

class UsageError extends Error {}

function chosenBugs(names: readonly string[] | undefined): readonly KnownBug[] {
  if (names === undefined) return knownBugs;
  return names.map((name) => {
    const bug = knownBugs.find((known) => known.name === name);
    if (bug !== undefined) return bug;
    const nearest = closest(
      name,
      knownBugs.map((known) => known.name),
    );
    throw new UsageError(`unknown bug \`${name}\`; the nearest known one is \`${nearest}\``);
  });
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (text !== "" && value > 0) return value;
  throw new UsageError(`\`--${name}\` must be a positive number, not \`${text}\``);
}

function readOptions() {
  try {
    const { values } = parseArgs({ options });
    return {
      help: values.help === true,
      list: values.list === true,
      bugs: chosenBugs(values.only),
      children: positive("children", values.children),
      bounds: {
        from: positive("from", values.from),
        seeds: positive("seeds", values.seeds),
        minutes: positive("minutes", values.minutes),
      },
    };
  } catch (error) {
    process.stderr.write(`sim:mutations: ${(error as Error).message}\n\n${usage}\n`);
    return undefined;
  }
}

const columns = (...[name, by, expected, seeds, seconds, rest]: string[]) =>
  [
    name?.padEnd(38),
    by?.padEnd(24),
    expected?.padEnd(10),
    seeds?.padStart(5),
    seconds?.padStart(8),
    ` ${rest}`,
  ].join(" ");

function row({ bug, caughtBy, seed, seeds, seconds, failsAnyway, message }: SearchResult): string {
  const isExpected = caughtBy !== undefined && bug.expect.includes(caughtBy);
  const notes = [
    caughtBy === undefined ? bug.what : `seed ${seed}: ${message.split("\n", 1)[0]?.slice(0, 120)}`,
    ...(bug.hint === undefined ? [] : [`with ${JSON.stringify(bug.hint)}`]),
    ...(failsAnyway.length === 0 ? [] : [`fail without the bug too: ${failsAnyway.join(", ")}`]),
  ];
  const expected = caughtBy === undefined ? "" : isExpected ? "expected" : "other";
  const by = caughtBy ?? "NOT CAUGHT";
  return columns(bug.name, by, expected, `${seeds}`, seconds.toFixed(1), notes.join("; "));
}

async function main(): Promise<number> {
  const asked = readOptions();
  if (asked === undefined) return usageExitCode;
  const { bugs, bounds, children } = asked;
  if (asked.help) console.log(usage);
  if (asked.list) for (const { name, what } of bugs) console.log(`${name.padEnd(38)} ${what}`);
  if (asked.help || asked.list) return 0;
  console.log(`all with ${JSON.stringify(usualHint)}`);
  console.log(columns("bug", "caught by", "", "seeds", "seconds", "what it said"));
  let caught = 0;
  let next = 0;
  const lane = async () => {
    for (let bug = bugs[next++]; bug !== undefined; bug = bugs[next++]) {
      try {
        const result = await searchBug(bug, bounds);
        if (result.caughtBy !== undefined) caught += 1;
        console.log(row(result));
      } catch (error) {
        console.log(columns(bug.name, "CANNOT BE RUN", "", "", "", (error as Error).message));
      }
    }
  };
  await Promise.all(Array.from({ length: children }, lane));
  console.log(JSON.stringify({ bugs: bugs.length, caught }));
  return caught === bugs.length ? 0 : 1;
}

process.exitCode = await main();
