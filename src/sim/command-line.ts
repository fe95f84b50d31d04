// The command line of the simulator: from words to what is asked for, and back to the command that
// asks for one run again. Refuses what it does not know, with the nearest known name. Runs nothing.
import { parseArgs } from "node:util";
import { closest } from "fastest-levenshtein";
import type { RunJob } from "./run-job.ts";
import type { Swarm } from "./swarm.ts";
import { parseSwarmOverrides } from "./swarm-overrides.ts";

/** A command line that cannot be understood; the message is one sentence for people. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Where lines go: to standard output, or to a file of this name. */
export type LineTarget = { readonly kind: "output" } | { readonly kind: "file"; name: string };

/** What is asked for. */
export interface SimCommand {
  readonly what:
    | { readonly kind: "help" }
    /** One run. */
    | { readonly kind: "one"; readonly seed: number | undefined }
    /** Seed after seed, until one of the bounds is reached. */
    | {
        readonly kind: "many";
        readonly from: number | undefined;
        readonly runs: number;
        readonly minutes: number;
      }
    /** All of seeds.txt. */
    | { readonly kind: "replay" };
  /** Fixes for every run what its seed would draw. */
  readonly simulatedMs: number | undefined;
  readonly swarm: Partial<Swarm> | undefined;
  readonly workers: number;
  readonly json: boolean;
  readonly untilFailure: boolean;
  /** Real minutes after which a run of many counts as hung. */
  readonly stuckMinutes: number;
  readonly trace: LineTarget | undefined;
  readonly raftTrace: LineTarget | undefined;
}

/** What a run of the command line writes to. */
export interface RunWorld {
  readonly commit: string;
  readonly print: (line: string) => void;
}

const options = {
  seed: { type: "string" },
  seeds: { type: "string" },
  from: { type: "string" },
  minutes: { type: "string" },
  workers: { type: "string" },
  replay: { type: "boolean" },
  "until-failure": { type: "boolean" },
  hours: { type: "string" },
  servers: { type: "string" },
  faults: { type: "string" },
  swarm: { type: "string" },
  trace: { type: "string" },
  "raft-trace": { type: "string" },
  json: { type: "boolean" },
  "stuck-minutes": { type: "string" },
  help: { type: "boolean" },
} as const;

type OptionName = keyof typeof options;
const optionNames = Object.keys(options) as OptionName[];

/** Seeds are unsigned numbers of 32 bits. */
export const seedMax = 0xffff_ffff;
const workersMax = 256;
const stuckMinutesDefault = 10;
const msPerHour = 3_600_000;

/** What `--help` shows. */
export const helpText = `Usage: npm run sim -- [options]

Runs whole clusters in a simulated world under faults, and judges them.

  --seed N            one run, of this seed
  --seeds N           so many runs, one seed after the other
  --minutes N         runs for so many real minutes
  --from N            the first seed of many (1; with --minutes and no --seeds: drawn)
  --workers N         threads for many runs (1)
  --replay            runs all of seeds.txt
  --until-failure     ends many runs with the first that fails
  --hours N           simulated hours of each run under faults
  --servers N         1, 3 or 5 servers
  --faults A,B        only these kinds of faults; "none": none at all
  --swarm JSON        fixes anything else of what a run draws; its first line shows the names
  --trace [FILE]      writes the run down, one line an event (docs/TESTING.md)
  --raft-trace FILE   writes the cores' events for etcd-io/raft's trace validation
  --json              the figures of many runs as one line of JSON too
  --stuck-minutes N   real minutes after which one of many runs counts as hung (10)

Without --seed, --seeds, --minutes and --replay: one run of a seed that is drawn.
Exit codes: 0 passed · 127 crash · 128 liveness · 129 safety · 2 wrong arguments`;

/** Reads a command line. Throws a UsageError. */
export function parseCommandLine(args: readonly string[]): SimCommand {
  const values = readValues(args);
  const number = (name: OptionName, range: Range) => parseNumber(values, name, range);
  const simulatedHours = number("hours", { min: 0.001, max: 10_000 });
  const swarm = parseSwarm(values);
  const command: SimCommand = {
    what: parseWhat(values),
    simulatedMs: simulatedHours === undefined ? undefined : Math.round(simulatedHours * msPerHour),
    swarm,
    workers: number("workers", { min: 1, max: workersMax, whole: true }) ?? 1,
    json: values.json === true,
    untilFailure: values["until-failure"] === true,
    stuckMinutes: number("stuck-minutes", { min: 0.01, max: 1_000 }) ?? stuckMinutesDefault,
    trace: parseTarget(values.trace),
    raftTrace: parseTarget(values["raft-trace"]),
  };
  const traced = command.trace !== undefined || command.raftTrace !== undefined;
  if (traced && command.what.kind !== "one") throw new UsageError("only one run can be traced");
  return command;
}

/** The job of a seed on a command line. */
export function jobOf(command: SimCommand, seed: number): RunJob {
  const { simulatedMs, swarm } = command;
  return {
    seed,
    ...(simulatedMs === undefined ? {} : { simulatedMs }),
    ...(swarm === undefined ? {} : { swarm }),
  };
}

/** The command that does one run again. */
export function commandOf(job: RunJob): string {
  const parts = [`npm run sim -- --seed ${job.seed}`];
  if (job.simulatedMs !== undefined) parts.push(`--hours ${job.simulatedMs / msPerHour}`);
  if (job.swarm !== undefined) parts.push(`--swarm ${quoted(JSON.stringify(job.swarm))}`);
  return parts.join(" ");
}

/** Quotes words for a shell where they need it. */
export function quoted(word: string): string {
  return /^[\w,./:=+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

type Values = { [Name in OptionName]?: string | boolean };

function readValues(args: readonly string[]): Values {
  const { tokens } = parseArgs({
    args: args.map((arg, at) => withOptionalValue(arg, args[at + 1])),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Values = {};
  const traceFiles = new Set(args.filter((_, at) => isTraceOption(args[at - 1])));
  for (const token of tokens) {
    if (token.kind === "positional" && traceFiles.has(token.value)) continue;
    if (token.kind === "positional") throw new UsageError(`unexpected argument \`${token.value}\``);
    if (token.kind !== "option") continue;
    const name = token.name as OptionName;
    if (!optionNames.includes(name)) {
      const known = optionNames.map((option) => `--${option}`);
      const nearest = closest(token.rawName, known);
      throw new UsageError(
        `unknown option \`${token.rawName}\`; the nearest known one is \`${nearest}\``,
      );
    }
    if (values[name] !== undefined) throw new UsageError(`\`--${name}\` is given twice`);
    values[name] = readValue(name, token.value);
  }
  return values;
}

function readValue(name: OptionName, value: string | undefined): string | boolean {
  const takesValue = options[name].type === "string";
  if (takesValue && value === undefined) throw new UsageError(`\`--${name}\` needs a value`);
  if (!takesValue && value !== undefined) throw new UsageError(`\`--${name}\` takes no value`);
  return value ?? true;
}

function isTraceOption(arg: string | undefined): boolean {
  return arg === "--trace" || arg === "--raft-trace";
}

/** A trace without a file goes to standard output: "-". */
function withOptionalValue(arg: string, next: string | undefined): string {
  if (!isTraceOption(arg)) return arg;
  return next === undefined || next.startsWith("-") ? `${arg}=-` : `${arg}=${next}`;
}

function parseTarget(value: string | boolean | undefined): LineTarget | undefined {
  if (typeof value !== "string") return undefined;
  return value === "-" ? { kind: "output" } : { kind: "file", name: value };
}

function parseWhat(values: Values): SimCommand["what"] {
  if (values.help === true) return { kind: "help" };
  const seed = parseNumber(values, "seed", { min: 0, max: seedMax, whole: true });
  const runs = parseNumber(values, "seeds", { min: 1, max: seedMax, whole: true });
  const from = parseNumber(values, "from", { min: 0, max: seedMax, whole: true });
  const minutes = parseNumber(values, "minutes", { min: 0.001, max: 100_000 });
  const isMany = runs !== undefined || minutes !== undefined;
  if ([seed !== undefined, isMany, values.replay === true].filter(Boolean).length > 1) {
    throw new UsageError("one of `--seed`, `--seeds` or `--minutes`, and `--replay` can be given");
  }
  if (from !== undefined && !isMany)
    throw new UsageError("`--from` needs `--seeds` or `--minutes`");
  if (values.replay === true) return { kind: "replay" };
  if (!isMany) return { kind: "one", seed };
  const unbounded = Number.POSITIVE_INFINITY;
  const first = from ?? (runs === undefined ? undefined : 1);
  return { kind: "many", from: first, runs: runs ?? unbounded, minutes: minutes ?? unbounded };
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly whole?: boolean;
}

function parseNumber(values: Values, name: OptionName, range: Range): number | undefined {
  const text = values[name];
  if (typeof text !== "string") return undefined;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  const { min, max, whole = false } = range;
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? "a whole number" : "a number";
  throw new UsageError(`\`--${name}\` must be ${kind} from ${min} to ${max}, not \`${text}\``);
}

function parseSwarm(values: Values): Partial<Swarm> | undefined {
  const servers = parseNumber(values, "servers", { min: 1, max: 5, whole: true });
  const { faults, swarm: json } = values;
  const asked = {
    ...(servers === undefined ? {} : { servers }),
    ...(typeof faults === "string" ? { faults: faults.split(",") } : {}),
    ...(typeof json === "string" ? { json } : {}),
  };
  try {
    return parseSwarmOverrides(asked);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
