// A disk in memory with a file cache that can be lost: power failures that drop and tear what was
// not synced, killed processes, failed calls, bit rot. All chance comes from a seed. Not here: how
// long a call takes, and what to damage when; a test or the simulator decides that.
import { assert, assertDefined } from "../base/assert.ts";
import { Random } from "../base/random.ts";
import type { Disk, DiskFile, Done } from "../io/disk.ts";
import { CachedFile, type Flight } from "./cached-file.ts";
import { FileBytes, listFolder } from "./memory.ts";

/** Which calls can be told to fail. */
export type FaultyOperation = "read" | "write" | "sync" | "allocate";

/** What every call throws after `losePowerAfter` has struck, until the power is back. */
export class PowerLossError extends Error {
  override name = "PowerLossError";
}

/**
 * Runs a callback later, never from inside the call; the callbacks of one disk's syncs in their
 * order.
 */
export type DiskSchedule = (callback: () => void, operation: "sync" | "allocate") => void;

/** What a disk held at some moment; see `FaultyDisk.copy`. */
export interface DiskCopy {
  readonly files: ReadonlyMap<string, CachedFile>;
}

/**
 * A disk whose faults a test or a simulator decides. Survives its own crashes: open the stores on
 * it again.
 *
 * What a power failure leaves: every sector as it was last synced or as it was written since, each
 * by chance; every name that was made or removed without a folder sync, by chance, the two of a
 * renaming together. A failed sync behaves as Linux does: the cache shows the new bytes and calls
 * them clean, so that a later sync succeeds without them, and a power failure takes them.
 */
export class FaultyDisk implements Disk {
  readonly #schedule: DiskSchedule;
  readonly #random: Random;
  #names = new Map<string, CachedFile>();
  #durableNames = new Map<string, CachedFile>();
  /** Names that are durable together, since a rename changed them at once. */
  #joined: Set<string>[] = [];
  /** Handles and callbacks of an earlier life are dead. */
  #life = 0;
  #failing = new Map<FaultyOperation, Error[]>();
  #stepsLeft = Number.POSITIVE_INFINITY;

  /**
   * `schedule` runs the callbacks of `sync` and `allocate`; `seed` decides what a power failure
   * leaves.
   */
  constructor(options: { readonly schedule: DiskSchedule; readonly seed: number }) {
    this.#schedule = options.schedule;
    this.#random = new Random(options.seed);
  }

  /**
   * The next call of this kind fails so; called again, the one after it too. A failing write may
   * write a part.
   */
  failNext(operation: FaultyOperation, code: "EIO" | "ENOSPC"): void {
    const errors = this.#failing.get(operation) ?? [];
    errors.push(new Error(`${code}: ${operation}`));
    this.#failing.set(operation, errors);
  }

  /**
   * After so many more calls that change something, every call throws a PowerLossError; then call
   * `losePower`.
   */
  losePowerAfter(steps: number): void {
    this.#stepsLeft = steps;
  }

  /**
   * The process dies: open files are gone, callbacks under way never come, the file cache stays.
   */
  killProcess(): void {
    this.#life += 1;
    this.#stepsLeft = Number.POSITIVE_INFINITY;
    this.#failing.clear();
    for (const file of this.#names.values()) file.forgetFlights();
  }

  /**
   * The power fails: besides, the file cache is lost, and of what was not synced chance decides
   * what is there.
   */
  losePower(): void {
    const fates = new Map<Set<string>, boolean>();
    for (const name of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      const isSynced = this.#durableNames.get(name) === this.#names.get(name);
      const joined = this.#joined.find((names) => names.has(name));
      if (isSynced && joined === undefined) continue;
      const fate = joined === undefined ? undefined : fates.get(joined);
      const isKept = fate ?? this.#random.nextBoolean(0.5);
      if (joined !== undefined) fates.set(joined, isKept);
      if (isKept) this.#makeDurable(name);
    }
    this.#joined = [];
    this.#names = new Map(this.#durableNames);
    for (const file of this.#names.values()) file.tear(this.#random);
    this.killProcess();
  }

  /** Names of all files, sorted. */
  names(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** Length of a file in bytes, as a process would see it. */
  sizeOf(name: string): number {
    return assertDefined(this.#names.get(name), name).size();
  }

  /** A copy of what a file holds, as a process would read it. */
  cachedBytes(name: string): Uint8Array {
    const file = assertDefined(this.#names.get(name), name);
    return file.read(0, file.size());
  }

  /** A copy of what the platter holds of a file. */
  platterBytes(name: string): Uint8Array {
    return assertDefined(this.#names.get(name), name).platter();
  }

  /** Changes one bit (0 to 7) of a byte, on the platter and in the file cache. */
  flipBit(name: string, place: { readonly offset: number; readonly bit: number }): void {
    assertDefined(this.#names.get(name), name).flipBit(place.offset, place.bit);
  }

  /** All files as they are now. Costs little: bytes are shared until they are written. */
  copy(): DiskCopy {
    return { files: forkAll(this.#names) };
  }

  /**
   * All files as they were when the copy was made, of this disk or of another one, all of it
   * durable; a process that runs dies.
   */
  restore(copy: DiskCopy): void {
    this.killProcess();
    this.#joined = [];
    this.#names = forkAll(copy.files);
    this.#durableNames = new Map(this.#names);
  }

  open(name: string, options: { create: boolean }): DiskFile {
    let file = this.#names.get(name);
    if (file === undefined) {
      if (!options.create) throw new Error(`ENOENT: no such file: ${name}`);
      this.#step();
      file = new CachedFile(new FileBytes());
      this.#names.set(name, file);
    }
    return this.#open(file);
  }

  exists(name: string): boolean {
    return this.#names.has(name);
  }

  list(folder: string): string[] {
    return listFolder(this.#names.keys(), folder);
  }

  allocate(name: string, length: number, done: Done): void {
    assert(!this.#names.has(name), `${name} is there already`);
    this.#step();
    const failure = this.#takeFailure("allocate");
    this.#later("allocate", () => {
      if (failure !== undefined) {
        done(failure);
        return;
      }
      if (!this.#names.has(name)) {
        const zeros = new FileBytes();
        zeros.resize(length);
        const file = new CachedFile(zeros);
        this.#names.set(name, file);
        this.#durableNames.set(name, file);
      }
      done();
    });
  }

  remove(name: string): void {
    this.#step();
    assert(this.#names.delete(name), `${name} is not there`);
  }

  rename(from: string, to: string): void {
    this.#step();
    this.#names.set(to, assertDefined(this.#names.get(from), from));
    this.#names.delete(from);
    const joined = new Set([from, to]);
    this.#joined = this.#joined.filter((names) => {
      if (!names.has(from) && !names.has(to)) return true;
      for (const name of names) joined.add(name);
      return false;
    });
    this.#joined.push(joined);
  }

  syncFolder(folder: string): void {
    this.#step();
    const names = new Set([
      ...listPaths(this.#durableNames.keys(), folder),
      ...listPaths(this.#names.keys(), folder),
    ]);
    this.#joined = this.#joined.filter((joined) => {
      if (!Array.from(joined).some((name) => isIn(name, folder))) return true;
      for (const name of joined) names.add(name);
      return false;
    });
    for (const name of names) this.#makeDurable(name);
  }

  freeBytes(): number {
    return Number.MAX_SAFE_INTEGER;
  }

  #makeDurable(name: string): void {
    const file = this.#names.get(name);
    if (file === undefined) this.#durableNames.delete(name);
    else this.#durableNames.set(name, file);
  }

  #open(file: CachedFile): DiskFile {
    const life = this.#life;
    let closed = false;
    const check = () => {
      assert(life === this.#life, "a file of a dead process is used");
      assert(!closed, "a closed file is used");
    };
    return {
      size: () => {
        check();
        return file.size();
      },
      read: (offset, length) => {
        check();
        const failure = this.#takeFailure("read");
        if (failure !== undefined) throw failure;
        return file.read(offset, length);
      },
      write: (offset, bytes) => {
        check();
        this.#write(file, offset, bytes);
      },
      sync: (done) => {
        check();
        this.#sync(file, done);
      },
      syncNow: () => {
        check();
        this.#step();
        const failure = this.#takeFailure("sync");
        this.#land(file, file.takeOff(), failure);
        if (failure !== undefined) throw failure;
      },
      truncate: (length) => {
        check();
        this.#step();
        file.truncate(length);
      },
      close: () => {
        check();
        closed = true;
      },
    };
  }

  #write(file: CachedFile, offset: number, bytes: Uint8Array): void {
    this.#step();
    const failure = this.#takeFailure("write");
    const length = failure === undefined ? bytes.length : this.#random.nextInteger(0, bytes.length);
    file.write(offset, bytes.subarray(0, length));
    if (failure !== undefined) throw failure;
  }

  #sync(file: CachedFile, done: Done): void {
    this.#step();
    const failure = this.#takeFailure("sync");
    const flight = file.takeOff();
    this.#later("sync", () => {
      this.#land(file, flight, failure);
      done(failure);
    });
  }

  #land(file: CachedFile, flight: Flight, failure: Error | undefined): void {
    if (failure === undefined) file.land(flight);
    else file.land(flight, this.#random);
  }

  #takeFailure(operation: FaultyOperation): Error | undefined {
    return this.#failing.get(operation)?.shift();
  }

  /** One call that changes something. */
  #step(): void {
    if (this.#stepsLeft <= 0) throw new PowerLossError("the power is lost");
    this.#stepsLeft -= 1;
  }

  #later(operation: "sync" | "allocate", callback: () => void): void {
    const life = this.#life;
    this.#schedule(() => {
      if (life === this.#life) callback();
    }, operation);
  }
}

function isIn(name: string, folder: string): boolean {
  return listFolder([name], folder).length > 0;
}

function listPaths(names: Iterable<string>, folder: string): string[] {
  return Array.from(names).filter((name) => isIn(name, folder));
}

function forkAll(files: ReadonlyMap<string, CachedFile>): Map<string, CachedFile> {
  return new Map(Array.from(files, ([name, file]) => [name, file.fork()]));
}
