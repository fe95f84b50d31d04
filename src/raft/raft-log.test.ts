// The log beside its file: what is durable when writes are superseded, reads across disk and tail,
// back-up hints.
import { describe, expect, test } from "vitest";
import { MemoryLog } from "./memory-disk.test-support.ts";
import { RaftLog } from "./raft-log.ts";
import type { Entry, LogIndex, Term } from "./types.ts";

function entry(index: LogIndex, term: Term, bytes = 1): Entry {
  return { index, term, kind: "commands", payload: new Uint8Array(bytes) };
}

/** Entries from `start` on with these terms. */
function entries(start: LogIndex, ...terms: Term[]): Entry[] {
  return terms.map((term, i) => entry(start + i, term));
}

/** A log whose disk holds entries with these terms, from 1 on. */
function logOf(...terms: Term[]): { readonly disk: MemoryLog; readonly log: RaftLog } {
  const disk = new MemoryLog();
  disk.append(entries(1, ...terms));
  return { disk, log: new RaftLog(disk, 0) };
}

function append(log: RaftLog, previous: [LogIndex, Term], ...terms: Term[]) {
  const [previousIndex, previousTerm] = previous;
  const slice = {
    term: 99,
    previousIndex,
    previousTerm,
    entries: entries(previousIndex + 1, ...terms),
  };
  const result = log.append(slice);
  const handed = log.takeUnpersisted();
  return { kind: result.kind, handed: handed.map(({ index, term }) => `${index}:${term}`) };
}

function terms(log: RaftLog): (Term | undefined)[] {
  return Array.from({ length: log.lastIndex }, (_, i) => log.term(i + 1));
}

describe("RaftLog", () => {
  test("hands out only what is new", () => {
    const { log } = logOf(1, 1);
    expect(append(log, [2, 1], 1, 2)).toEqual({ kind: "appended", handed: ["3:1", "4:2"] });
    expect(append(log, [2, 1], 1, 2)).toEqual({ kind: "appended", handed: [] });
    expect(append(log, [3, 1], 2, 2)).toEqual({ kind: "appended", handed: ["5:2"] });
  });

  test("does not shorten itself for an older slice that agrees", () => {
    const { log } = logOf(1, 1, 1);
    expect(append(log, [0, 0], 1)).toEqual({ kind: "appended", handed: [] });
    expect(log.lastIndex).toBe(3);
  });

  test("cuts what conflicts, in the tail and on the disk", () => {
    const { log } = logOf(1, 1);
    append(log, [2, 1], 1, 1);
    expect(append(log, [3, 1], 2).handed).toEqual(["4:2"]);
    expect(terms(log)).toEqual([1, 1, 1, 2]);
    log.stableTo(4, 2);
    expect(append(log, [1, 1], 3)).toEqual({ kind: "appended", handed: ["2:3"] });
    expect(terms(log)).toEqual([1, 3]);
    expect(log.stableIndex).toBe(1);
  });

  test("does not count the completion of a write whose entries were cut", () => {
    const { log } = logOf(1);
    append(log, [1, 1], 2, 2);
    append(log, [1, 1], 3);
    log.stableTo(3, 2);
    expect(log.stableIndex).toBe(1);
    log.stableTo(2, 2);
    expect(log.stableIndex).toBe(1);
    log.stableTo(2, 3);
    expect(log.stableIndex).toBe(2);
  });

  test("lets one cut at a time be under way, so that an entry which comes back is not taken for durable", () => {
    const { log } = logOf(1);
    append(log, [1, 1], 2);
    expect(append(log, [1, 1], 3).kind).toBe("appended");
    // 2:2 would be under way twice, and the completion of its first write would say it is durable.
    expect(append(log, [1, 1], 2, 4).kind).toBe("busy");
    log.stableTo(2, 2);
    expect(append(log, [1, 1], 2, 4).kind).toBe("busy");
    log.stableTo(2, 3);
    expect(append(log, [1, 1], 2, 4)).toEqual({ kind: "appended", handed: ["2:2", "3:4"] });
    expect(log.stableIndex).toBe(1);
  });

  test("reads across disk and tail, at least one entry, then as many as fit", () => {
    const { log } = logOf(1, 1);
    append(log, [2, 1], 1, 1);
    const read = (start: LogIndex, bytesMax: number) =>
      log.entries(start, log.lastIndex + 1, bytesMax).map(({ index }) => index);
    expect(read(1, 10_000)).toEqual([1, 2, 3, 4]);
    expect(read(3, 10_000)).toEqual([3, 4]);
    expect(read(3, 0)).toEqual([3]);
    expect(read(5, 0)).toEqual([]);
    expect(read(2, 3 * 33)).toEqual([2, 3, 4]);
    expect(read(2, 2 * 33)).toEqual([2, 3]);
  });

  test("knows no term below the compacted part, also not at 0", () => {
    const { disk } = logOf(1, 1, 2, 2);
    disk.compact(3);
    const log = new RaftLog(disk, 3);
    expect([0, 1, 2, 3, 4, 5].map((index) => log.term(index))).toEqual([
      undefined,
      undefined,
      undefined,
      2,
      2,
      undefined,
    ]);
  });

  test("begins anew after a snapshot", () => {
    const { disk, log } = logOf(1, 1);
    append(log, [2, 1], 1);
    disk.reset(7, 3);
    log.restore(7, 3);
    expect([log.firstIndex, log.lastIndex, log.lastTerm, log.stableIndex]).toEqual([8, 7, 3, 7]);
    expect(log.commitIndex).toBe(7);
    expect(append(log, [7, 3], 4)).toEqual({ kind: "appended", handed: ["8:4"] });
  });

  test("skips whole terms backwards when logs disagree (§5.3)", () => {
    const { log } = logOf(1, 1, 4, 4, 5, 5, 5);
    expect(log.lastNotAfterTerm(7, 4)).toEqual({ index: 4, term: 4 });
    expect(log.lastNotAfterTerm(7, 3)).toEqual({ index: 2, term: 1 });
    expect(log.lastNotAfterTerm(99, 9)).toEqual({ index: 7, term: 5 });
    expect(log.lastNotAfterTerm(7, 0)).toEqual({ index: 0, term: 0 });
  });

  test("refuses to lose committed entries", () => {
    const { log } = logOf(1, 1);
    log.commitTo(2);
    expect(() => append(log, [1, 1], 2)).toThrow("committed");
    expect(() => log.commitTo(3)).toThrow("lost entries");
    expect(() => log.restore(1, 1)).toThrow("back");
  });

  test("refuses to start with a state machine that is ahead of it", () => {
    const { disk } = logOf(1, 1, 1);
    expect(() => new RaftLog(disk, 4)).toThrow("ahead");
  });

  test("takes what is cut off its beginning for committed, also where the state is lost", () => {
    const { disk } = logOf(1, 1, 1);
    disk.compact(2);
    expect([0, 1, 2, 3].map((applied) => new RaftLog(disk, applied).commitIndex)).toEqual([
      2, 2, 2, 3,
    ]);
  });

  test("copes with a beginning that is cut while it is in use", () => {
    const { disk, log } = logOf(1, 1, 2, 4, 4);
    log.commitTo(4);
    append(log, [5, 4], 4);
    disk.compact(3);
    expect([2, 3, 4, 6].map((index) => log.term(index))).toEqual([undefined, 2, 4, 4]);
    expect(log.firstIndex).toBe(4);
    expect(log.entries(4, 7, 10_000).map(({ index }) => index)).toEqual([4, 5, 6]);
    expect(() => log.entries(3, 7, 10_000)).toThrow("outside");
    expect(log.lastNotAfterTerm(6, 3)).toEqual({ index: 3, term: 2 });
    expect(log.lastNotAfterTerm(6, 1)).toEqual({ index: 2, term: 0 });
  });
});
