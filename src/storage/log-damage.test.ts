// Damage of a log with known content: whatever is flipped, zeroed or removed, a start either has
// the whole log or says what is lost, and never shows an entry that is not the right one.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import {
  type AppliedEntry,
  type DamageVerdict,
  type DiskCopy,
  FaultyDisk,
  type LogStore,
  openLogStore,
  PowerLossError,
} from "./index.ts";
import {
  changed,
  emptyLog,
  type LogChange,
  type LogState,
  lastIndexOf,
  randomCompaction,
  randomEntries,
  randomRestart,
  sameEntries,
  sameState,
  stateOf,
} from "./log-model.test-support.ts";
import { damageOf, makeEntries, makeEntry } from "./storage.contract.ts";
import type { Entry } from "./types.ts";

const segmentBytes = 4096;
const contextOf = (base: number) => new Uint8Array(3).fill(base % 256);

/** A disk whose callbacks run when the test says so. */
class Rig {
  readonly #pending: (() => void)[] = [];
  readonly disk: FaultyDisk;

  constructor(seed: number) {
    this.disk = new FaultyDisk({ seed, schedule: (callback) => this.#pending.push(callback) });
  }

  runAll(): void {
    while (this.#pending.length > 0) this.#pending.shift()!();
  }

  open(damage: "refuse" | "report"): LogStore {
    return openLogStore(this.disk, { segmentBytes, cacheBytes: 0, damage });
  }

  /** Asks for a change and waits until it is durable. */
  make(log: LogStore, change: LogChange): void {
    let isDone = false;
    const done = (error?: Error) => {
      if (error !== undefined) throw error;
      isDone = true;
    };
    if (change.kind === "entry") log.append([change.entry], done);
    else if (change.kind === "compact") log.compact(change.base, done);
    else log.restart(change.base, done);
    this.runAll();
    expect(isDone).toBe(true);
  }
}

/** What was made of a log, and every state that it was in. */
interface Known {
  readonly rig: Rig;
  readonly copy: DiskCopy;
  readonly states: readonly LogState[];
  readonly truth: LogState;
}

function build(seed: number, changes: Iterable<LogChange>): Known {
  const rig = new Rig(seed);
  const log = rig.open("refuse");
  rig.runAll();
  const states = [emptyLog];
  for (const change of changes) {
    rig.make(log, change);
    states.push(changed(states.at(-1)!, change));
  }
  log.close();
  const truth = states.at(-1)!;
  expect(sameState(stateOf(rig.open("refuse")), truth)).toBe(true);
  return { rig, copy: rig.disk.copy(), states, truth };
}

function entriesOf(entries: readonly Entry[]): LogChange[] {
  return entries.map((entry) => ({ kind: "entry", entry }));
}

/**
 * Without payloads of zeros: of a newest record that holds a whole sector of them, damage cannot be
 * told from a torn write.
 */
function* randomChanges(random: Random, count: number): Generator<LogChange> {
  let log = emptyLog;
  for (let made = 0; made < count; ) {
    const kind = random.nextInteger(0, 30);
    let changes: LogChange[];
    if (kind < 2) changes = [randomCompaction(random, log)];
    else if (kind === 2) changes = [randomRestart(random, log)];
    else changes = entriesOf(randomEntries(random, log).map(withoutZeros));
    for (const change of changes) {
      log = changed(log, change);
      yield change;
    }
    made += changes.length;
  }
}

function withoutZeros(entry: Entry): Entry {
  return { ...entry, payload: entry.payload.map((byte) => byte || 1) };
}

function entryAt(state: LogState, index: number): Entry | undefined {
  return state.entries[index - state.base.index - 1];
}

/** Every entry that can be read is the right one; or was it once, where the end is lost. */
function checkReadable(log: LogStore, known: Known): void {
  const damage = log.damage();
  const isTailLost = damage?.findings.some(({ kind }) => kind === "tail") ?? false;
  for (let index = log.firstIndex(); index <= log.lastIndex(); index++) {
    const isInHole = damage?.holes.some(({ from, to }) => index >= from && index <= to);
    if (isInHole) {
      expect(() => log.entries(index, index + 1, 1)).toThrow(/is damaged at byte/);
      continue;
    }
    const [found] = log.entries(index, index + 1, 1);
    const allowed = isTailLost ? known.states : [known.truth];
    const isRight = allowed.some((state) => {
      const entry = entryAt(state, index);
      return entry !== undefined && sameEntries([entry], [found!]);
    });
    if (!isRight) expect(found).toEqual(entryAt(known.truth, index));
  }
}

function checkVerdict(verdict: DamageVerdict, applied: AppliedEntry, known: Known): void {
  const { base, lastIndex, lostFrom } = verdict;
  const last = lastIndexOf(known.truth);
  if (lastIndex < last) expect(lostFrom).toBe(lastIndex + 1);
  const wasBase = known.states.some((state) => sameBase(state.base, base));
  if (wasBase) return;
  expect(base.index).toBeLessThanOrEqual(applied.index);
  const entry = entryAt(known.truth, base.index);
  if (entry !== undefined) expect(base.term).toBe(entry.term);
  const wasThere = known.states.some((state) => entryAt(state, base.index)?.term === base.term);
  expect(wasThere, "the base is an entry that the log once had").toBe(true);
}

/** With the term known, nothing contradicts the state that was applied. */
function checkApplied(state: LogState, applied: AppliedEntry, truth: LogState): void {
  for (const entry of state.entries) {
    const right = entryAt(truth, entry.index);
    if (entry.index <= applied.index && right !== undefined) expect(entry).toEqual(right);
  }
}

function sameBase(a: { index: number; term: number }, b: { index: number; term: number }): boolean {
  return a.index === b.index && a.term === b.term;
}

/**
 * Opens the damaged disk, resolves for this applied entry, and checks all that is promised. Answers
 * whether anything was found.
 */
function checkDamaged(known: Known, applied: AppliedEntry): boolean {
  const { rig, truth } = known;
  const log = rig.open("report");
  const damage = log.damage();
  if (damage === undefined) {
    expect(sameState(stateOf(log), truth), "no damage, so it is the whole log").toBe(true);
    log.close();
    return false;
  }
  expect(damage.findings.length).toBeGreaterThan(0);
  for (const { file, offset, reason } of damage.findings) {
    expect(file).toMatch(/^log\/\d{16}\.seg$/);
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(reason.length).toBeGreaterThan(10);
  }
  checkReadable(log, known);
  const found = damageOf(() => rig.open("refuse"));
  expect(found.message).toContain("is damaged at byte");
  const verdict = damage.judge(applied);
  checkVerdict(verdict, applied, known);
  expect(damage.resolve(applied, contextOf)).toEqual(verdict);
  expect(log.damage()).toBeUndefined();
  expect([log.base().index, log.lastIndex()]).toEqual([verdict.base.index, verdict.lastIndex]);
  const isTailLost = damage.findings.some(({ kind }) => kind === "tail");
  if (!isTailLost) checkReadable(log, known);
  const state = stateOf(log);
  if (applied.term !== undefined) checkApplied(state, applied, truth);
  log.close();
  rig.disk.losePower();
  const again = rig.open("refuse");
  expect(sameState(stateOf(again), state), "what was dropped stays so").toBe(true);
  rig.make(again, { kind: "entry", entry: makeEntry(again.lastIndex() + 1, 1000) });
  expect(again.lastIndex()).toBe(verdict.lastIndex + 1);
  again.close();
  return true;
}

function segmentsOf(disk: FaultyDisk): string[] {
  return disk.names().filter((name) => name.startsWith("log/"));
}

describe("a log with one flipped byte", () => {
  const cases: Record<string, LogChange[]> = {
    "of three segments": entriesOf(makeEntries(1, 60, 1, 90)),
    "with entries that were replaced": entriesOf([
      ...makeEntries(1, 20, 1, 90),
      ...makeEntries(15, 30, 2, 90),
      ...makeEntries(22, 22, 4, 90),
      ...makeEntries(23, 40, 5, 90),
    ]),
    "whose last entry replaced others": entriesOf([
      ...makeEntries(1, 40, 1, 90),
      ...makeEntries(35, 35, 2, 90),
    ]),
    "that was cut at the front": [
      ...entriesOf(makeEntries(1, 60, 1, 90)),
      { kind: "compact", base: { index: 45, term: 1, context: contextOf(9) } },
      ...entriesOf(makeEntries(61, 70, 2, 90)),
    ],
    "that began anew": [
      ...entriesOf(makeEntries(1, 20, 1, 90)),
      { kind: "restart", base: { index: 18, term: 3, context: contextOf(9) } },
      ...entriesOf(makeEntries(19, 30, 3, 90)),
    ],
  };

  it.each(Object.keys(cases))("%s shows no wrong entry, and tells what is lost", (name) => {
    const known = build(1, cases[name]!);
    const { disk } = known.rig;
    const last = lastIndexOf(known.truth);
    let foundCount = 0;
    let flips = 0;
    for (const segment of segmentsOf(disk)) {
      const bytes = disk.cachedBytes(segment);
      // Not a divisor of a record's length: so every byte of a record is hit in one or the other.
      for (let offset = flips % 19; offset < bytes.length; offset += 19) {
        flips += 1;
        const applied = [0, last, (flips * 7) % (last + 1)][flips % 3]!;
        disk.restore(known.copy);
        disk.flipBit(segment, { offset, bit: offset % 8 });
        if (checkDamaged(known, { index: applied })) foundCount += 1;
      }
    }
    expect(foundCount).toBeGreaterThan(80);
  });
});

describe("a log that is damaged in many places", () => {
  const seeds = Array.from({ length: 16 }, (_, at) => at + 1);
  it.each(seeds)("shows no wrong entry, and tells what is lost, seed %i", (seed) => {
    const random = new Random(seed);
    const known = build(seed, randomChanges(random, 150));
    const { disk } = known.rig;
    let foundCount = 0;
    for (let round = 0; round < 25; round++) {
      disk.restore(known.copy);
      for (let count = random.nextInteger(1, 4); count > 0; count--) damageSomething(random, disk);
      const index = random.nextInteger(0, lastIndexOf(known.truth) + 1);
      const term = entryAt(known.truth, index)?.term;
      const isKnown = term !== undefined && random.nextBoolean(0.5);
      if (checkDamaged(known, isKnown ? { index, term } : { index })) foundCount += 1;
    }
    expect(foundCount).toBeGreaterThan(0);
  });
});

/** In segments that hold something; the newest record may go unnoticed where it is zeroed whole. */
function damageSomething(random: Random, disk: FaultyDisk): void {
  const segments = segmentsOf(disk).filter((name) => disk.cachedBytes(name).some((byte) => byte));
  const name = segments[random.nextInteger(0, segments.length)];
  if (name === undefined) return;
  const isNewest = name === segments.at(-1);
  if (random.nextBoolean(0.15) && !isNewest) {
    disk.open(name, { create: false }).close();
    disk.remove(name);
    disk.syncFolder("log");
    return;
  }
  const bytes = disk.cachedBytes(name);
  const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const offset = random.nextInteger(0, used);
  if (random.nextBoolean(0.5)) {
    disk.flipBit(name, { offset, bit: random.nextInteger(0, 8) });
    return;
  }
  const sector = offset - (offset % 512);
  const file = disk.open(name, { create: false });
  file.write(sector, new Uint8Array(512).fill(random.nextInteger(1, 256)));
  file.syncNow();
  file.close();
}

describe("resolving damage", () => {
  const damaged = () => {
    const known = build(3, entriesOf(makeEntries(1, 40, 1, 90)));
    const { disk } = known.rig;
    disk.flipBit("log/0000000000000001.seg", { offset: 10 * 144 + 60, bit: 2 });
    return known;
  };

  it("lets the log begin after an entry that was applied", () => {
    const { rig } = damaged();
    const log = rig.open("report");
    expect(log.damage()!.holes).toEqual([{ from: 11, to: 11 }]);
    const verdict = log.damage()!.resolve({ index: 11 }, contextOf);
    expect(verdict).toEqual({ base: { index: 11, term: 1 }, lastIndex: 40, lostFrom: undefined });
    expect(log.base()).toEqual({ index: 11, term: 1, context: contextOf(11) });
    expect(stateOf(log).entries).toEqual(makeEntries(12, 40, 1, 90));
  });

  it("ends the log before an entry that was not applied", () => {
    const { rig } = damaged();
    const log = rig.open("report");
    const verdict = log.damage()!.resolve({ index: 10 }, contextOf);
    expect(verdict).toEqual({ base: { index: 0, term: 0 }, lastIndex: 10, lostFrom: 11 });
    expect(stateOf(log).entries).toEqual(makeEntries(1, 10, 1, 90));
  });

  it("refuses changes before, and reads what it can", () => {
    const { rig } = damaged();
    const log = rig.open("report");
    expect(() => log.append([makeEntry(41, 1)], () => {})).toThrow(/before that is resolved/);
    expect(log.entries(1, 11, 1e6).length).toBe(10);
    expect([log.term(10), log.term(11), log.term(12)]).toEqual([1, undefined, 1]);
    expect(damageOf(() => log.entries(5, 20, 1e6)).offset).toBe(10 * 144);
  });

  it("keeps a copy of the damaged segment aside", () => {
    const { rig } = damaged();
    const before = rig.disk.cachedBytes("log/0000000000000001.seg");
    rig.open("report").damage()!.resolve({ index: 40 }, contextOf);
    expect(rig.disk.cachedBytes("damaged/0000000000000001.seg")).toEqual(before);
  });

  it("finds the same again after a power failure at each single step", () => {
    const known = damaged();
    const { rig } = known;
    const copy = rig.disk.copy();
    for (let steps = 0, isFinished = false; !isFinished; steps++) {
      rig.disk.restore(copy);
      const log = rig.open("report");
      const expected = log.damage()!.findings;
      rig.disk.losePowerAfter(steps);
      try {
        log.damage()!.resolve({ index: 10 }, contextOf);
        isFinished = true;
      } catch (error) {
        if (!(error instanceof PowerLossError)) throw error;
      }
      rig.disk.losePower();
      const again = rig.open("report");
      if (isFinished) expect(again.damage()).toBeUndefined();
      if (again.damage() !== undefined) {
        expect(again.damage()!.findings).toEqual(expected);
        again.damage()!.resolve({ index: 10 }, contextOf);
      }
      expect(stateOf(again).entries).toEqual(makeEntries(1, 10, 1, 90));
    }
  });
});
