// A disk in memory for tests of the core: what can be read of the log, what would survive a crash,
// and the writes between the two. Follows the obligations of effects.ts; decides nothing about when
// a write completes.
import type { LogReader } from "./config.ts";
import type { Persist } from "./effects.ts";
import type { Configuration, Entry, HardState, LogIndex, Term } from "./types.ts";

/** A snapshot with the state of the test's state machine: a hash of all entries that it covers. */
export interface TestSnapshot {
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: Configuration;
  readonly stateHash: number;
}

/** A log in memory. */
export class MemoryLog implements LogReader {
  baseIndex: LogIndex = 0;
  baseTerm: Term = 0;
  #entries: Entry[] = [];

  firstIndex(): LogIndex {
    return this.baseIndex + 1;
  }

  lastIndex(): LogIndex {
    return this.baseIndex + this.#entries.length;
  }

  term(index: LogIndex): Term | undefined {
    if (index === this.baseIndex) return this.baseTerm;
    return this.#entries[index - this.baseIndex - 1]?.term;
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#entries[index - this.baseIndex - 1];
  }

  entries(start: LogIndex, end: LogIndex, bytesMax: number): Entry[] {
    if (start < this.firstIndex() || start >= end || end > this.lastIndex() + 1) {
      throw new Error(`no entries [${start}, ${end}) in the log`);
    }
    const found: Entry[] = [];
    let bytes = 0;
    for (let index = start; index < end; index++) {
      const entry = this.entry(index)!;
      bytes += entry.payload.length;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(entry);
    }
    return found;
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index > this.lastIndex() + 1 || first.index <= this.baseIndex) {
      throw new Error(`entry ${first.index} leaves a gap after ${this.lastIndex()}`);
    }
    this.#entries.length = first.index - this.baseIndex - 1;
    this.#entries.push(...entries);
  }

  /** Forgets entries from `index` on. */
  cut(index: LogIndex): void {
    this.#entries.length = index - this.baseIndex - 1;
  }

  /** Forgets entries up to `index`, which stays known by its term. */
  compact(index: LogIndex): void {
    const term = this.term(index);
    if (term === undefined) throw new Error(`cannot compact to ${index}`);
    this.#entries.splice(0, index - this.baseIndex);
    this.baseIndex = index;
    this.baseTerm = term;
  }

  reset(index: LogIndex, term: Term): void {
    this.#entries = [];
    this.baseIndex = index;
    this.baseTerm = term;
  }

  copyFrom(other: MemoryLog): void {
    this.baseIndex = other.baseIndex;
    this.baseTerm = other.baseTerm;
    this.#entries = [...other.#entries];
  }
}

/** One replica's disk. `visible` runs ahead of `durable` by the writes under way. */
export class MemoryDisk {
  readonly visible = new MemoryLog();
  readonly durable = new MemoryLog();
  hardState: HardState = { term: 0, votedFor: 0 };
  snapshot: TestSnapshot;
  writes: Persist[] = [];

  constructor(configuration: Configuration) {
    this.snapshot = { index: 0, term: 0, configuration, stateHash: 0 };
  }

  begin(persist: Persist): void {
    this.writes.push(persist);
    this.visible.append(persist.entries);
  }

  /** The oldest `count` writes become durable; answers them. */
  complete(count: number): Persist[] {
    const done = this.writes.splice(0, count);
    for (const write of done) this.#keep(write, write.entries.length);
    return done;
  }

  /**
   * Loses what is not durable, but for `keptWrites` whole writes and `keptEntries` entries of the
   * next.
   */
  crash(kept: { readonly writes: number; readonly entries: number }): void {
    this.complete(kept.writes);
    const torn = this.writes[0];
    if (torn !== undefined && kept.entries > 0) this.#keep(torn, kept.entries);
    this.writes = [];
    this.visible.copyFrom(this.durable);
  }

  #keep(write: Persist, entryCount: number): void {
    if (write.hardState !== undefined) this.hardState = write.hardState;
    this.durable.append(write.entries.slice(0, entryCount));
  }

  /**
   * Makes a snapshot of what is durable and applied, and forgets the entries below it, but for the
   * newest `keep`.
   */
  compact(snapshot: TestSnapshot, keep = 0): void {
    this.snapshot = snapshot;
    const index = Math.max(this.durable.baseIndex, snapshot.index - keep);
    this.durable.compact(index);
    this.visible.compact(index);
  }

  /** Rot: nothing after `lastIndex` can be read any more. */
  lose(lastIndex: LogIndex): void {
    this.durable.cut(lastIndex + 1);
    this.visible.copyFrom(this.durable);
  }

  /** A received snapshot takes the log's place. Writes under way must be complete. */
  restore(snapshot: TestSnapshot): void {
    if (this.writes.length > 0) throw new Error("a restore comes after all earlier writes");
    this.snapshot = snapshot;
    this.durable.reset(snapshot.index, snapshot.term);
    this.visible.reset(snapshot.index, snapshot.term);
  }
}
