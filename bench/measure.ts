// Figures: percentiles, processor time of other processes, one JSON line a result. No load of its
// own.
import { readFileSync } from "node:fs";

/** Clock ticks a second in /proc; 100 on every Linux that Node runs on. */
const procTicksPerSecond = 100;

/**
 * The value below which a share of the sorted values lies (nearest rank); NaN where there is none.
 */
export function percentile(sorted: readonly number[], share: number): number {
  const rank = Math.max(0, Math.ceil(share * sorted.length) - 1);
  return sorted[rank] ?? Number.NaN;
}

/** Rounds to so many digits after the point. */
export function round(value: number, digits: number): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}

/**
 * Processor time that these processes have used, in seconds; NaN where the machine has no /proc.
 */
export function processorSeconds(pids: readonly number[]): number {
  try {
    let ticks = 0;
    for (const pid of pids) {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      ticks += Number(fields[11]) + Number(fields[12]);
    }
    return ticks / procTicksPerSecond;
  } catch {
    return Number.NaN;
  }
}

/** Prints one result. */
export function printResult(result: Readonly<Record<string, string | number | boolean>>): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
