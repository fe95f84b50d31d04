// A simulated disk: the storage contract, the time its calls take, and damage no crash explains.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import type { Timer } from "../io/clock.ts";
import { DamageError, IdentityStore, openLogStore, VoteStore } from "../storage/index.ts";
import { describeStorage, makeEntry, readAll } from "../storage/storage.contract.ts";
import { ProcessLife } from "./process-life.ts";
import { type Damage, SimDisk } from "./sim-disk.ts";
import { VirtualTime } from "./virtual-time.ts";

/** Runs by itself, an event a microtask: for a suite that knows nothing of virtual time. */
class SelfRunningTime extends VirtualTime {
  override at(delayMs: number, callback: () => void): Timer {
    const timer = super.at(delayMs, callback);
    queueMicrotask(() => this.step());
    return timer;
  }
}

describeStorage("simulated disk without faults", () => {
  const disk = new SimDisk({ time: new SelfRunningTime(), random: new Random(1) });
  return { open: () => disk, stride: 1, dispose: async () => {} };
});

class Rig {
  readonly time = new VirtualTime();
  readonly damages: Damage[] = [];
  readonly disk: SimDisk;

  constructor(seed = 1) {
    this.disk = new SimDisk({
      time: this.time,
      random: new Random(seed),
      onDamage: (damage) => this.damages.push(damage),
    });
  }

  runAll(): void {
    while (this.time.step());
  }

  /** A durable file with these bytes. */
  put(name: string, bytes: Uint8Array): void {
    const file = this.disk.open(name, { create: true });
    file.write(0, bytes);
    file.syncNow();
    file.close();
    this.disk.syncFolder("");
  }

  read(name: string): Uint8Array {
    const file = this.disk.open(name, { create: false });
    const bytes = file.read(0, file.size());
    file.close();
    return bytes;
  }

  /** How long a sync takes. */
  syncMs(): number {
    const file = this.disk.open("timed", { create: true });
    const beganMs = this.time.nowMs;
    let endedMs = -1;
    file.write(0, Uint8Array.of(1));
    file.sync(() => {
      endedMs = this.time.nowMs;
    });
    this.runAll();
    return endedMs - beganMs;
  }
}

/** Bytes that differ from sector to sector. */
function patterned(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => 1 + ((at * 7 + Math.floor(at / 512) * 13) % 250));
}

function differences(a: Uint8Array, b: Uint8Array): number[] {
  return Array.from(a.keys()).filter((at) => a[at] !== b[at]);
}

describe("a simulated disk's time", () => {
  it("is 0.1 to 1 ms a sync, until the disk is slow", () => {
    const rig = new Rig();
    for (let count = 0; count < 100; count++) {
      const ms = rig.syncMs();
      expect(ms).toBeGreaterThanOrEqual(0.1);
      expect(ms).toBeLessThanOrEqual(1);
    }
    rig.disk.setSlowMs(200);
    let sum = 0;
    for (let count = 0; count < 500; count++) sum += rig.syncMs();
    expect(sum / 500).toBeGreaterThan(150);
    expect(sum / 500).toBeLessThan(250);
    rig.disk.setSlowMs(0);
    expect(rig.syncMs()).toBeLessThanOrEqual(1);
  });

  it("passes before an allocated file is there", () => {
    const rig = new Rig();
    rig.disk.allocate("log/1", 65_536, () => {});
    expect(rig.disk.exists("log/1")).toBe(false);
    rig.runAll();
    expect(rig.disk.exists("log/1")).toBe(true);
    expect(rig.time.nowMs).toBeGreaterThanOrEqual(1);
  });

  it("brings the syncs of a disk to their ends one after the other", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const rig = new Rig(seed);
      rig.disk.setSlowMs(5);
      const seen: number[] = [];
      for (let count = 0; count < 5; count++) {
        const file = rig.disk.open(`file${count % 2}`, { create: true });
        file.write(count, Uint8Array.of(count));
        file.sync(() => seen.push(count));
      }
      rig.runAll();
      expect(seen).toEqual([0, 1, 2, 3, 4]);
    }
  });

  it("waits for a process that is paused, and ends with one that is killed", () => {
    const rig = new Rig();
    const life = new ProcessLife(rig.time);
    const file = rig.disk.openLife(life).open("file", { create: true });
    const seen: string[] = [];
    file.sync(() => seen.push("paused"));
    life.pause();
    rig.runAll();
    expect(seen).toEqual([]);
    life.resume();
    rig.runAll();
    expect(seen).toEqual(["paused"]);
    file.sync(() => seen.push("killed"));
    rig.disk.kill();
    rig.runAll();
    expect(seen).toEqual(["paused"]);
    expect(() => file.size()).toThrow("dead process");
  });
});

describe("a flipped bit", () => {
  it("is one bit, is told, and is there after a power failure", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const rig = new Rig(seed);
      const bytes = patterned(5_000);
      rig.put("file", bytes);
      rig.disk.flipBit();
      rig.disk.losePower();
      const found = rig.read("file");
      const [offset, ...more] = differences(bytes, found);
      expect(more).toEqual([]);
      expect(rig.damages).toEqual([{ kind: "flippedBit", file: "file", offset }]);
      const changed = bytes[offset!]! ^ found[offset!]!;
      expect(changed & (changed - 1)).toBe(0);
    }
  });

  it("hits small files, and mostly bytes in use", () => {
    const rig = new Rig();
    rig.put("vote", patterned(40));
    const segment = new Uint8Array(1 << 18);
    segment.set(patterned(3_000));
    rig.put("segment", segment);
    for (let count = 0; count < 300; count++) rig.disk.flipBit();
    const inVote = rig.damages.filter(({ file }) => file === "vote");
    const inUse = rig.damages.filter(({ file, offset }) => file === "vote" || offset < 3_000);
    expect(inVote.length).toBeGreaterThan(40);
    expect(inUse.length).toBeGreaterThan(240);
    expect(rig.damages).toHaveLength(300);
  });

  it("does nothing to an empty folder", () => {
    const rig = new Rig();
    rig.disk.flipBit();
    expect(rig.damages).toEqual([]);
  });

  it("makes a log refuse, or cut what is not proven, but never answer something else", () => {
    let refused = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const rig = new Rig(seed);
      const log = openLogStore(rig.disk, { segmentBytes: 8_192 });
      rig.runAll();
      for (let index = 1; index <= 30; index++) {
        log.append([makeEntry(index, 1, 300)], () => {});
        rig.runAll();
      }
      rig.disk.kill();
      rig.disk.flipBit();
      try {
        const found = readAll(openLogStore(rig.disk));
        expect(found).toEqual(found.map((_, at) => makeEntry(at + 1, 1, 300)));
      } catch (error) {
        expect(error).toBeInstanceOf(DamageError);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});

describe("a misdirected write", () => {
  it("lands elsewhere in its file and not where it belongs, once, and is told", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const rig = new Rig(seed);
      rig.put("file", new Uint8Array(16_384));
      const file = rig.disk.open("file", { create: false });
      rig.disk.misdirectNextWrite();
      file.write(1_000, Uint8Array.of(1, 2, 3));
      file.write(2_000, Uint8Array.of(4));
      file.syncNow();
      const [damage] = rig.damages;
      // By chance the only place that was tried was the right one; then the next one went astray.
      const strayed = damage?.offset === 1_000;
      expect(rig.damages).toHaveLength(1);
      expect(damage).toMatchObject({ kind: "misdirectedWrite", file: "file" });
      expect(damage!.elsewhere).not.toBe(damage!.offset);
      expect(damage!.elsewhere! % 512).toBe(damage!.offset % 512);
      rig.disk.losePower();
      const expected = new Uint8Array(16_384);
      expected.set([1, 2, 3], strayed ? damage.elsewhere : 1_000);
      expected.set([4], strayed ? 2_000 : damage!.elsewhere);
      expect(rig.read("file")).toEqual(expected);
    }
  });

  it("waits for a file in which there is another place", () => {
    const rig = new Rig();
    rig.disk.misdirectNextWrite();
    rig.put("small", Uint8Array.of(1, 2, 3));
    expect(rig.damages).toEqual([]);
    expect(rig.read("small")).toEqual(Uint8Array.of(1, 2, 3));
    rig.put("small", Uint8Array.of(4));
    expect(rig.damages).toEqual([]);
  });

  it("strikes only in the folder that is named", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = new Rig(seed);
      rig.put("vote", new Uint8Array(8_192));
      rig.put("log/1", new Uint8Array(8_192));
      rig.disk.misdirectNextWrite("log");
      for (const name of ["vote", "log/1", "vote", "log/1", "log/1"]) {
        const file = rig.disk.open(name, { create: false });
        file.write(600, Uint8Array.of(1));
        file.close();
      }
      expect(rig.damages.map(({ file }) => file)).toEqual(["log/1"]);
      expect(rig.read("vote")[600]).toBe(1);
    }
  });

  it("costs a vote nothing but a refusal", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const rig = new Rig(seed);
      const votes = new VoteStore(rig.disk, { required: false });
      votes.save({ term: 3, votedFor: 1 });
      rig.disk.misdirectNextWrite();
      votes.save({ term: 4, votedFor: 2 });
      rig.disk.kill();
      try {
        const found = new VoteStore(rig.disk, { required: true }).current();
        expect(found).toEqual({ term: 4, votedFor: 2 });
      } catch (error) {
        expect(error).toBeInstanceOf(DamageError);
      }
    }
  });
});

describe("a misdirected read", () => {
  it("answers bytes from elsewhere once, leaves the disk as it is, and is told", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const rig = new Rig(seed);
      const bytes = patterned(20_000);
      rig.put("file", bytes);
      rig.disk.misdirectNextRead();
      const found = rig.read("file");
      const [damage] = rig.damages;
      expect(damage).toMatchObject({ kind: "misdirectedRead", file: "file" });
      const wrong = differences(bytes, found);
      expect(wrong.length).toBeGreaterThan(0);
      expect(wrong[0]).toBeGreaterThanOrEqual(damage!.offset);
      expect(wrong.at(-1)).toBeLessThan(damage!.offset + 8 * 512);
      const start = damage!.offset;
      expect(found.subarray(start, start + 32)).toEqual(
        bytes.subarray(damage!.elsewhere, damage!.elsewhere! + 32),
      );
      expect(rig.read("file")).toEqual(bytes);
      expect(rig.damages).toHaveLength(1);
    }
  });

  it("waits for a read that it can change", () => {
    const rig = new Rig();
    rig.put("zeros", new Uint8Array(4_096));
    rig.disk.misdirectNextRead();
    rig.read("zeros");
    expect(rig.damages).toEqual([]);
    rig.put("file", patterned(4_096));
    expect(rig.read("file")).not.toEqual(patterned(4_096));
    expect(rig.damages).toHaveLength(1);
  });

  it("is over when the process is", () => {
    const rig = new Rig();
    rig.put("file", patterned(4_096));
    rig.disk.misdirectNextRead();
    rig.disk.misdirectNextWrite();
    rig.disk.failNext("read", "EIO");
    rig.disk.kill();
    expect(rig.read("file")).toEqual(patterned(4_096));
    rig.put("file", patterned(4_096));
    expect(rig.damages).toEqual([]);
  });
});

describe("a copy of a disk", () => {
  it("brings back every file as it was, and is not changed by what comes after", () => {
    const rig = new Rig();
    const log = openLogStore(rig.disk, { segmentBytes: 8_192 });
    new IdentityStore(rig.disk).save(Uint8Array.of(1, 2, 3));
    rig.runAll();
    log.append([makeEntry(1, 1)], () => {});
    rig.runAll();
    rig.disk.kill();
    const copy = rig.disk.copy();
    for (let round = 0; round < 2; round++) {
      const next = openLogStore(rig.disk);
      expect(next.lastIndex()).toBe(1);
      next.append([makeEntry(2, 1)], () => {});
      rig.runAll();
      rig.disk.flipBit();
      rig.disk.restore(copy);
      rig.runAll();
      expect(readAll(openLogStore(rig.disk))).toEqual([makeEntry(1, 1)]);
      rig.disk.losePower();
    }
    const other = new Rig(2);
    other.disk.restore(copy);
    expect(other.disk.names()).toEqual(rig.disk.names());
    expect(readAll(openLogStore(other.disk))).toEqual([makeEntry(1, 1)]);
  });

  it("leaves an empty folder after a clear", () => {
    const rig = new Rig();
    rig.put("file", patterned(100));
    rig.disk.clear();
    expect(rig.disk.names()).toEqual([]);
    expect(rig.disk.exists("file")).toBe(false);
  });
});

it("shows the platter apart from what is not synced yet", () => {
  const rig = new Rig();
  rig.put("file", Uint8Array.of(1, 2));
  const file = rig.disk.open("file", { create: false });
  file.write(0, Uint8Array.of(9, 9, 9));
  file.sync(() => {});
  expect(rig.disk.platterBytes("file")).toEqual(Uint8Array.of(1, 2));
  rig.runAll();
  expect(rig.disk.platterBytes("file")).toEqual(Uint8Array.of(9, 9, 9));
});
