// One file of a simulated disk: what a process sees of it, what the platter has, and what a power
// failure makes of the difference. Holds the bytes once, and besides only the sectors in which the
// two differ. Not here: names, processes, calls that fail (faulty-disk.ts).
import type { Random } from "../base/random.ts";
import { sectorBytes } from "./limits.ts";
import type { FileBytes } from "./memory.ts";

/** What a sync is bringing to the platter. */
export interface Flight {
  /** Length of the file when the sync began. */
  readonly size: number;
  /** Contents of sectors, by their number. */
  readonly sectors: Map<number, Uint8Array>;
}

/** An inode with its part of the file cache. */
export class CachedFile {
  /** As the process sees it. */
  readonly #cached: FileBytes;
  #platterSize: number;
  /** Whole sectors of the platter where it may differ from `#cached`. */
  readonly #platter = new Map<number, Uint8Array>();
  /** Sectors written since they were last handed to a sync. Invariant: in `#platter` too. */
  readonly #dirty = new Set<number>();
  /** Syncs under way, in order. Invariant: their sectors are in `#platter` too. */
  readonly #flights: Flight[] = [];

  /** `bytes` are durable. */
  constructor(bytes: FileBytes) {
    this.#cached = bytes;
    this.#platterSize = bytes.size();
  }

  size(): number {
    return this.#cached.size();
  }

  /** A copy of [offset, offset + length) as the process sees it; less where the file ends. */
  read(offset: number, length: number): Uint8Array {
    return this.#cached.read(offset, length);
  }

  write(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#soil(offset, offset + bytes.length);
    this.#cached.write(offset, bytes);
  }

  truncate(length: number): void {
    this.#soil(length, this.#cached.size());
    this.#cached.resize(length);
  }

  /** Whether a power failure would change anything. */
  differs(): boolean {
    return this.#platter.size > 0 || this.#platterSize !== this.#cached.size();
  }

  /** What is on the platter. */
  platter(): Uint8Array {
    const bytes = new Uint8Array(this.#platterSize);
    bytes.set(this.#cached.read(0, this.#platterSize));
    for (const [at, sector] of this.#platter) {
      const room = this.#platterSize - at * sectorBytes;
      if (room > 0) bytes.set(sector.subarray(0, room), at * sectorBytes);
    }
    return bytes;
  }

  /** Another file with what the process sees in this one, all of it durable. */
  fork(): CachedFile {
    return new CachedFile(this.#cached.fork());
  }

  /** Changes one bit behind everybody's back, on the platter and in the cache. */
  flipBit(offset: number, bit: number): void {
    const flipped = this.#cached.read(offset, 1);
    if (flipped.length === 0) return;
    flipped[0]! ^= 1 << bit;
    this.#cached.write(offset, flipped);
    const sector = this.#platter.get(Math.floor(offset / sectorBytes));
    if (sector !== undefined) sector[offset % sectorBytes]! ^= 1 << bit;
  }

  /** Begins a sync of what is dirty now. */
  takeOff(): Flight {
    const flight: Flight = { size: this.#cached.size(), sectors: new Map() };
    for (const at of this.#dirty) flight.sectors.set(at, this.#sector(at));
    this.#dirty.clear();
    this.#flights.push(flight);
    return flight;
  }

  /** Ends a sync. `failing`: what of it reaches the platter all the same is left to chance. */
  land(flight: Flight, failing?: Random): void {
    const place = this.#flights.indexOf(flight);
    this.#flights.splice(place, 1);
    if (failing === undefined) this.#platterSize = flight.size;
    for (const [at, bytes] of flight.sectors) {
      if (failing?.nextBoolean(0.7)) continue;
      // What an earlier sync had of the same sector is older, and must not come after it.
      for (const earlier of this.#flights.slice(0, place)) earlier.sectors.delete(at);
      if (this.#isUnderWay(at)) this.#platter.set(at, bytes);
      else this.#platter.delete(at);
    }
  }

  /** The process that had asked for the syncs under way is dead: nobody hears of them. */
  forgetFlights(): void {
    // The kernel ends what it has begun, in its own time: for a power failure it is as if it had
    // not.
    for (const flight of this.#flights.splice(0)) {
      for (const at of flight.sectors.keys()) this.#dirty.add(at);
    }
  }

  /** The power fails: each sector that differs is old or new, and the cache is gone. */
  tear(random: Random): void {
    if (!this.differs()) return;
    if (random.nextBoolean(0.5)) this.#platterSize = this.#cached.size();
    // Whole batches are kept or lost as often as torn ones, so that every case is common.
    const kept = [0, 0.5, 0.9, 1][random.nextInteger(0, 4)]!;
    this.takeOff();
    for (const flight of this.#flights) {
      for (const [at, bytes] of flight.sectors) {
        if (random.nextBoolean(kept)) this.#platter.set(at, bytes);
      }
    }
    this.#cached.resize(this.#platterSize);
    for (const [at, sector] of this.#platter) {
      const room = this.#platterSize - at * sectorBytes;
      if (room > 0) this.#cached.write(at * sectorBytes, sector.subarray(0, room));
    }
    this.#platter.clear();
    this.#flights.length = 0;
  }

  /** Whether a sector has changed since the syncs that are over. */
  #isUnderWay(at: number): boolean {
    return this.#dirty.has(at) || this.#flights.some((flight) => flight.sectors.has(at));
  }

  /** Marks the sectors of [start, end) as written, just before they are. */
  #soil(start: number, end: number): void {
    for (let at = Math.floor(start / sectorBytes); at * sectorBytes < end; at++) {
      if (!this.#platter.has(at)) this.#platter.set(at, this.#sector(at));
      this.#dirty.add(at);
    }
  }

  /** A whole sector as the process sees it, zeros where the file has ended. */
  #sector(at: number): Uint8Array {
    const bytes = this.#cached.read(at * sectorBytes, sectorBytes);
    if (bytes.length === sectorBytes) return bytes;
    const whole = new Uint8Array(sectorBytes);
    whole.set(bytes);
    return whole;
  }
}
