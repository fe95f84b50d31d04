// Copies of a simulated database in the files of its machine's disk, as src/host/copy-worker.ts
// makes them: held at once, written and made durable little by little, then read back, so that what
// the disk has done to them counts. Ends with its process. Not here: what a copy is for.
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { type ContentValue, contentsOf } from "../base/sql-contents.ts";
import { createCorruption } from "../base/sql-error.ts";
import type { Clock, Timer } from "../io/clock.ts";
import type { Disk, DiskFile } from "../io/disk.ts";
import type { CopyDone, StateCopy } from "../io/state-store.ts";

/** Least and most that it takes until the snapshot is held, and before each piece is written. */
const heldMs = { min: 0.5, max: 3 };
const pieceMs = { min: 0.2, max: 40 };
/** What the host needs to copy and read a state, and so the least here: 30 MB/s. */
const bytesPerMs = 30_000;
/** A copy is written in so many pieces. */
const pieces = 4;

interface CopyJob {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly held: () => void;
  readonly done: CopyDone;
  isHeld?: boolean;
  file?: DiskFile;
}

/** SHA-256 of the contents; equal to that of the host's copies. */
export function digestOf(database: DatabaseSync): Uint8Array {
  const hash = createHash("sha256");
  const rows = (sql: string) => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement.iterate() as unknown as Iterable<ContentValue[]>;
  };
  for (const piece of contentsOf(rows)) hash.update(piece);
  return hash.digest();
}

/** A folder's name in the manner of `Disk`: "" for the folder itself. */
export function folderOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

/** All bytes of a file. */
export function readAll(disk: Disk, name: string): Uint8Array {
  const file = disk.open(name, { create: false });
  try {
    return file.read(0, file.size());
  } finally {
    file.close();
  }
}

/** The copies of one process. */
export class SimStateCopies {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #timers = new Set<Timer>();
  #job: CopyJob | undefined;

  constructor(options: { readonly disk: Disk; readonly clock: Clock; readonly random: Random }) {
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  get isBusy(): boolean {
    return this.#job !== undefined;
  }

  /** These bytes become a file. */
  begin(job: CopyJob): void {
    assert(this.#job === undefined, "one copy at a time");
    this.#job = job;
    this.#after(this.#draw(heldMs), () => {
      job.isHeld = true;
      job.held();
      if (this.#job === job) this.#writePiece(job, 0);
    });
  }

  /** Nothing can be copied: the calls come all the same, and later. */
  refuse(problem: Error, calls: { readonly held: () => void; readonly done: CopyDone }): void {
    this.#clock.setSoon(() => {
      calls.held();
      calls.done(problem);
    });
  }

  inspect(name: string, done: CopyDone): void {
    this.#after(this.#draw(pieceMs), () => done(this.#readOrError(name)));
  }

  /** The process is no more. */
  end(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#job = undefined;
  }

  /** The database is closed: what is under way is given up, and says so. */
  giveUp(): void {
    const job = this.#job;
    this.end();
    if (job === undefined) return;
    job.file?.close();
    this.#removeHalf(job);
    const held = job.isHeld === true ? () => {} : job.held;
    this.refuse(new Error("the database was closed before the copy was whole"), { ...job, held });
  }

  #writePiece(job: CopyJob, index: number): void {
    const { name, bytes } = job;
    this.#after(this.#draw(pieceMs) + bytes.length / pieces / bytesPerMs, () => {
      this.#orFail(job, () => {
        if (index === 0) {
          job.file = this.#disk.open(name, { create: true });
          job.file.truncate(0);
        }
        const [start, end] = [index, index + 1].map((at) =>
          Math.ceil((bytes.length * at) / pieces),
        );
        job.file?.write(start ?? 0, bytes.subarray(start, end));
        if (index + 1 < pieces) this.#writePiece(job, index + 1);
        else this.#sync(job);
      });
    });
  }

  #sync(job: CopyJob): void {
    job.file?.sync((error) => {
      // Given up meanwhile.
      if (this.#job !== job) return;
      this.#orFail(job, () => {
        if (error !== undefined) throw error;
        this.#disk.syncFolder(folderOf(job.name));
        const finish = () => this.#finish(job, this.#readOrError(job.name));
        this.#after(this.#draw(pieceMs), finish);
      });
    });
  }

  #read(name: string): StateCopy {
    const bytes = readAll(this.#disk, name);
    const database = new DatabaseSync(":memory:");
    try {
      if (bytes.length === 0) throw createCorruption(`${name} is empty`);
      database.deserialize(bytes);
      const check = database.prepare("PRAGMA integrity_check(1)").get()?.["integrity_check"];
      if (check !== "ok") throw createCorruption(`${name} is damaged: ${check}`);
      return { size: bytes.length, digest: digestOf(database) };
    } finally {
      database.close();
    }
  }

  #readOrError(name: string): StateCopy | Error {
    try {
      return this.#read(name);
    } catch (error) {
      return error as Error;
    }
  }

  /** A step of the disk, in which nobody is called back. */
  #orFail(job: CopyJob, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#finish(job, error as Error);
    }
  }

  #finish(job: CopyJob, result: StateCopy | Error): void {
    this.#job = undefined;
    job.file?.close();
    if (result instanceof Error) this.#removeHalf(job);
    job.done(result);
  }

  /** Where the disk lets us. */
  #removeHalf(job: CopyJob): void {
    try {
      if (this.#disk.exists(job.name)) this.#disk.remove(job.name);
    } catch {}
  }

  #draw({ min, max }: { readonly min: number; readonly max: number }): number {
    return min + this.#random.nextFloat() * (max - min);
  }

  #after(delayMs: number, callback: () => void): void {
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
  }
}
