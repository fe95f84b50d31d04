// An entry that broke the state machine, remembered beside the data: the same build would break on
// it again, a mended one passes it. Holds nothing that is needed otherwise.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What broke, where, and which build. */
export interface Poison {
  /** Index of the entry. */
  readonly index: number;
  readonly error: string;
  readonly stack: string;
  /** The build that broke. */
  readonly version: string;
}

const fileName = "poison.json";

/**
 * Remembers it. A failure to do so is told to nobody: the process is ending for a graver reason.
 */
export function writePoison(folder: string, poison: Poison): void {
  try {
    const path = join(folder, fileName);
    writeFileSync(`${path}.new`, `${JSON.stringify(poison, undefined, 2)}\n`);
    renameSync(`${path}.new`, path);
  } catch {
    // The log line that goes with it says the same.
  }
}

/** What is remembered; undefined where there is nothing, or nothing that can be read. */
export function readPoison(folder: string): Poison | undefined {
  try {
    const poison = JSON.parse(readFileSync(join(folder, fileName), "utf8")) as Partial<Poison>;
    const { index, error, stack, version } = poison;
    if (typeof index !== "number" || typeof version !== "string") return undefined;
    return { index, error: String(error), stack: String(stack), version };
  } catch {
    return undefined;
  }
}

/** Forgets it, once another build is at it. */
export function removePoison(folder: string): void {
  rmSync(join(folder, fileName), { force: true });
}
