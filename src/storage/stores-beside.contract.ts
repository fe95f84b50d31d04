// What every disk owes the stores beside the log, and they to their callers: renaming, snapshots,
// the island log. Part of the suite in storage.contract.ts.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Disk } from "../io/disk.ts";
import {
  DamageError,
  type IslandLog,
  openIslandLog,
  type SnapshotFacts,
  SnapshotStore,
} from "./index.ts";
import { incomingSyncBytes, snapshotPieceBytes } from "./limits.ts";
import { damageOf, durably, flipBit, overwrite, type StorageHarness } from "./storage.contract.ts";

/** Facts of a snapshot whose bytes are `bytesOf` its index. */
export function factsOf(index: number, size: number): SnapshotFacts {
  const digest = new Uint8Array(32).fill(index % 256);
  return { index, term: 3, configuration: Uint8Array.of(index % 256, 1), size, digest };
}

/** Bytes of a snapshot, told by its index. */
export function bytesOf(index: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (index * 31 + at * 7 + (at >> 9)) % 251;
  return bytes;
}

/** Makes a durable file, as a copier does. */
export function makeFile(disk: Disk, name: string, bytes: Uint8Array): void {
  const file = disk.open(name, { create: true });
  file.truncate(0);
  file.write(0, bytes);
  file.syncNow();
  file.close();
  disk.syncFolder(name.slice(0, name.lastIndexOf("/")));
}

/** Runs this part of the suite. */
export function describeStoresBeside(name: string, create: () => StorageHarness): void {
  describe(name, () => testStoresBeside(create));
}

function testStoresBeside(create: () => StorageHarness): void {
  let harness: StorageHarness;
  const closers: (() => void)[] = [];
  beforeEach(() => {
    harness = create();
  });
  afterEach(async () => {
    for (const close of closers.splice(0)) close();
    await harness.dispose();
  });

  describe("renaming", () => {
    it("puts a file in another's place, and keeps open files open", () => {
      const disk = harness.open();
      makeFile(disk, "some/a", Uint8Array.of(1));
      makeFile(disk, "other/b", Uint8Array.of(2));
      const open = disk.open("some/a", { create: false });
      disk.rename("some/a", "other/b");
      disk.syncFolder("other");
      expect([disk.exists("some/a"), disk.list("other")]).toEqual([false, ["b"]]);
      expect(open.read(0, 9)).toEqual(Uint8Array.of(1));
      open.close();
      expect(() => disk.rename("some/a", "other/c")).toThrow();
    });
  });

  describeSnapshots({
    open: () => harness.open(),
    onEnd: (close) => closers.push(close),
  });
  describeIslandLog({
    open: () => harness.open(),
    stride: () => harness.stride,
    onEnd: (close) => closers.push(close),
  });
}

function describeSnapshots({
  open,
  onEnd,
}: {
  open: () => Disk;
  onEnd: (close: () => void) => void;
}): void {
  const size = snapshotPieceBytes + 1000;
  const work: (() => void)[] = [];
  const damages: DamageError[] = [];
  const openStore = () => {
    work.length = 0;
    damages.length = 0;
    const store = new SnapshotStore(open(), {
      schedule: (step) => work.push(step),
      onDamage: (damage) => damages.push(damage),
    });
    onEnd(() => store.close());
    return store;
  };
  const complete = (store: SnapshotStore, index: number) => {
    makeFile(open(), store.copyName, bytesOf(index, size));
    store.complete(factsOf(index, size));
  };
  const runWork = () => {
    while (work.length > 0) work.shift()!();
  };
  const readWhole = (store: SnapshotStore, index: number) => {
    const file = store.open(index)!;
    try {
      return file.read(0, file.size);
    } finally {
      file.close();
    }
  };

  describe("snapshots", () => {
    it("keeps the newest two, and says what they are", () => {
      const store = openStore();
      expect([store.list(), store.newest(), store.open(1)]).toEqual([[], undefined, undefined]);
      for (const index of [5, 9, 12]) complete(store, index);
      runWork();
      for (const one of [store, openStore()]) {
        expect(one.list()).toEqual([factsOf(9, size), factsOf(12, size)]);
        expect(one.newest()).toEqual(factsOf(12, size));
        const file = one.open(12)!;
        expect(file).toMatchObject(factsOf(12, size));
        expect(file.read(100, 7)).toEqual(bytesOf(12, size).subarray(100, 107));
        expect(file.read(size - 5, 99)).toEqual(bytesOf(12, size).subarray(size - 5));
        const across = file.read(snapshotPieceBytes - 3, 6);
        expect(across).toEqual(
          bytesOf(12, size)
            .slice(snapshotPieceBytes - 3)
            .subarray(0, 6),
        );
        file.close();
      }
      expect(open().list("snapshots").length).toBe(4);
      store.remove(9);
      expect(openStore().list()).toEqual([factsOf(12, size)]);
    });

    it("finds a changed byte when it is read, and removes the snapshot", () => {
      const store = openStore();
      complete(store, 9);
      runWork();
      flipBit(open(), "snapshots/0000000000000009.snap", snapshotPieceBytes + 3);
      const file = store.open(9)!;
      expect(file.read(0, 10)).toEqual(bytesOf(9, size).subarray(0, 10));
      const damage = damageOf(() => file.read(snapshotPieceBytes, 10));
      expect([damage.file, damage.offset]).toEqual([
        "snapshots/0000000000000009.snap",
        snapshotPieceBytes,
      ]);
      expect(damages).toEqual([damage]);
      expect(() => file.read(snapshotPieceBytes, 10)).toThrow(DamageError);
      file.close();
      expect([store.newest(), openStore().newest()]).toEqual([undefined, undefined]);
    });

    it("computes the checksums at the next start where it did not come to it", () => {
      complete(openStore(), 9);
      const store = openStore();
      expect(work.length).toBe(1);
      runWork();
      flipBit(open(), "snapshots/0000000000000009.snap", 3);
      expect(() => readWhole(store, 9)).toThrow(DamageError);
    });

    it("removes what is half, unknown or not as it should be, and tells of damage only", () => {
      const store = openStore();
      for (const index of [9, 12]) complete(store, index);
      runWork();
      const disk = open();
      makeFile(disk, store.copyName, Uint8Array.of(1));
      makeFile(disk, "snapshots/0000000000000033.snap", Uint8Array.of(1));
      makeFile(disk, "snapshots/junk", Uint8Array.of(1));
      flipBit(disk, "snapshots/0000000000000012.meta", 50);
      expect(openStore().list()).toEqual([factsOf(9, size)]);
      expect(damages.map(({ file }) => file)).toEqual(["snapshots/0000000000000012.meta"]);
      expect(open().list("snapshots").length).toBe(2);
    });
  });

  describe("a snapshot that is fetched", () => {
    it("comes in pieces, is marked ready, and stays so until it is taken", async () => {
      const facts = factsOf(40, size);
      const store = openStore();
      const file = store.incoming(facts);
      const bytes = bytesOf(40, size);
      for (const end of [10, 5000, size]) file.write(bytes.subarray(file.nextOffset, end));
      expect(() => store.markReady()).toThrow(/no whole snapshot/);
      await durably((done) => file.finish(done));
      expect(store.ready()).toBeUndefined();
      store.markReady();
      const again = openStore();
      expect(again.ready()).toEqual({ ...facts, name: file.name });
      const disk = open();
      disk.rename(file.name, "state.db");
      disk.syncFolder("");
      const third = openStore();
      expect(third.ready()).toEqual({ ...facts, name: file.name });
      third.clearReady();
      expect([third.ready(), openStore().ready()]).toEqual([undefined, undefined]);
      expect(open().list("snapshots")).toEqual([]);
    });

    it("goes on from what is durable, for the same snapshot only", async () => {
      const facts = factsOf(40, incomingSyncBytes + 5000);
      const bytes = bytesOf(40, facts.size);
      const store = openStore();
      const file = store.incoming(facts);
      file.write(bytes.subarray(0, incomingSyncBytes + 10));
      file.write(bytes.subarray(incomingSyncBytes + 10));
      await durably((done) => file.finish(done));
      store.close();
      const again = openStore().incoming(facts);
      expect(again.nextOffset).toBe(facts.size);
      await durably((done) => again.finish(done));
      const other = openStore().incoming({ ...facts, digest: new Uint8Array(32).fill(1) });
      expect(other.nextOffset).toBe(0);
      other.write(Uint8Array.of(1, 2, 3));
      const store4 = openStore();
      store4.clearIncoming();
      expect(open().list("snapshots")).toEqual([]);
      expect(() => store4.incoming(factsOf(1, 2)).write(Uint8Array.of(1, 2, 3))).toThrow(/more/);
    });
  });
}

function describeIslandLog(given: {
  open: () => Disk;
  stride: () => number;
  onEnd: (close: () => void) => void;
}): void {
  const file = "island/items.log";
  const itemOf = (at: number) => new Uint8Array(20 + at).fill(at + 1);
  const items = (count: number) => Array.from({ length: count }, (_, at) => itemOf(at));
  let damages: DamageError[] = [];
  const open = () => {
    damages = [];
    const log = openIslandLog(given.open(), { onDamage: (damage) => damages.push(damage) });
    given.onEnd(() => log.close());
    return log;
  };
  const append = (log: IslandLog, added: readonly Uint8Array[]) =>
    durably((done) => log.append(added, done));

  describe("the island log", () => {
    it("keeps items in order, and forgets all when it is erased", async () => {
      const log = open();
      expect([log.items(), log.bytes()]).toEqual([[], 0]);
      await Promise.all([append(log, []), append(log, items(2)), append(log, [itemOf(2)])]);
      expect(log.items()).toEqual(items(3));
      const again = open();
      expect([again.items(), again.bytes()]).toEqual([items(3), log.bytes()]);
      await append(again, [itemOf(3)]);
      expect(open().items()).toEqual(items(4));
      const third = open();
      third.erase();
      expect([third.items(), third.bytes(), open().items()]).toEqual([[], 0, []]);
      const fourth = open();
      await append(fourth, items(2));
      expect([open().items(), damages]).toEqual([items(2), []]);
    });

    it("keeps all other items when a byte has changed, and tells of it once", async () => {
      const log = open();
      for (const item of items(4)) await append(log, [item]);
      const end = log.bytes();
      log.close();
      const disk = given.open();
      const handle = disk.open(file, { create: false });
      const bytes = handle.read(0, end);
      handle.close();
      for (let offset = 0; offset < end; offset += given.stride()) {
        overwrite(disk, file, 0, bytes);
        flipBit(disk, file, offset, offset % 8);
        const damaged = open();
        const hit = items(4).findIndex((_, at) => offset < startOf(at + 1));
        expect(damaged.items()).toEqual(items(4).filter((_, at) => at !== hit));
        expect(damages.map((damage) => [damage.file, damage.offset])).toEqual([
          [file, startOf(hit)],
        ]);
        await append(damaged, [itemOf(9)]);
        expect(open().items()).toEqual([...damaged.items()]);
        expect(damages).toEqual([]);
      }
    });

    it("cuts a torn tail in silence", async () => {
      const log = open();
      await append(log, items(3));
      const end = log.bytes();
      log.close();
      const disk = given.open();
      const handle = disk.open(file, { create: false });
      handle.truncate(end - 1);
      handle.syncNow();
      handle.close();
      expect([open().items(), damages]).toEqual([items(2), []]);
    });
  });

  function startOf(count: number): number {
    return items(count).reduce((sum, { length }) => sum + 32 + (Math.floor(length / 8) + 1) * 8, 0);
  }
}
