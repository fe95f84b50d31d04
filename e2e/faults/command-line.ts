// The command line of `npm run e2e:faults`: from words to what is asked for. Refuses what it does
// not know. Runs nothing.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { type FaultName, faultNames, scenarios } from "./fault-kinds.ts";

/** A command line that cannot be understood; the message is one sentence for people. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** What is asked for. */
export interface FaultCommand {
  readonly help: boolean;
  readonly seed: number;
  readonly minutes: number;
  readonly servers: number;
  readonly faults: readonly FaultName[];
  readonly historyFile: string | undefined;
}

const seedMax = 0xffff_ffff;

/** What `--help` shows. */
export const helpText = `Usage: npm run e2e:faults -- [options]

Runs real servers and the simulator's workload under real faults, and judges what clients saw.

  --seed N           what is drawn: workload and faults (drawn itself)
  --minutes N        how long faults strike (1)
  --servers N        1 to 7 servers (3)
  --scenario NAME    a group of faults: ${Object.keys(scenarios).join(", ")} (all)
  --faults A,B       these faults instead:
${listFaults()}
  --history FILE     writes the history as JSON lines (docs/TESTING.md)

What the machine does not permit is named and left out. Last comes one line of JSON.
Exit codes: 0 passed · 127 crash · 128 liveness · 129 safety · 2 wrong arguments`;

function listFaults(): string {
  return Object.entries(scenarios)
    .filter(([name]) => name !== "all")
    .map(([, faults]) => `                     ${faults.join(", ")}`)
    .join("\n");
}

/** Reads a command line. Throws a UsageError. */
export function parseCommandLine(args: readonly string[]): FaultCommand {
  const values = readValues(args);
  const number = (name: "seed" | "minutes" | "servers", range: Range) =>
    parseNumber(name, values[name], range);
  return {
    help: values.help === true,
    seed: number("seed", { min: 0, max: seedMax, whole: true }) ?? randomInt(seedMax),
    minutes: number("minutes", { min: 0.01, max: 10_000 }) ?? 1,
    servers: number("servers", { min: 1, max: 7, whole: true }) ?? 3,
    faults: parseFaults(values),
    historyFile: values.history,
  };
}

interface Values {
  readonly seed?: string;
  readonly minutes?: string;
  readonly servers?: string;
  readonly scenario?: string;
  readonly faults?: string;
  readonly history?: string;
  readonly help?: boolean;
}

function readValues(args: readonly string[]): Values {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: text,
        minutes: text,
        servers: text,
        scenario: text,
        faults: text,
        history: text,
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function parseFaults({ scenario, faults }: Values): readonly FaultName[] {
  if (scenario !== undefined && faults !== undefined) {
    throw new UsageError("`--scenario` and `--faults` cannot both be given");
  }
  if (faults === undefined) {
    const found = scenarios[scenario ?? "all"];
    if (found !== undefined) return found;
    throw new UsageError(
      `there is no scenario \`${scenario}\`; there are ${Object.keys(scenarios).join(", ")}`,
    );
  }
  const asked = faults.split(",").filter((name) => name !== "");
  const unknown = asked.find((name) => !faultNames.includes(name as FaultName));
  if (unknown !== undefined) {
    throw new UsageError(`there is no fault \`${unknown}\`; there are ${faultNames.join(", ")}`);
  }
  return faultNames.filter((name) => asked.includes(name));
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly whole?: boolean;
}

function parseNumber(name: string, text: string | undefined, range: Range): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  const { min, max, whole = false } = range;
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? "a whole number" : "a number";
  throw new UsageError(`\`--${name}\` must be ${kind} from ${min} to ${max}, not \`${text}\``);
}
