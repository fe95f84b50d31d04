// What every disk owes the stores on it, and they to their callers: one suite, run over memory, the
// faulty disk and the real one. Not here: what only a disk that can crash can show (crash.test.ts).
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Disk, Done } from "../io/disk.ts";
import { describeCompaction } from "./compaction.contract.ts";
import { DamageError, IdentityStore, type LogStore, openLogStore, VoteStore } from "./index.ts";
import { describeStoresBeside } from "./stores-beside.contract.ts";
import type { Entry, EntryKind } from "./types.ts";

/** A data folder that outlives the processes that use it. */
export interface StorageHarness {
  /** The folder as a new process finds it. */
  open(): Disk;
  /** Tests that damage byte after byte take every so manieth: 1 where calls cost nothing. */
  readonly stride: number;
  dispose(): Promise<void>;
}

/** An entry whose payload is told by its seed and holds no zero byte. */
export function makeEntry(index: number, term: number, payloadBytes = 20): Entry {
  const payload = new Uint8Array(payloadBytes);
  for (let at = 0; at < payloadBytes; at++) payload[at] = 1 + ((index * 31 + term * 7 + at) % 255);
  const kinds: EntryKind[] = ["commands", "noop", "configuration"];
  return { index, term, kind: kinds[index % 3]!, payload };
}

/** Entries [from, to] of one term. */
export function makeEntries(from: number, to: number, term = 1, payloadBytes = 20): Entry[] {
  const entries: Entry[] = [];
  for (let index = from; index <= to; index++) entries.push(makeEntry(index, term, payloadBytes));
  return entries;
}

/** All entries of a log. */
export function readAll(log: LogStore): Entry[] {
  const entries: Entry[] = [];
  while (log.firstIndex() + entries.length <= log.lastIndex()) {
    const start = log.firstIndex() + entries.length;
    entries.push(...log.entries(start, log.lastIndex() + 1, 10_000));
  }
  return entries;
}

/** Appends and waits until it is durable. */
export function appendDurably(log: LogStore, entries: readonly Entry[]): Promise<void> {
  return durably((done) => log.append(entries, done));
}

/** Changes bytes of a file for good. */
export function overwrite(disk: Disk, name: string, offset: number, bytes: Uint8Array): void {
  const file = disk.open(name, { create: false });
  file.write(offset, bytes);
  file.syncNow();
  file.close();
}

/** Flips one bit of a file for good. */
export function flipBit(disk: Disk, name: string, offset: number, bit = 3): void {
  const file = disk.open(name, { create: false });
  const byte = file.read(offset, 1)[0]!;
  file.close();
  overwrite(disk, name, offset, Uint8Array.of(byte ^ (1 << bit)));
}

/** The DamageError that `open` throws. */
export function damageOf(open: () => unknown): DamageError {
  try {
    open();
  } catch (error) {
    if (error instanceof DamageError) return error;
    throw error;
  }
  throw new Error("no damage was found");
}

/** Calls back when it is durable. */
export function durably(call: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error === undefined ? resolve() : reject(error)));
  });
}

const firstSegment = "log/0000000000000001.seg";
const secondSegment = "log/0000000000000002.seg";
/** A record with the default payload of makeEntry: 48 + 20, and 4 to the next multiple of 8. */
const recordBytes = 72;

/** Runs the suite over folders that `create` makes. */
export function describeStorage(name: string, create: () => StorageHarness): void {
  describeCompaction(name, create);
  describeStoresBeside(name, create);
  let harness: StorageHarness;
  const open: LogStore[] = [];
  const openLog = (options: Parameters<typeof openLogStore>[1] = {}) => {
    const log = openLogStore(harness.open(), { segmentBytes: 8192, ...options });
    open.push(log);
    return log;
  };
  const reopen = (options: Parameters<typeof openLogStore>[1] = {}) => {
    for (const log of open.splice(0)) log.close();
    return openLog(options);
  };
  const closeAll = () => {
    for (const log of open.splice(0)) log.close();
  };

  beforeEach(() => {
    harness = create();
  });
  afterEach(async () => {
    closeAll();
    await harness.dispose();
  });

  describe(`${name}: the log`, () => {
    it("begins empty", async () => {
      const log = openLog();
      expect([log.firstIndex(), log.lastIndex(), log.durableIndex(), log.bytes()]).toEqual([
        1, 0, 0, 0,
      ]);
      expect([log.term(0), log.term(1)]).toEqual([0, undefined]);
      await appendDurably(log, []);
      expect(reopen().lastIndex()).toBe(0);
    });

    it("shows appended entries at once, and calls back when they are durable", async () => {
      const log = openLog();
      const durable = appendDurably(log, makeEntries(1, 3));
      expect([log.lastIndex(), log.term(3), log.durableIndex()]).toEqual([3, 1, 0]);
      expect(log.entries(1, 4, 1000)).toEqual(makeEntries(1, 3));
      await durable;
      expect([log.durableIndex(), log.bytes()]).toEqual([3, 3 * recordBytes]);
    });

    it("holds after a restart what it held before, in every kind and size", async () => {
      const entries = [makeEntry(1, 1, 0), makeEntry(2, 1, 1), makeEntry(3, 2, 4000)];
      entries.push(makeEntry(4, 2, 0), makeEntry(5, 7, 8000), makeEntry(6, 9, 16));
      const log = openLog();
      await appendDurably(log, entries);
      const bytes = log.bytes();
      const again = reopen();
      expect(readAll(again)).toEqual(entries);
      expect([again.durableIndex(), again.bytes()]).toEqual([6, bytes]);
      const terms = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => again.term(index));
      expect(terms).toEqual([0, 1, 1, 2, 2, 7, 9, undefined]);
    });

    it("keeps payloads of zeros, whatever they look like on disk", async () => {
      const entries = [1, 2, 3].map((index) => ({
        ...makeEntry(index, 1),
        payload: new Uint8Array(2000),
      }));
      await appendDurably(openLog(), entries);
      expect(readAll(reopen())).toEqual(entries);
    });

    it("calls back in the order of the appends, one batch after the other", async () => {
      const log = openLog();
      const order: number[] = [];
      const appends = Array.from({ length: 40 }, (_, at) =>
        appendDurably(log, [makeEntry(at + 1, 1)]).then(() => {
          order.push(at);
          expect(log.durableIndex()).toBeGreaterThan(at);
        }),
      );
      await Promise.all(appends);
      expect(order).toEqual(Array.from({ length: 40 }, (_, at) => at));
    });

    it("never calls back from inside append while something must be written", async () => {
      const log = openLog();
      let inside = true;
      await new Promise<void>((resolve) => {
        log.append(makeEntries(1, 2), () => {
          expect(inside).toBe(false);
          resolve();
        });
        inside = false;
      });
    });

    it("cuts where an entry is not past the end", async () => {
      const log = openLog();
      await appendDurably(log, makeEntries(1, 10));
      const cut = appendDurably(log, [makeEntry(4, 2)]);
      expect([log.lastIndex(), log.term(4), log.term(5), log.durableIndex()]).toEqual([
        4,
        2,
        undefined,
        3,
      ]);
      await cut;
      expect(log.durableIndex()).toBe(4);
      const expected = [...makeEntries(1, 3), makeEntry(4, 2)];
      expect(readAll(log)).toEqual(expected);
      expect(readAll(reopen())).toEqual(expected);
    });

    it("cuts what is still being written", async () => {
      const log = openLog();
      const appends = [
        appendDurably(log, makeEntries(1, 5, 1)),
        appendDurably(log, makeEntries(3, 6, 2)),
        appendDurably(log, makeEntries(2, 2, 3)),
        appendDurably(log, makeEntries(3, 4, 3)),
      ];
      const expected = [makeEntry(1, 1), ...makeEntries(2, 4, 3)];
      expect(readAll(log)).toEqual(expected);
      await Promise.all(appends);
      expect(log.durableIndex()).toBe(4);
      expect(readAll(log)).toEqual(expected);
      expect(readAll(reopen())).toEqual(expected);
    });

    it("does not call durable what a cut under way is about to replace", async () => {
      const log = openLog();
      await appendDurably(log, [makeEntry(1, 1)]);
      const durable: number[] = [];
      log.append(makeEntries(2, 5, 1), () => durable.push(log.durableIndex()));
      await appendDurably(log, makeEntries(3, 6, 2));
      expect([...durable, log.durableIndex()]).toEqual([2, 6]);
    });

    it("reads what waits to be written, however little memory it may keep", async () => {
      const log = openLog({ cacheBytes: 0 });
      const entries = makeEntries(1, 4, 1, 5000);
      // One entry fills a segment, so the third is not written when the first is durable.
      const durable = entries.map((entry) =>
        appendDurably(log, [entry]).then(() => expect(readAll(log)).toEqual(entries)),
      );
      await Promise.all(durable);
    });

    it("refuses a gap and a falling term as bugs", async () => {
      const log = openLog();
      await appendDurably(log, makeEntries(1, 3, 5));
      expect(() => log.append([makeEntry(5, 5)], () => {})).toThrow(/does not fit/);
      expect(() => log.append([makeEntry(4, 4)], () => {})).toThrow(/does not fit/);
      expect(() => log.append([makeEntry(0, 5)], () => {})).toThrow(/does not fit/);
    });

    it("answers at least one entry, then as many as fit", async () => {
      const log = openLog({ cacheBytes: 0 });
      await appendDurably(log, makeEntries(1, 10, 1, 100));
      for (const next of [() => log, () => reopen({ cacheBytes: 0 }), reopen]) {
        const reader = next();
        expect(reader.entries(1, 11, 0)).toEqual(makeEntries(1, 1, 1, 100));
        expect(reader.entries(3, 11, 250)).toEqual(makeEntries(3, 4, 1, 100));
        expect(reader.entries(3, 11, 300)).toEqual(makeEntries(3, 5, 1, 100));
        expect(reader.entries(9, 11, 9999)).toEqual(makeEntries(9, 10, 1, 100));
      }
    });

    it("goes on from segment to segment, and reads entries that memory has forgotten", async () => {
      const log = openLog({ cacheBytes: 2000 });
      const entries = makeEntries(1, 300, 2, 150);
      for (let at = 0; at < entries.length; at += 7) {
        await appendDurably(log, entries.slice(at, at + 7));
      }
      expect(readAll(log)).toEqual(entries);
      expect(harness.open().list("log").length).toBeGreaterThan(7);
      const again = reopen({ cacheBytes: 2000 });
      await appendDurably(again, makeEntries(301, 320, 3, 150));
      const expected = [...entries, ...makeEntries(301, 320, 3, 150)];
      expect(readAll(again)).toEqual(expected);
      expect(readAll(reopen())).toEqual(expected);
    });

    it("takes more in one append than a segment holds", async () => {
      const log = openLog();
      await appendDurably(log, makeEntries(1, 100, 1, 1000));
      expect(log.durableIndex()).toBe(100);
      expect(readAll(reopen())).toEqual(makeEntries(1, 100, 1, 1000));
    });

    it("takes over a folder whose segments have another length", async () => {
      await appendDurably(openLog({ segmentBytes: 4096 }), makeEntries(1, 50, 1, 200));
      await appendDurably(reopen({ segmentBytes: 16384 }), [makeEntry(51, 1, 9000)]);
      const expected = [...makeEntries(1, 50, 1, 200), makeEntry(51, 1, 9000)];
      expect(readAll(reopen({ segmentBytes: 4096 }))).toEqual(expected);
    });

    it("cuts a tail whose last sectors were never written, and goes on behind it", async () => {
      const log = openLog();
      await appendDurably(log, makeEntries(1, 3));
      await appendDurably(log, [makeEntry(4, 1, 2000)]);
      const at = 3 * recordBytes;
      closeAll();
      overwrite(harness.open(), firstSegment, at + 1000, new Uint8Array(2000));
      const again = openLog();
      expect(readAll(again)).toEqual(makeEntries(1, 3));
      await appendDurably(again, [makeEntry(4, 2)]);
      expect(readAll(reopen())).toEqual([...makeEntries(1, 3), makeEntry(4, 2)]);
    });

    it("cuts a tail whose first sectors were never written", async () => {
      await appendDurably(openLog(), makeEntries(1, 7));
      await appendDurably(reopen(), [makeEntry(8, 1, 3000)]);
      closeAll();
      const at = 7 * recordBytes;
      overwrite(harness.open(), firstSegment, at, new Uint8Array(512 - at));
      expect(readAll(openLog())).toEqual(makeEntries(1, 7));
    });

    it("refuses a record that is gone when a later one proves that it was durable", async () => {
      const log = openLog();
      for (const entry of makeEntries(1, 4, 1, 1000)) await appendDurably(log, [entry]);
      closeAll();
      const record = 48 + 1008;
      overwrite(harness.open(), firstSegment, record, new Uint8Array(record));
      const damage = damageOf(openLog);
      expect([damage.file, damage.offset]).toEqual([firstSegment, record]);
      expect(damage.message).toContain(`${firstSegment} is damaged at byte ${record}`);
    });

    it("refuses any flipped bit in what was durable, naming file and offset", async () => {
      const log = openLog();
      for (const entry of makeEntries(1, 6)) await appendDurably(log, [entry]);
      closeAll();
      for (let offset = 0; offset < 6 * recordBytes; offset += harness.stride) {
        flipBit(harness.open(), firstSegment, offset, offset % 8);
        const damage = damageOf(openLog);
        const record = Math.floor(offset / recordBytes) * recordBytes;
        expect([damage.file, damage.offset]).toEqual([firstSegment, record]);
        flipBit(harness.open(), firstSegment, offset, offset % 8);
      }
      expect(readAll(openLog())).toEqual(makeEntries(1, 6));
    });

    it("refuses an older segment that ends early, is missing, or was swapped", async () => {
      await appendDurably(openLog({ segmentBytes: 4096 }), makeEntries(1, 120, 1, 200));
      closeAll();
      const disk = harness.open();
      const [first, second] = [firstSegment, secondSegment].map((segment) => {
        const file = disk.open(segment, { create: false });
        const bytes = file.read(0, file.size());
        file.close();
        return bytes;
      });
      const lastRecord = 14 * (48 + 208);
      overwrite(disk, firstSegment, lastRecord, new Uint8Array(4096 - lastRecord));
      expect(damageOf(openLog).file).toBe(secondSegment);
      overwrite(disk, firstSegment, 0, second!);
      expect(damageOf(openLog).file).toBe(firstSegment);
      overwrite(disk, firstSegment, 0, first!);
      expect(openLog({ segmentBytes: 4096 }).lastIndex()).toBe(120);
      closeAll();
      disk.remove(secondSegment);
      expect(damageOf(openLog)).toMatchObject({ file: secondSegment, offset: 0 });
    });

    it("refuses to read an entry that was damaged while it ran", async () => {
      const log = openLog({ cacheBytes: 0 });
      await appendDurably(log, makeEntries(1, 3));
      flipBit(harness.open(), firstSegment, recordBytes + 50);
      expect(log.entries(1, 2, 1000)).toEqual([makeEntry(1, 1)]);
      const damage = damageOf(() => log.entries(2, 3, 1000));
      expect([damage.file, damage.offset]).toEqual([firstSegment, recordBytes]);
    });
  });

  describe(`${name}: vote and identity`, () => {
    const openVote = (required = true) => new VoteStore(harness.open(), { required });

    it("begins with term 0 and remembers what was saved (S4)", () => {
      const vote = openVote(false);
      expect(vote.current()).toEqual({ term: 0, votedFor: 0 });
      vote.save({ term: 1, votedFor: 0 });
      vote.save({ term: 1, votedFor: 3 });
      vote.save({ term: 2 ** 40, votedFor: 2 });
      vote.close();
      const again = openVote();
      expect(again.current()).toEqual({ term: 2 ** 40, votedFor: 2 });
      again.close();
    });

    it("refuses a second vote in a term, and a falling term, as bugs (S4)", () => {
      const vote = openVote(false);
      vote.save({ term: 5, votedFor: 1 });
      expect(() => vote.save({ term: 5, votedFor: 2 })).toThrow(/second vote/);
      expect(() => vote.save({ term: 5, votedFor: 0 })).toThrow(/second vote/);
      expect(() => vote.save({ term: 4, votedFor: 0 })).toThrow(/term falls/);
      vote.close();
    });

    it("survives any flipped bit in either copy, and mends it", () => {
      const vote = openVote(false);
      vote.save({ term: 7, votedFor: 2 });
      vote.close();
      for (const slot of [0, 4096]) {
        for (let offset = 0; offset < 40; offset += harness.stride) {
          flipBit(harness.open(), "vote", slot + offset, offset % 8);
          const mended: DamageError[] = [];
          const options = { required: true, onMended: (one: DamageError) => mended.push(one) };
          const again = new VoteStore(harness.open(), options);
          expect(again.current()).toEqual({ term: 7, votedFor: 2 });
          again.close();
          const places = mended.map((damage) => [damage.file, damage.offset]);
          expect(places).toEqual([["vote", slot]]);
        }
      }
    });

    it("refuses when both copies are damaged, or all is zero, or the file is missing", () => {
      const vote = openVote(false);
      vote.save({ term: 7, votedFor: 2 });
      vote.close();
      const disk = harness.open();
      flipBit(disk, "vote", 30);
      flipBit(disk, "vote", 4096 + 30);
      expect(damageOf(() => openVote(true)).message).toContain("vote is damaged");
      expect(damageOf(() => openVote(false)).file).toBe("vote");
      overwrite(disk, "vote", 0, new Uint8Array(8192));
      expect(damageOf(() => openVote(true)).file).toBe("vote");
      disk.remove("vote");
      expect(damageOf(() => openVote(true)).message).toContain("missing");
    });

    it("keeps an identity of any length up to its limit", () => {
      const identity = new IdentityStore(harness.open());
      expect(identity.current()).toBeUndefined();
      const long = new Uint8Array(65_512).fill(7);
      for (const bytes of [long, Uint8Array.of(1, 2, 3), new Uint8Array(0)]) {
        identity.save(bytes);
        const again = new IdentityStore(harness.open());
        expect(again.current()).toEqual(bytes);
        again.close();
      }
      expect(() => identity.save(new Uint8Array(65_513))).toThrow(/does not fit/);
      identity.close();
    });
  });
}
