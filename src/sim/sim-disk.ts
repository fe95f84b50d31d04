// A server's data folder in a simulated world: storage's faulty disk with the time that a disk
// takes, and with damage that no crash explains: flipped bits, bytes that went to or came from the
// wrong place. Outlives processes. Decides what is hit, not when (faults.ts).
import type { Random } from "../base/random.ts";
import type { Disk, DiskFile, Done } from "../io/disk.ts";
import { type DiskCopy, FaultyDisk, type FaultyOperation } from "../storage/index.ts";
import type { DiskFaults } from "./fault-target.ts";
import type { ProcessLife } from "./process-life.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Least and most that a call of a healthy disk takes. */
const latencyMs = { sync: { min: 0.1, max: 1 }, allocate: { min: 1, max: 5 } };
/** A disk moves sectors: what goes astray lands as far into a sector as it should have. */
const sectorBytes = 512;
/** A read that goes astray answers so many sectors from elsewhere at most. */
const straySectorsMax = 8;
/** So many flips hit the bytes of a file that were written last. */
const newestShare = 0.3;
const newestBytes = 2_048;
/** How often to look for other bytes elsewhere before the fault waits for a better call. */
const strayAttempts = 8;

/** What happened to a file that no crash explains. */
export interface Damage {
  readonly kind: "flippedBit" | "misdirectedWrite" | "misdirectedRead";
  readonly file: string;
  /** Where the bytes are that are wrong: for a misdirected write, where it should have gone. */
  readonly offset: number;
  /** For a misdirected write or read: where the bytes went to or came from instead. */
  readonly elsewhere?: number;
}

/** One data folder. */
export class SimDisk implements Disk, DiskFaults {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #onDamage: (damage: Damage) => void;
  readonly #disk: FaultyDisk;
  #life: ProcessLife | undefined;
  #slowMs = 0;
  /** When the last sync that was asked for is over: they are done one after the other. */
  #busyUntilMs = 0;
  /** The folder whose next write goes astray; "" for any. */
  #strayWrite: string | undefined;
  #strayRead = false;

  /** `onDamage` hears of each damage when it is done, before anybody can see it. */
  constructor(options: {
    readonly time: VirtualTime;
    readonly random: Random;
    readonly onDamage?: (damage: Damage) => void;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#onDamage = options.onDamage ?? (() => {});
    this.#disk = new FaultyDisk({
      seed: options.random.nextUint32(),
      schedule: (callback, operation) => this.#schedule(callback, operation),
    });
  }

  /** The disk of a new process: callbacks wait while it is paused. */
  openLife(life: ProcessLife): Disk {
    this.#life = life;
    return this;
  }

  // ---- As a process sees it ---------------------------------------------------------------------

  open(name: string, options: { create: boolean }): DiskFile {
    const file = this.#disk.open(name, options);
    const life = this.#life;
    return {
      size: () => file.size(),
      read: (offset, length) => {
        const bytes = file.read(offset, length);
        return this.#strayRead ? this.#readAstray({ name, file, offset, bytes }) : bytes;
      },
      write: (offset, bytes) => {
        if (!this.#writeAstray({ name, file, offset, bytes })) file.write(offset, bytes);
      },
      sync: (done) => file.sync(done),
      syncNow: () => file.syncNow(),
      truncate: (length) => file.truncate(length),
      // Whoever is unwound at a crash point may still let go of what died with its process.
      close: () => {
        if (life === this.#life) file.close();
      },
    };
  }

  exists(name: string): boolean {
    return this.#disk.exists(name);
  }

  list(folder: string): string[] {
    return this.#disk.list(folder);
  }

  allocate(name: string, length: number, done: Done): void {
    this.#disk.allocate(name, length, done);
  }

  remove(name: string): void {
    this.#disk.remove(name);
  }

  rename(from: string, to: string): void {
    this.#disk.rename(from, to);
  }

  syncFolder(folder: string): void {
    this.#disk.syncFolder(folder);
  }

  freeBytes(): number {
    return this.#disk.freeBytes();
  }

  // ---- What ends a process ----------------------------------------------------------------------

  /** The process dies: its files are gone, the file cache stays. Armed faults are over. */
  kill(): void {
    this.#disk.killProcess();
    this.#forgetProcess();
  }

  /** The power fails: what was not synced is lost or torn by chance. Armed faults are over. */
  losePower(): void {
    this.#disk.losePower();
    this.#forgetProcess();
  }

  #forgetProcess(): void {
    this.#life = undefined;
    this.#busyUntilMs = 0;
    this.#strayWrite = undefined;
    this.#strayRead = false;
  }

  // ---- Whole folders ----------------------------------------------------------------------------

  /** All files as they are now. Cheap: bytes are shared until they are written. */
  copy(): DiskCopy {
    return this.#disk.copy();
  }

  /** The files of a copy, of this disk or of another one, in place of all that is here. */
  restore(copy: DiskCopy): void {
    this.#disk.restore(copy);
    this.#forgetProcess();
  }

  /** An empty folder from now on. */
  clear(): void {
    this.restore({ files: new Map() });
  }

  /** Names of all files, sorted. */
  names(): string[] {
    return this.#disk.names();
  }

  /** A copy of what the platter holds of a file; what a power failure now would leave at least. */
  platterBytes(name: string): Uint8Array {
    return this.#disk.platterBytes(name);
  }

  // ---- Faults -----------------------------------------------------------------------------------

  failNext(operation: FaultyOperation, code: "EIO" | "ENOSPC"): void {
    this.#disk.failNext(operation, code);
  }

  setSlowMs(meanMs: number): void {
    this.#slowMs = meanMs;
  }

  /** Strikes the first write that has another place to go to in its file. */
  misdirectNextWrite(folder = ""): void {
    this.#strayWrite = folder;
  }

  /** Strikes the first read that bytes from elsewhere can change. */
  misdirectNextRead(): void {
    this.#strayRead = true;
  }

  flipBit(of = ""): boolean {
    const name = this.#drawFile(of);
    if (name === undefined) return false;
    const offset = this.#drawOffset(this.#disk.cachedBytes(name));
    this.#disk.flipBit(name, { offset, bit: this.#random.nextInteger(0, 8) });
    this.#onDamage({ kind: "flippedBit", file: name, offset });
    return true;
  }

  /**
   * Half of the time each file is as likely, so that the small ones with the vote and the identity
   * are hit; else each byte.
   */
  #drawFile(of: string): string | undefined {
    const files = this.names()
      .filter((name) => name.startsWith(of))
      .map((name) => ({ name, size: this.#disk.sizeOf(name) }))
      .filter(({ size }) => size > 0);
    if (files.length === 0) return undefined;
    if (this.#random.nextBoolean(0.5))
      return files[this.#random.nextInteger(0, files.length)]!.name;
    let at = this.#random.nextInteger(
      0,
      files.reduce((sum, { size }) => sum + size, 0),
    );
    const hit = files.find(({ size }) => {
      at -= size;
      return at < 0;
    });
    return hit?.name;
  }

  /** Mostly a byte in use, since most bytes of a file made ahead are zeros that nobody reads. */
  #drawOffset(bytes: Uint8Array): number {
    const from = this.#random.nextInteger(0, bytes.length);
    if (this.#random.nextBoolean(0.1)) return from;
    let used = 0;
    for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) used += 1;
    if (used === 0) return from;
    // What was written last matters most, and is the least part of a long file.
    const isNew = this.#random.nextBoolean(newestShare);
    let left = this.#random.nextInteger(isNew ? Math.max(0, used - newestBytes) : 0, used);
    let at = 0;
    // The used byte with as many used ones before it as were drawn.
    while (bytes[at] === 0 || left-- > 0) at += 1;
    return at;
  }

  /** False: it is not to go astray, or there is no other place for it in this file. */
  #writeAstray(call: StrayCall): boolean {
    const { name, file, offset, bytes } = call;
    const folder = this.#strayWrite;
    if (folder === undefined || (folder !== "" && !name.startsWith(`${folder}/`))) return false;
    const room = file.size() - bytes.length;
    const elsewhere = this.#drawElsewhere(offset, room);
    if (elsewhere === undefined || bytes.length === 0) return false;
    file.write(elsewhere, bytes);
    this.#strayWrite = undefined;
    this.#onDamage({ kind: "misdirectedWrite", file: name, offset, elsewhere });
    return true;
  }

  /** The bytes with some from elsewhere among them, where that makes a difference. */
  #readAstray(call: StrayCall): Uint8Array {
    const { name, file, offset, bytes } = call;
    for (let attempt = 0; attempt < strayAttempts && bytes.length > 0; attempt++) {
      const start =
        this.#random.nextInteger(0, Math.ceil(bytes.length / sectorBytes)) * sectorBytes;
      const sectors = this.#random.nextInteger(1, straySectorsMax + 1);
      const end = Math.min(bytes.length, start + sectors * sectorBytes);
      const elsewhere = this.#drawElsewhere(offset + start, file.size() - (end - start));
      if (elsewhere === undefined) continue;
      const stray = file.read(elsewhere, end - start);
      if (stray.every((byte, at) => byte === bytes[start + at])) continue;
      bytes.set(stray, start);
      this.#strayRead = false;
      this.#onDamage({ kind: "misdirectedRead", file: name, offset: offset + start, elsewhere });
      return bytes;
    }
    return bytes;
  }

  /** Another offset up to `last` that lies as deep in its sector; undefined where there is none. */
  #drawElsewhere(offset: number, last: number): number | undefined {
    const within = offset % sectorBytes;
    const count = Math.floor((last - within) / sectorBytes) + 1;
    if (count < 1) return undefined;
    const drawn = this.#random.nextInteger(0, count) * sectorBytes + within;
    return drawn === offset ? undefined : drawn;
  }

  // ---- Time -------------------------------------------------------------------------------------

  #schedule(callback: () => void, operation: "sync" | "allocate"): void {
    const { min, max } = latencyMs[operation];
    let delayMs = min + this.#random.nextFloat() * (max - min);
    if (operation === "sync") {
      // Exponential around the mean, as a disk that others keep busy.
      if (this.#slowMs > 0) delayMs -= Math.log(1 - this.#random.nextFloat()) * this.#slowMs;
      const nowMs = this.#time.nowMs;
      this.#busyUntilMs = Math.max(this.#busyUntilMs, nowMs) + delayMs;
      delayMs = this.#busyUntilMs - nowMs;
    }
    this.#time.at(delayMs, this.#life === undefined ? callback : this.#life.guard(callback));
  }
}

/** A call that may go astray. */
interface StrayCall {
  readonly name: string;
  readonly file: DiskFile;
  readonly offset: number;
  readonly bytes: Uint8Array;
}
