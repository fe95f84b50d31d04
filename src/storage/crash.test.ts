// Crashes: whatever a power failure, a killed process or a failed call leaves on the disk, the
// stores come up with everything that was called back as durable, with nothing that was never
// appended, and in order. Random runs by seed.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import {
  FaultyDisk,
  type LogStore,
  openLogStore,
  PowerLossError,
  TwinStore,
  VoteStore,
} from "./index.ts";
import {
  LogModel,
  lastIndexOf,
  randomCompaction,
  randomEntries,
  randomRestart,
  stateOf,
} from "./log-model.test-support.ts";
import { flipBit, makeEntry, readAll } from "./storage.contract.ts";

/** Callbacks of the disk, run by the test one at a time. */
class ManualSchedule {
  readonly pending: (() => void)[] = [];

  readonly schedule = (callback: () => void): void => {
    this.pending.push(callback);
  };

  runAll(): void {
    while (this.pending.length > 0) this.pending.shift()!();
  }
}

/**
 * One life of a process on the disk: appends until `steps` are over; true when the log failed
 * before.
 */
function live(world: {
  random: Random;
  disk: FaultyDisk;
  schedule: ManualSchedule;
  model: LogModel;
  log: LogStore;
}): boolean {
  const { random, disk, schedule, model, log } = world;
  let failed = false;
  const faults = random.nextBoolean(0.3);
  for (let steps = random.nextInteger(0, 60); steps > 0 && !failed; steps--) {
    if (faults && random.nextBoolean(0.05)) {
      disk.failNext(random.nextBoolean(0.5) ? "sync" : "write", "EIO");
    }
    if (random.nextBoolean(0.5)) {
      let count = 0;
      const done = (error?: Error) => {
        if (error === undefined) {
          expect(failed, "nothing is durable after a failure").toBe(false);
          model.noteDurable(count);
        } else {
          failed = true;
        }
      };
      const kind = random.nextInteger(0, 20);
      if (kind < 3) {
        const change = randomCompaction(random, model.now());
        count = model.change([change]);
        log.compact(change.base, done);
      } else if (kind === 3) {
        const change = randomRestart(random, model.now());
        count = model.change([change]);
        log.restart(change.base, done);
      } else {
        const entries = randomEntries(random, model.now());
        count = model.change(entries.map((entry) => ({ kind: "entry", entry })));
        log.append(entries, done);
      }
    } else {
      schedule.pending.shift()?.();
    }
    if (failed) {
      let last: Error | undefined;
      log.append([], (error) => {
        last = error;
      });
      expect(last?.message, "a failure is final").toContain("EIO");
    } else {
      expect(log.lastIndex()).toBe(lastIndexOf(model.now()));
      expect(log.firstIndex()).toBe(model.now().base.index + 1);
      expect(log.durableIndex()).toBeLessThanOrEqual(log.lastIndex());
    }
  }
  return failed;
}

describe("the log across crashes", () => {
  const seeds = Array.from({ length: 30 }, (_, at) => at + 1);
  it.each(seeds)(
    "keeps what was called back, invents nothing, keeps the order (R13), seed %i",
    (seed) => {
      const random = new Random(seed);
      const schedule = new ManualSchedule();
      const disk = new FaultyDisk({ seed: seed + 1000, schedule: schedule.schedule });
      const model = new LogModel();
      const options = { segmentBytes: 4096 * random.nextInteger(1, 5), cacheBytes: 1000 };
      for (let lives = 0; lives < 30; lives++) {
        // Now and then the power fails while the log is being opened.
        while (random.nextBoolean(0.2)) {
          disk.losePowerAfter(random.nextInteger(0, 4));
          try {
            model.restart(stateOf(openLogStore(disk, options)));
          } catch (error) {
            if (!(error instanceof PowerLossError)) throw error;
          }
          disk.losePower();
        }
        const log = openLogStore(disk, options);
        model.restart(stateOf(log));
        expect(log.durableIndex()).toBe(log.lastIndex());
        live({ random, disk, schedule, model, log });
        if (random.nextBoolean(0.3)) disk.killProcess();
        else disk.losePower();
      }
      expect(model.durableEver).toBeGreaterThan(100);
      expect(disk.exists("log/0000000000000001.seg"), "compaction gives files back").toBe(false);
    },
  );

  it("makes durable what it finds in the file cache of a process that was killed", () => {
    const schedule = new ManualSchedule();
    for (let seed = 1; seed <= 30; seed++) {
      const disk = new FaultyDisk({ seed, schedule: schedule.schedule });
      const log = openLogStore(disk, { segmentBytes: 8192 });
      schedule.runAll();
      log.append([makeEntry(1, 1), makeEntry(2, 1, 900)], () => {});
      disk.killProcess();
      expect(openLogStore(disk).durableIndex()).toBe(2);
      disk.losePower();
      expect(readAll(openLogStore(disk))).toEqual([makeEntry(1, 1), makeEntry(2, 1, 900)]);
    }
  });

  it("makes durable what a failed sync left in the file cache and called clean", () => {
    const schedule = new ManualSchedule();
    for (let seed = 1; seed <= 30; seed++) {
      const disk = new FaultyDisk({ seed, schedule: schedule.schedule });
      const log = openLogStore(disk, { segmentBytes: 8192 });
      schedule.runAll();
      let failure: Error | undefined;
      disk.failNext("sync", "EIO");
      log.append([makeEntry(1, 1), makeEntry(2, 1, 900)], (error) => {
        failure = error;
      });
      schedule.runAll();
      expect(failure?.message).toContain("EIO");
      disk.killProcess();
      const found = readAll(openLogStore(disk));
      disk.losePower();
      expect(readAll(openLogStore(disk))).toEqual(found);
    }
  });

  it("does so too when a bit has flipped in the segment that was made ahead of need", () => {
    const schedule = new ManualSchedule();
    for (let seed = 1; seed <= 30; seed++) {
      const disk = new FaultyDisk({ seed, schedule: schedule.schedule });
      const log = openLogStore(disk, { segmentBytes: 8192 });
      schedule.runAll();
      log.append([makeEntry(1, 1)], () => {});
      schedule.runAll();
      log.append([makeEntry(2, 1, 900)], () => {});
      disk.killProcess();
      flipBit(disk, "log/0000000000000002.seg", 700);
      const found = readAll(openLogStore(disk));
      disk.losePower();
      expect(readAll(openLogStore(disk))).toEqual(found);
    }
  });

  it("gives the first failure to all appends under way or later, and writes no more", () => {
    const schedule = new ManualSchedule();
    const disk = new FaultyDisk({ seed: 1, schedule: schedule.schedule });
    const log = openLogStore(disk, { segmentBytes: 8192 });
    schedule.runAll();
    const results: (string | undefined)[] = [];
    const note = (error?: Error) => results.push(error?.message);
    log.append([makeEntry(1, 1)], note);
    log.append([makeEntry(2, 1)], note);
    disk.failNext("write", "ENOSPC");
    schedule.runAll();
    log.append([makeEntry(3, 1)], note);
    schedule.runAll();
    expect(results).toEqual([undefined, "ENOSPC: write", "ENOSPC: write"]);
    expect(log.durableIndex()).toBe(1);
  });

  it("fails when no next segment can be made, but not before the present one is full", () => {
    const schedule = new ManualSchedule();
    const disk = new FaultyDisk({ seed: 1, schedule: schedule.schedule });
    const log = openLogStore(disk, { segmentBytes: 4096 });
    // The first segment is made; the second, at once and when it is needed, is not.
    schedule.pending.shift()!();
    const results: (string | undefined)[] = [];
    disk.failNext("allocate", "ENOSPC");
    disk.failNext("allocate", "ENOSPC");
    for (let index = 1; index <= 4; index++) {
      log.append([makeEntry(index, 1, 1200)], (error) => results.push(error?.message));
      schedule.runAll();
    }
    expect(results).toEqual([undefined, undefined, undefined, "ENOSPC: allocate"]);
  });

  it("cuts a torn tail, but refuses the same bytes once a later record proves them durable", () => {
    const schedule = new ManualSchedule();
    let torn = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const disk = new FaultyDisk({ seed, schedule: schedule.schedule });
      const log = openLogStore(disk, { segmentBytes: 8192 });
      schedule.runAll();
      log.append([makeEntry(1, 1)], () => {});
      schedule.runAll();
      log.append([makeEntry(2, 1, 1500), makeEntry(3, 1, 1500)], () => {});
      disk.losePower();
      const found = readAll(openLogStore(disk));
      expect([1, 2, 3]).toContain(found.length);
      if (found.length < 3) torn += 1;
    }
    expect(torn).toBeGreaterThan(10);
  });
});

describe("the vote across crashes (S4)", () => {
  it("is the old or the new one after a power failure at each single step, and stays it", () => {
    for (let seed = 1; seed <= 20; seed++) {
      for (let steps = 0, finished = false; !finished; steps++) {
        const disk = new FaultyDisk({ seed, schedule: () => {} });
        new VoteStore(disk, { required: false }).save({ term: 1, votedFor: 1 });
        const vote = new VoteStore(disk, { required: true });
        disk.losePowerAfter(steps);
        finished = attempt(() => vote.save({ term: 2, votedFor: 3 }));
        disk.losePower();
        const { term } = openThroughPowerFailures(disk, seed);
        if (finished) expect(term).toBe(2);
        else expect([1, 2]).toContain(term);
        flipBit(disk, "vote", seed % 2 === 0 ? 20 : 4096 + 20);
        expect(new VoteStore(disk, { required: true }).current().term).toBe(term);
        disk.losePower();
        expect(new VoteStore(disk, { required: true }).current().term).toBe(term);
      }
    }
  });

  it("can be begun again after a power failure at each single step of its first save", () => {
    for (let seed = 1; seed <= 20; seed++) {
      for (let steps = 0, finished = false; !finished; steps++) {
        const disk = new FaultyDisk({ seed, schedule: () => {} });
        disk.losePowerAfter(steps);
        finished = attempt(() => new VoteStore(disk, { required: false }));
        disk.losePower();
        const vote = new VoteStore(disk, { required: finished });
        expect(vote.current()).toEqual({ term: 0, votedFor: 0 });
      }
    }
  });

  it("stays what it was read as after a failed sync and a power failure", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const disk = new FaultyDisk({ seed, schedule: () => {} });
      const vote = new VoteStore(disk, { required: false });
      vote.save({ term: 1, votedFor: 1 });
      disk.failNext("sync", "EIO");
      expect(() => vote.save({ term: 2, votedFor: 2 })).toThrow("EIO");
      expect(() => vote.save({ term: 3, votedFor: 2 })).toThrow("EIO");
      disk.killProcess();
      const read = new VoteStore(disk, { required: true }).current();
      disk.losePower();
      expect(new VoteStore(disk, { required: true }).current()).toEqual(read);
    }
  });
});

describe("a twin record longer than a sector", () => {
  const open = (disk: FaultyDisk) =>
    new TwinStore(disk, { name: "twin", slotBytes: 4096, required: true });
  const record = (value: number) => new Uint8Array(3000).fill(value);

  it("is never lost, never older than the last save that returned, and stays what was read", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Random(seed);
      const disk = new FaultyDisk({ seed, schedule: () => {} });
      new TwinStore(disk, { name: "twin", slotBytes: 4096, required: false }).save(record(1));
      let saved = 1;
      let tried = 1;
      for (let lives = 0; lives < 25; lives++) {
        disk.losePowerAfter(random.nextInteger(0, 16));
        attempt(() => {
          const twin = open(disk);
          const found = twin.current()![0]!;
          expect(twin.current()).toEqual(record(found));
          expect(found >= saved && found <= tried).toBe(true);
          saved = found;
          while (tried < 250) {
            if (random.nextBoolean(0.1)) disk.failNext("sync", "EIO");
            tried += 1;
            if (!attempt(() => twin.save(record(tried)))) break;
            saved = tried;
          }
        });
        if (random.nextBoolean(0.4)) disk.killProcess();
        else disk.losePower();
      }
      expect(saved).toBeGreaterThan(10);
    }
  });
});

/** Whether it came to its end before the power, or a sync, failed. */
function attempt(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof PowerLossError || String(error).includes("EIO")) return false;
    throw error;
  }
}

/** The vote, after power failures at each step of reading and mending it. */
function openThroughPowerFailures(disk: FaultyDisk, seed: number) {
  for (let steps = seed % 3; steps < 6; steps++) {
    disk.losePowerAfter(steps);
    attempt(() => new VoteStore(disk, { required: true }));
    disk.losePower();
  }
  return new VoteStore(disk, { required: true }).current();
}
