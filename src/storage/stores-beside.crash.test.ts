// Crashes of the stores beside the log: snapshots, a snapshot that is fetched, the island log, and
// the renaming that they rest on. Random runs by seed.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { FaultyDisk, openIslandLog, PowerLossError, SnapshotStore } from "./index.ts";
import { incomingSyncBytes } from "./limits.ts";
import { bytesOf, factsOf, makeFile } from "./stores-beside.contract.ts";

/** A disk, and everything that was put off. */
class Rig {
  pending: (() => void)[] = [];
  readonly disk: FaultyDisk;
  readonly schedule = (callback: () => void): void => {
    this.pending.push(callback);
  };

  constructor(seed: number) {
    this.disk = new FaultyDisk({ seed, schedule: this.schedule });
  }

  runAll(): void {
    while (this.pending.length > 0) this.pending.shift()!();
  }

  openSnapshots(): SnapshotStore {
    return new SnapshotStore(this.disk, {
      schedule: this.schedule,
      onDamage: (damage) => {
        throw damage;
      },
    });
  }

  crash(random: Random): void {
    if (random.nextBoolean(0.3)) this.disk.killProcess();
    else this.disk.losePower();
    this.pending = [];
  }
}

/** Whether it came to its end before the power failed. */
function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof PowerLossError) return false;
    throw error;
  }
}

describe("renaming across crashes", () => {
  it("happens as a whole or not at all, and stays when the new folder was synced", () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const { disk } = new Rig(seed);
      makeFile(disk, "some/a", Uint8Array.of(1));
      makeFile(disk, "other/b", Uint8Array.of(2));
      disk.rename("some/a", "other/b");
      if (seed % 3 === 0) disk.syncFolder("other");
      disk.losePower();
      const left = disk.names().map((name) => `${name}=${disk.cachedBytes(name)[0]}`);
      seen.add(left.join());
      if (seed % 3 === 0) expect(left).toEqual(["other/b=1"]);
    }
    expect([...seen].sort()).toEqual(["other/b=1", "other/b=2,some/a=1"]);
  });
});

describe("snapshots across crashes", () => {
  const size = 1700;

  it("are whole or not there, and there once they were complete", () => {
    for (let seed = 1; seed <= 15; seed++) {
      const random = new Random(seed);
      const rig = new Rig(seed);
      let completed = 0;
      let next = 1;
      for (let lives = 0; lives < 20; lives++) {
        rig.disk.losePowerAfter(random.nextInteger(0, 25));
        attempt(() => {
          const store = rig.openSnapshots();
          while (true) {
            makeFile(rig.disk, store.copyName, bytesOf(next, size));
            next += 1;
            store.complete(factsOf(next - 1, size));
            completed = next - 1;
            if (random.nextBoolean(0.5)) rig.runAll();
          }
        });
        rig.crash(random);
        const store = rig.openSnapshots();
        rig.runAll();
        const newest = store.newest()?.index ?? 0;
        expect(newest).toBeGreaterThanOrEqual(completed);
        expect(store.list().length).toBeLessThanOrEqual(2);
        for (const facts of store.list()) {
          expect(facts).toEqual(factsOf(facts.index, size));
          const file = store.open(facts.index)!;
          expect(file.read(0, size)).toEqual(bytesOf(facts.index, size));
          file.close();
        }
        completed = newest;
        rig.crash(random);
      }
      expect(completed).toBeGreaterThan(5);
    }
  });

  it("go on being fetched from bytes that are there, and stay ready once they were", () => {
    const facts = factsOf(77, 2 * incomingSyncBytes + 900);
    const bytes = bytesOf(77, facts.size);
    for (let seed = 1; seed <= 3; seed++) {
      const random = new Random(seed);
      const rig = new Rig(seed);
      let isReady = false;
      let resumedFrom = 0;
      for (let lives = 0; lives < 200 && !isReady; lives++) {
        rig.disk.losePowerAfter(random.nextInteger(0, 22));
        attempt(() => {
          const store = rig.openSnapshots();
          if (store.ready() !== undefined) {
            isReady = true;
            return;
          }
          const file = store.incoming(facts);
          resumedFrom = Math.max(resumedFrom, file.nextOffset);
          const have = rig.disk.cachedBytes(file.name);
          expect(Buffer.compare(have, bytes.subarray(0, file.nextOffset))).toBe(0);
          while (file.nextOffset < facts.size) {
            const end = Math.min(facts.size, file.nextOffset + 500_000);
            file.write(bytes.subarray(file.nextOffset, end));
            if (random.nextBoolean(0.7)) rig.pending.shift()?.();
          }
          let failure: Error | undefined;
          file.finish((error) => {
            failure = error;
          });
          rig.runAll();
          if (failure !== undefined) throw failure;
          store.markReady();
          isReady = true;
        });
        rig.crash(random);
      }
      expect(isReady).toBe(true);
      expect(resumedFrom).toBeGreaterThan(0);
      const { name, ...found } = rig.openSnapshots().ready()!;
      expect(found).toEqual(facts);
      expect(Buffer.compare(rig.disk.cachedBytes(name), bytes)).toBe(0);
    }
  });

  it("are cleared as a whole once they were taken", () => {
    const facts = factsOf(7, 900);
    for (let seed = 1; seed <= 10; seed++) {
      for (let steps = 0, isFinished = false; !isFinished; steps++) {
        const rig = new Rig(seed);
        const store = rig.openSnapshots();
        const file = store.incoming(facts);
        file.write(bytesOf(7, 900));
        file.finish(() => {});
        rig.runAll();
        store.markReady();
        rig.disk.losePowerAfter(steps);
        isFinished = attempt(() => store.clearReady());
        rig.disk.losePower();
        const again = rig.openSnapshots();
        if (again.ready() !== undefined) {
          expect(isFinished).toBe(false);
          expect(rig.disk.cachedBytes(file.name)).toEqual(bytesOf(7, 900));
        }
        again.clearReady();
        again.clearIncoming();
        expect(rig.disk.names()).toEqual([]);
      }
    }
  });
});

describe("the island log across crashes", () => {
  it("keeps what was called back, in order, and nothing that was erased", () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = new Random(seed);
      const rig = new Rig(seed);
      let next = 1;
      // Numbers of the items: those that must be there, and those that may follow them.
      let durable: number[] = [];
      let asked: number[] = [];
      let durableEver = 0;
      for (let lives = 0; lives < 20; lives++) {
        const log = openIslandLog(rig.disk, {
          onDamage: (damage) => {
            throw damage;
          },
        });
        const found = log.items().map((item) => numberOf(item));
        expect(found.slice(0, durable.length)).toEqual(durable);
        const rest = found.slice(durable.length);
        expect(asked.filter((number) => rest.includes(number))).toEqual(rest);
        durable = found;
        asked = [];
        const hasFault = random.nextBoolean(0.2);
        for (let steps = random.nextInteger(0, 40); steps > 0; steps--) {
          if (hasFault && random.nextBoolean(0.1)) rig.disk.failNext("sync", "EIO");
          if (random.nextBoolean(0.6)) {
            const numbers = Array.from({ length: random.nextInteger(1, 4) }, () => next++);
            asked.push(...numbers);
            const items = numbers.map((number) => itemOf(number, random.nextInteger(4, 700)));
            log.append(items, (error) => {
              if (error !== undefined) return;
              durable.push(...numbers);
              asked.splice(0, numbers.length);
              durableEver += 1;
            });
          } else {
            rig.pending.shift()?.();
          }
        }
        if (random.nextBoolean(0.1) && !hasFault) {
          rig.runAll();
          log.erase();
          durable = [];
        }
        rig.crash(random);
      }
      expect(durableEver).toBeGreaterThan(0);
    }
  });

  it("is erased as a whole or not at all", () => {
    for (let seed = 1; seed <= 10; seed++) {
      for (let steps = 0, isFinished = false; !isFinished; steps++) {
        const rig = new Rig(seed);
        const log = openIslandLog(rig.disk);
        const items = [itemOf(1, 900), itemOf(2, 900)];
        log.append(items, () => {});
        rig.runAll();
        rig.disk.losePowerAfter(steps);
        isFinished = attempt(() => log.erase());
        rig.disk.losePower();
        const left = openIslandLog(rig.disk).items();
        if (isFinished || left.length === 0) expect(left).toEqual([]);
        else expect(left).toEqual(items);
      }
    }
  });
});

function itemOf(number: number, length: number): Uint8Array {
  const item = new Uint8Array(length).fill(1 + (number % 255));
  new DataView(item.buffer).setUint32(0, number);
  return item;
}

function numberOf(item: Uint8Array): number {
  return new DataView(item.buffer, item.byteOffset).getUint32(0);
}
