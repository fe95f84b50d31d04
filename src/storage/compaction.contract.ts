// What a log owes that is cut at the front or begins anew, on every disk. Part of the suite in
// storage.contract.ts.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LogStore, type LogStoreOptions, openLogStore } from "./index.ts";
import {
  appendDurably,
  damageOf,
  durably,
  flipBit,
  makeEntries,
  makeEntry,
  readAll,
  type StorageHarness,
} from "./storage.contract.ts";

const firstSegment = "log/0000000000000001.seg";

/** Runs this part of the suite. */
export function describeCompaction(name: string, create: () => StorageHarness): void {
  describe(`${name}: a log that does not begin at 1`, () => testCompaction(create));
}

function testCompaction(create: () => StorageHarness): void {
  let harness: StorageHarness;
  let log: LogStore | undefined;
  const openLog = (options: LogStoreOptions = {}) => {
    log = openLogStore(harness.open(), { segmentBytes: 8192, ...options });
    return log;
  };
  const reopen = (options: LogStoreOptions = {}) => {
    log?.close();
    return openLog(options);
  };

  beforeEach(() => {
    harness = create();
  });
  afterEach(async () => {
    log?.close();
    log = undefined;
    await harness.dispose();
  });

  it("begins later when it is compacted, and gives its files back", async () => {
    const log = openLog({ segmentBytes: 4096, cacheBytes: 2000 });
    await appendDurably(log, makeEntries(1, 200, 3, 100));
    const bytes = log.bytes();
    const context = Uint8Array.of(5, 0, 7);
    const compacted = durably((done) => log.compact({ index: 150, context }, done));
    expect([log.firstIndex(), log.lastIndex(), log.durableIndex()]).toEqual([151, 200, 200]);
    expect([log.term(149), log.term(150), log.term(151)]).toEqual([undefined, 3, 3]);
    await compacted;
    expect(log.bytes()).toBeLessThan(bytes / 2);
    expect(harness.open().exists(firstSegment)).toBe(false);
    for (const next of [() => log, () => reopen({ cacheBytes: 0 }), reopen]) {
      const reader = next();
      expect(reader.base()).toEqual({ index: 150, term: 3, context });
      expect(readAll(reader)).toEqual(makeEntries(151, 200, 3, 100));
      expect(() => reader.entries(150, 152, 1000)).toThrow(/log range/);
    }
    const again = reopen({ segmentBytes: 4096 });
    await appendDurably(again, makeEntries(180, 260, 4, 100));
    await durably((done) => again.compact({ index: 260, context }, done));
    expect([again.firstIndex(), again.lastIndex(), reopen().lastIndex()]).toEqual([261, 260, 260]);
  });

  it("may be compacted to where it begins, which changes the context", async () => {
    const log = openLog();
    await appendDurably(log, makeEntries(1, 5));
    for (const fill of [1, 2]) {
      const context = new Uint8Array(9).fill(fill);
      await durably((done) => log.compact({ index: 3, context }, done));
      expect(log.base()).toEqual({ index: 3, term: 1, context });
    }
    expect(reopen().base().context).toEqual(new Uint8Array(9).fill(2));
    const none = new Uint8Array(0);
    expect(() => openLog().compact({ index: 6, context: none }, () => {})).toThrow(/cannot begin/);
    expect(() => openLog().compact({ index: 2, context: none }, () => {})).toThrow(/cannot begin/);
  });

  it.each([30, 500])("begins anew behind a snapshot of entry %i", async (index) => {
    const context = Uint8Array.of(1);
    const log = openLog({ segmentBytes: 4096, cacheBytes: 0 });
    await appendDurably(log, makeEntries(1, 50, 3, 100));
    const entry = makeEntry(index + 1, 4);
    const done = [
      appendDurably(log, makeEntries(51, 53, 3)),
      durably((call) => log.restart({ index, term: 4, context }, call)),
    ];
    expect([log.firstIndex(), log.lastIndex()]).toEqual([index + 1, index]);
    expect(log.durableIndex()).toBeLessThan(index);
    done.push(appendDurably(log, [entry]));
    expect(readAll(log)).toEqual([entry]);
    await Promise.all(done);
    for (const next of [() => log, reopen]) {
      const reader = next();
      expect(reader.base()).toEqual({ index, term: 4, context });
      expect([reader.durableIndex(), readAll(reader)]).toEqual([index + 1, [entry]]);
    }
  });

  it("is refused where a segment is gone that it needs", async () => {
    const context = new Uint8Array(0);
    const before = openLog({ segmentBytes: 4096 });
    await appendDurably(before, makeEntries(1, 200, 3, 100));
    await durably((done) => before.compact({ index: 120, context }, done));
    before.close();
    log = undefined;
    const disk = harness.open();
    const [oldest] = disk.list("log");
    disk.remove(`log/${oldest}`);
    const damage = damageOf(() => openLogStore(disk));
    expect([damage.file, damage.offset]).toEqual([`log/${oldest}`, 0]);
    const report = openLog({ damage: "report" });
    expect(report.damage()!.holes[0]!.from).toBe(121);
    expect(report.damage()!.judge({ index: 120 }).lostFrom).toBe(121);
    const { to } = report.damage()!.holes[0]!;
    const verdict = report.damage()!.resolve({ index: to + 1 }, () => Uint8Array.of(9));
    expect(verdict).toEqual({
      base: { index: to + 1, term: 3 },
      lastIndex: 200,
      lostFrom: undefined,
    });
    await appendDurably(report, [makeEntry(201, 3)]);
    expect(readAll(reopen())).toEqual([...makeEntries(to + 2, 200, 3, 100), makeEntry(201, 3)]);
  });

  it("does not mind damage in what it needs no more", async () => {
    const context = new Uint8Array(0);
    const before = openLog({ segmentBytes: 8192 });
    await appendDurably(before, makeEntries(1, 20, 3, 100));
    await durably((done) => before.compact({ index: 10, context }, done));
    before.close();
    log = undefined;
    flipBit(harness.open(), firstSegment, 5 * 152 + 60);
    expect(readAll(openLog())).toEqual(makeEntries(11, 20, 3, 100));
  });
}
