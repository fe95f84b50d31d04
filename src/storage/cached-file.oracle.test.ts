// A file of a simulated disk against a dumb twin that holds the cache and the platter as two whole
// arrays, under random calls from seeds.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { CachedFile, type Flight } from "./cached-file.ts";
import { sectorBytes } from "./limits.ts";
import { FileBytes } from "./memory.ts";

/** Cache and platter, each as it is; knows nothing of what differs. */
class TwinFile {
  cached: Uint8Array;
  platter: Uint8Array;

  constructor(length: number) {
    this.cached = new Uint8Array(length);
    this.platter = this.cached;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.truncate(this.cached.length, Math.max(this.cached.length, offset + bytes.length));
    this.cached.set(bytes, offset);
  }

  /** The first `kept` bytes, then zeros up to `length`. */
  truncate(kept: number, length: number): void {
    const cached = new Uint8Array(length);
    cached.set(this.cached.subarray(0, Math.min(kept, length)));
    this.cached = cached;
  }
}

function createFile(length: number): CachedFile {
  const bytes = new FileBytes();
  bytes.resize(length);
  return new CachedFile(bytes);
}

function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.nextInteger(1, 256));
}

/** One change of both. */
function change(random: Random, file: CachedFile, twin: TwinFile): void {
  if (random.nextBoolean(0.1)) {
    const length = random.nextInteger(0, 6_000);
    file.truncate(length);
    twin.truncate(twin.cached.length, length);
    return;
  }
  const offset = random.nextInteger(0, 5_000);
  const bytes = randomBytes(random, random.nextInteger(0, 1_200));
  if (bytes.length === 0) return;
  file.write(offset, bytes);
  twin.write(offset, bytes);
}

describe("a cached file", () => {
  it("shows what was written, and has on the platter what the last sync brought there", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Random(seed);
      const length = random.nextInteger(0, 4_000);
      const [file, twin] = [createFile(length), new TwinFile(length)];
      const flights: { flight: Flight; cachedThen: Uint8Array }[] = [];
      for (let step = 0; step < 60; step++) {
        const kind = random.nextInteger(0, 4);
        if (kind < 2) change(random, file, twin);
        else if (kind === 2) flights.push({ flight: file.takeOff(), cachedThen: twin.cached });
        else if (flights.length > 0) {
          const { flight, cachedThen } = flights.shift()!;
          file.land(flight);
          twin.platter = cachedThen;
        }
        expectEqual(file.read(0, 10_000), twin.cached);
        expectEqual(file.platter(), twin.platter);
        if (Buffer.compare(twin.cached, twin.platter) !== 0) expect(file.differs()).toBe(true);
      }
    }
  });

  it("has each sector as it was or as it was written, when the power fails", () => {
    const ends = { old: 0, new: 0, torn: 0 };
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed);
      const [file, twin] = [createFile(3_000), new TwinFile(3_000)];
      change(random, file, twin);
      file.land(file.takeOff());
      twin.platter = twin.cached;
      const flown = random.nextBoolean(0.5) ? file.takeOff() : undefined;
      for (let step = 0; step < 3; step++) {
        const bytes = randomBytes(random, random.nextInteger(1, 1_500));
        const offset = random.nextInteger(0, 1_500);
        file.write(offset, bytes);
        twin.write(offset, bytes);
      }
      if (flown !== undefined && random.nextBoolean(0.5)) file.forgetFlights();
      file.tear(random);
      const found = file.read(0, 10_000);
      expectEqual(found, file.platter());
      expect(file.differs()).toBe(false);
      noteSectors(found, twin, ends);
    }
    expect(ends.old).toBeGreaterThan(20);
    expect(ends.new).toBeGreaterThan(20);
    expect(ends.torn).toBeGreaterThan(50);
  });

  it("keeps for good what a sync brought, whatever comes after, when the power fails", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const random = new Random(seed);
      const file = createFile(4_096);
      const bytes = randomBytes(random, 2_000);
      file.write(100, bytes);
      file.land(file.takeOff());
      file.write(3_000, bytes.subarray(0, 500));
      file.tear(random);
      expectEqual(file.read(100, 2_000), bytes);
    }
  });

  it("shows what a failed sync called clean, and loses it when the power fails", () => {
    let lost = 0;
    for (let seed = 1; seed <= 50; seed++) {
      const random = new Random(seed);
      const file = createFile(4_096);
      const bytes = randomBytes(random, 4_096);
      file.write(0, bytes);
      file.land(file.takeOff(), random);
      file.land(file.takeOff());
      expectEqual(file.read(0, 4_096), bytes);
      file.tear(random);
      for (let at = 0; at < 4_096; at += sectorBytes) {
        const sector = file.read(at, sectorBytes);
        if (sector.every((byte) => byte === 0)) lost += 1;
        else expectEqual(sector, bytes.subarray(at, at + sectorBytes));
      }
    }
    expect(lost).toBeGreaterThan(200);
  });

  it("does not let an earlier sync that lands later undo a later one", () => {
    const file = createFile(512);
    file.write(0, Uint8Array.of(1));
    const earlier = file.takeOff();
    file.write(0, Uint8Array.of(2));
    const later = file.takeOff();
    file.write(0, Uint8Array.of(3));
    file.land(later);
    file.land(earlier);
    expect(file.platter()[0]).toBe(2);
    expect(file.read(0, 1)).toEqual(Uint8Array.of(3));
  });

  it("brings with the next sync what one that was forgotten had not", () => {
    const file = createFile(512);
    file.write(0, Uint8Array.of(1));
    file.takeOff();
    file.forgetFlights();
    expect(file.platter()[0]).toBe(0);
    file.land(file.takeOff());
    expect(file.platter()[0]).toBe(1);
    expect(file.differs()).toBe(false);
  });

  it("has a flipped bit in the cache and on the platter, where the two differ too", () => {
    const file = createFile(1_024);
    file.write(0, Uint8Array.of(0b1000));
    file.flipBit(0, 0);
    file.flipBit(600, 7);
    file.flipBit(5_000, 7);
    expect(file.read(0, 1)).toEqual(Uint8Array.of(0b1001));
    expect(file.platter()[0]).toBe(0b0001);
    expect([file.read(600, 1)[0], file.platter()[600]]).toEqual([128, 128]);
    expect(file.size()).toBe(1_024);
  });

  it("shares its bytes with a fork until one of the two is changed", () => {
    const file = createFile(1_000);
    file.write(0, Uint8Array.of(1, 2, 3));
    const fork = file.fork();
    expect(fork.differs()).toBe(false);
    file.write(0, Uint8Array.of(9));
    fork.write(1, Uint8Array.of(8));
    fork.flipBit(2, 0);
    expect(file.read(0, 3)).toEqual(Uint8Array.of(9, 2, 3));
    expect(fork.read(0, 3)).toEqual(Uint8Array.of(1, 8, 2));
    const second = file.fork();
    file.truncate(1);
    expect(second.read(0, 3)).toEqual(Uint8Array.of(9, 2, 3));
  });
});

/** As toEqual, but quick. */
function expectEqual(found: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(found, expected) !== 0) expect(found).toEqual(expected);
}

/** Every sector must be the platter's or the cache's; lengths too. */
function noteSectors(
  found: Uint8Array,
  twin: TwinFile,
  ends: { old: number; new: number; torn: number },
): void {
  expect([twin.cached.length, twin.platter.length]).toContain(found.length);
  const kinds = new Set<"old" | "new">();
  for (let at = 0; at < found.length; at += sectorBytes) {
    const end = Math.min(at + sectorBytes, found.length);
    const part = (bytes: Uint8Array) => {
      const whole = Buffer.alloc(end - at);
      whole.set(bytes.subarray(at, end));
      return whole.toString("hex");
    };
    const [sector, before, after] = [part(found), part(twin.platter), part(twin.cached)];
    expect([before, after]).toContain(sector);
    if (before !== after) kinds.add(sector === before ? "old" : "new");
  }
  if (kinds.size === 2) ends.torn += 1;
  else for (const kind of kinds) ends[kind] += 1;
}
