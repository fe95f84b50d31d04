// A wrong date for a process, by libfaketime: preloaded into the server, it reads the offset from a
// file, so that the clock can jump and drift while the server runs. Monotonic time and timers stay
// right. libfaketime is used where the machine has it, and is no dependency of the project.
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTemporaryFolder } from "../../src/testing/index.ts";
import { describeError, runCommand } from "./commands.ts";

const libraryName = "libfaketime.so.1";
/** How long a process may go on with the offset that it has read, s. */
const cacheSeconds = 1;
/** How wrong the clock of the trial must be, ms, and how exactly so. */
const trialOffsetMs = 86_400_000;
const trialToleranceMs = 60_000;

/** How wrong a clock is: `offsetSeconds` off, and `rate` seconds a second (1 is right). */
export interface ClockError {
  readonly offsetSeconds: number;
  readonly rate: number;
}

/** The clock of one server. */
export class WrongClock {
  readonly #library: string;
  readonly #file: string;
  #isWrong = false;

  /** `file` is made; the clock is right at first. */
  constructor(library: string, file: string) {
    this.#library = library;
    this.#file = file;
    this.set({ offsetSeconds: 0, rate: 1 });
  }

  /** What a process that is to have this clock needs in its environment. */
  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: String(cacheSeconds),
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    };
  }

  get isWrong(): boolean {
    return this.#isWrong;
  }

  /** Running processes have it about a second later. */
  set({ offsetSeconds, rate }: ClockError): void {
    this.#isWrong = offsetSeconds !== 0 || rate !== 1;
    const sign = offsetSeconds < 0 ? "-" : "+";
    const speed = rate === 1 ? "" : ` x${rate}`;
    writeFileSync(this.#file, `${sign}${Math.abs(offsetSeconds)}${speed}\n`);
  }
}

/** Finds libfaketime and tries it; answers its path, or why it cannot be used. */
export async function findFaketime(): Promise<{ path: string } | { reason: string }> {
  if (process.platform !== "linux") return { reason: `libfaketime is not used on this system` };
  const path = usualFolders()
    .map((folder) => join(folder, libraryName))
    .find((file) => existsSync(file));
  if (path === undefined) return { reason: `${libraryName} is not installed` };
  const folder = createTemporaryFolder();
  try {
    const clock = new WrongClock(path, join(folder.path, "clock"));
    clock.set({ offsetSeconds: trialOffsetMs / 1000, rate: 1 });
    const environment = { ...process.env, ...clock.environment };
    const program = "process.stdout.write(String(Date.now()))";
    const told = await runCommand([process.execPath, "-e", program], { environment });
    const offsetMs = Number(told) - Date.now();
    if (Math.abs(offsetMs - trialOffsetMs) < trialToleranceMs) return { path };
    return { reason: `${path} does not change the date of Node.js` };
  } catch (error) {
    return { reason: `${path}: ${describeError(error)}` };
  } finally {
    folder.remove();
  }
}

function usualFolders(): string[] {
  const roots = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib"];
  const triples = listFolder("/usr/lib").filter((name) => name.includes("-linux-"));
  const all = [...roots, ...triples.map((name) => `/usr/lib/${name}`)];
  return all.flatMap((folder) => [`${folder}/faketime`, folder]);
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
