// The command line of `npm run bench`: from words to what is asked for. Runs nothing.
import { parseArgs } from "node:util";
import { type FailoverName, failoverScenarios } from "./failover.ts";

const usualParts = ["acknowledgements", "deliveries"] as const;
const parts: readonly string[] = [...usualParts, "failover", "streaming"];
const failoverNames = Object.keys(failoverScenarios) as FailoverName[];

/** What is asked for. */
export interface BenchCommand {
  readonly parts: ReadonlySet<string>;
  /** Of `failover`. */
  readonly scenarios: readonly FailoverName[];
  /** Of each measurement of throughput. */
  readonly seconds: number;
  /** Of each scenario of `failover`. */
  readonly repetitions: number;
  /** Size of the state that `streaming` hands to a new server. */
  readonly stateMib: number;
}

/** What a wrong command line is answered with. */
export const usageText = `usage: npm run bench -- [part …] [scenario …]
  parts       ${parts.join(" · ")} (the first two)
  scenarios   of failover: ${failoverNames.join(" · ")} (all)
  --seconds N      of each measurement of throughput, 1 to 120 (5)
  --repetitions N  of each scenario of failover, 1 to 1000 (20)
  --state-mib N    size of the state in streaming, 1 to 16384 (1024)`;

/** Reads a command line; undefined where it cannot be understood. */
export function parseBenchCommand(args: readonly string[]): BenchCommand | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        seconds: { type: "string", default: "5" },
        repetitions: { type: "string", default: "20" },
        "state-mib": { type: "string", default: "1024" },
      },
    });
    const scenarios = failoverNames.filter((name) => positionals.includes(name));
    const named = positionals.filter((word) => parts.includes(word));
    if (scenarios.length > 0) named.push("failover");
    const known: readonly string[] = [...parts, ...failoverNames];
    if (!positionals.every((word) => known.includes(word))) return undefined;
    return {
      parts: new Set(named.length > 0 ? named : usualParts),
      scenarios: scenarios.length > 0 ? scenarios : failoverNames,
      seconds: parseNumber(values.seconds, 120),
      repetitions: parseNumber(values.repetitions, 1_000),
      stateMib: parseNumber(values["state-mib"], 16_384),
    };
  } catch {
    return undefined;
  }
}

function parseNumber(text: string, max: number): number {
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= 1 && value <= max)) throw new RangeError(text);
  return value;
}
