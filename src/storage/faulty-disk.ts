// A disk in memory with a file cache that can be lost: power failures that drop and tear what was
// not synced, killed processes, failed calls. All chance comes from a seed. Not here: bit rot; a
// test writes that into the file itself.
import { assert } from "../base/assert.ts";
import { Random } from "../base/random.ts";
import type { Disk, DiskFile, Done } from "../io/disk.ts";
import { sectorBytes } from "./limits.ts";
import { FileBytes, listFolder, type Schedule } from "./memory.ts";

/** Which calls can be told to fail. */
export type FaultyOperation = "read" | "write" | "sync" | "allocate";

/** What every call throws after `losePowerAfter` has struck, until the power is back. */
export class PowerLossError extends Error {
  override name = "PowerLossError";
}

/** An inode: what the process sees, what the platter has, and what lies between. */
interface Inode {
  readonly cached: FileBytes;
  readonly durable: FileBytes;
  /** Sectors written since they were last handed to a sync. */
  readonly dirty: Set<number>;
  /** Contents that a sync is bringing to the platter. */
  readonly inFlight: Map<number, Uint8Array>[];
}

/**
 * A disk whose faults a test or a simulator decides. Survives its own crashes: open the stores on
 * it again.
 *
 * What a power failure leaves: every sector as it was last synced or as it was written since, each
 * by chance; every name that was made or removed without a folder sync, by chance. A failed sync
 * behaves as Linux does: the cache shows the new bytes and calls them clean, so that a later sync
 * succeeds without them, and a power failure takes them.
 */
export class FaultyDisk implements Disk {
  readonly #schedule: Schedule;
  readonly #random: Random;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  /** Handles and callbacks of an earlier life are dead. */
  #life = 0;
  #failing = new Map<FaultyOperation, Error[]>();
  #stepsLeft = Number.POSITIVE_INFINITY;

  /**
   * `schedule` runs the callbacks of `sync` and `allocate`; `seed` decides what a power failure
   * leaves.
   */
  constructor(options: { readonly schedule: Schedule; readonly seed: number }) {
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
    for (const inode of this.#names.values()) {
      // The kernel ends what it has begun, in its own time: for a power failure it is as if it had
      // not.
      for (const flight of inode.inFlight.splice(0))
        for (const at of flight.keys()) inode.dirty.add(at);
    }
  }

  /**
   * The power fails: besides, the file cache is lost, and of what was not synced chance decides
   * what is there.
   */
  losePower(): void {
    for (const name of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      const before = this.#durableNames.get(name);
      const after = this.#names.get(name);
      const left = before === after || this.#random.nextBoolean(0.5) ? after : before;
      if (left === undefined) this.#durableNames.delete(name);
      else this.#durableNames.set(name, left);
    }
    this.#names = new Map();
    for (const [name, inode] of this.#durableNames) {
      this.#tear(inode);
      const { cached, durable } = inode;
      cached.resize(0);
      cached.write(0, durable.read(0, durable.size()));
      this.#names.set(name, inode);
    }
    this.killProcess();
  }

  open(name: string, options: { create: boolean }): DiskFile {
    let inode = this.#names.get(name);
    if (inode === undefined) {
      if (!options.create) throw new Error(`ENOENT: no such file: ${name}`);
      this.#step();
      inode = createInode();
      this.#names.set(name, inode);
    }
    return this.#openInode(inode);
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
    this.#later(() => {
      if (failure !== undefined) {
        done(failure);
        return;
      }
      if (!this.#names.has(name)) {
        const inode = createInode();
        inode.cached.resize(length);
        inode.durable.resize(length);
        this.#names.set(name, inode);
        this.#durableNames.set(name, inode);
      }
      done();
    });
  }

  remove(name: string): void {
    this.#step();
    assert(this.#names.delete(name), `${name} is not there`);
  }

  syncFolder(folder: string): void {
    this.#step();
    for (const name of listFolder(this.#durableNames.keys(), folder)) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (!this.#names.has(path)) this.#durableNames.delete(path);
    }
    for (const name of this.list(folder)) {
      const path = folder === "" ? name : `${folder}/${name}`;
      this.#durableNames.set(path, this.#names.get(path)!);
    }
  }

  freeBytes(): number {
    return Number.MAX_SAFE_INTEGER;
  }

  #openInode(inode: Inode): DiskFile {
    const life = this.#life;
    let closed = false;
    const check = () => {
      assert(life === this.#life, "a file of a dead process is used");
      assert(!closed, "a closed file is used");
    };
    return {
      size: () => {
        check();
        return inode.cached.size();
      },
      read: (offset, length) => {
        check();
        const failure = this.#takeFailure("read");
        if (failure !== undefined) throw failure;
        return inode.cached.read(offset, length);
      },
      write: (offset, bytes) => {
        check();
        this.#write(inode, offset, bytes);
      },
      sync: (done) => {
        check();
        this.#sync(inode, done);
      },
      syncNow: () => {
        check();
        this.#step();
        const failure = this.#takeFailure("sync");
        const flight = this.#takeOff(inode);
        this.#land(inode, flight, failure);
        if (failure !== undefined) throw failure;
      },
      truncate: (length) => {
        check();
        this.#step();
        inode.cached.resize(length);
      },
      close: () => {
        check();
        closed = true;
      },
    };
  }

  #write(inode: Inode, offset: number, bytes: Uint8Array): void {
    this.#step();
    const failure = this.#takeFailure("write");
    const length = failure === undefined ? bytes.length : this.#random.nextInteger(0, bytes.length);
    if (length > 0) {
      inode.cached.write(offset, bytes.subarray(0, length));
      const last = Math.floor((offset + length - 1) / sectorBytes);
      for (let at = Math.floor(offset / sectorBytes); at <= last; at++) inode.dirty.add(at);
    }
    if (failure !== undefined) throw failure;
  }

  #sync(inode: Inode, done: Done): void {
    this.#step();
    const failure = this.#takeFailure("sync");
    const flight = this.#takeOff(inode);
    this.#later(() => {
      this.#land(inode, flight, failure);
      done(failure);
    });
  }

  /** Begins a sync of what is dirty now. */
  #takeOff(inode: Inode): Map<number, Uint8Array> {
    const flight = new Map<number, Uint8Array>();
    for (const at of inode.dirty) flight.set(at, inode.cached.read(at * sectorBytes, sectorBytes));
    inode.dirty.clear();
    inode.inFlight.push(flight);
    return flight;
  }

  /** Ends a sync. A failed one leaves nothing, or by chance some of it, on the platter. */
  #land(inode: Inode, flight: Map<number, Uint8Array>, failure: Error | undefined): void {
    inode.inFlight.splice(inode.inFlight.indexOf(flight), 1);
    if (failure === undefined) inode.durable.resize(inode.cached.size());
    for (const [at, bytes] of flight) {
      if (failure !== undefined && this.#random.nextBoolean(0.7)) continue;
      inode.durable.write(at * sectorBytes, bytes);
    }
  }

  /** What a power failure does to one file. */
  #tear(inode: Inode): void {
    const sizeWritten = this.#random.nextBoolean(0.5);
    if (sizeWritten) inode.durable.resize(inode.cached.size());
    // Whole batches are kept or lost as often as torn ones, so that every case is common.
    const kept = [0, 0.5, 0.9, 1][this.#random.nextInteger(0, 4)]!;
    const dirty = new Map<number, Uint8Array>();
    for (const at of inode.dirty) dirty.set(at, inode.cached.read(at * sectorBytes, sectorBytes));
    for (const flight of [...inode.inFlight, dirty]) {
      for (const [at, bytes] of flight) {
        if (!this.#random.nextBoolean(kept)) continue;
        const room = inode.durable.size() - at * sectorBytes;
        if (room > 0) inode.durable.write(at * sectorBytes, bytes.subarray(0, room));
      }
    }
    inode.dirty.clear();
    inode.inFlight.length = 0;
  }

  #takeFailure(operation: FaultyOperation): Error | undefined {
    return this.#failing.get(operation)?.shift();
  }

  /** One call that changes something. */
  #step(): void {
    if (this.#stepsLeft <= 0) throw new PowerLossError("the power is lost");
    this.#stepsLeft -= 1;
  }

  #later(callback: () => void): void {
    const life = this.#life;
    this.#schedule(() => {
      if (life === this.#life) callback();
    });
  }
}

function createInode(): Inode {
  return { cached: new FileBytes(), durable: new FileBytes(), dirty: new Set(), inFlight: [] };
}
