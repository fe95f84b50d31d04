// Where each entry of the log is on disk, and its term: 12 bytes an entry, and a few a term, so
// that millions fit. Not here: the entries themselves (entry-cache.ts, and the disk).
import { assert } from "../base/assert.ts";
import type { LogIndex, Term } from "./types.ts";

const rowsPerPage = 1 << 14;
const columns = 3;

/** Where an entry's record is. */
export interface Location {
  readonly segment: number;
  readonly offset: number;
  readonly payloadBytes: number;
}

/** The log's outline: from its base, the entry before its first one, to its end. */
export class EntryTable {
  /** The entry before the first: 0 in a log that was never cut at the front. */
  #baseIndex: LogIndex = 0;
  #baseTerm: Term = 0;
  #lastIndex: LogIndex = 0;
  /**
   * Page p holds the rows of indexes [p × rowsPerPage, …); pages wholly before the base are
   * dropped.
   */
  #pages = new Map<number, Uint32Array>();
  /** Runs of one term, by their first index, rising strictly in both. */
  #runStarts: LogIndex[] = [];
  #runTerms: Term[] = [];

  /** An outline that begins after this entry; index 0 and term 0 for a whole log. */
  constructor(base: { readonly index: LogIndex; readonly term: Term } = { index: 0, term: 0 }) {
    this.#baseIndex = base.index;
    this.#baseTerm = base.term;
    this.#lastIndex = base.index;
  }

  firstIndex(): LogIndex {
    return this.#baseIndex + 1;
  }

  lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  baseIndex(): LogIndex {
    return this.#baseIndex;
  }

  /** The term from firstIndex() - 1 to lastIndex(); undefined elsewhere. */
  term(index: LogIndex): Term | undefined {
    if (index === this.#baseIndex) return this.#baseTerm;
    if (index < this.#baseIndex || index > this.#lastIndex) return undefined;
    let low = 0;
    let high = this.#runStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#runStarts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return this.#runTerms[low];
  }

  /** Whether an entry may come here: not before the log, no gap, terms never fall. */
  accepts(index: LogIndex, term: Term): boolean {
    if (index <= this.#baseIndex || index > this.#lastIndex + 1 || term < 1) return false;
    return this.term(index - 1)! <= term;
  }

  /** Puts an entry at the log's end, which is cut first where the entry is not past it. */
  append(index: LogIndex, term: Term): void {
    assert(this.accepts(index, term), `entry ${index} of term ${term} does not fit the log`);
    if (index <= this.#lastIndex) this.#cut(index);
    this.#lastIndex = index;
    if (this.#runTerms.at(-1) !== term) {
      this.#runStarts.push(index);
      this.#runTerms.push(term);
    }
  }

  /** Notes where the entry was written. */
  locate(index: LogIndex, segment: number, offset: number, payloadBytes: number): void {
    assert(index > this.#baseIndex && index <= this.#lastIndex, "an entry outside the log");
    const number = Math.floor(index / rowsPerPage);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = new Uint32Array(rowsPerPage * columns);
      this.#pages.set(number, page);
    }
    const at = (index % rowsPerPage) * columns;
    page[at] = segment;
    page[at + 1] = offset;
    page[at + 2] = payloadBytes;
  }

  /** Where the entry is; only for entries that have been located. */
  location(index: LogIndex): Location {
    const page = this.#pages.get(Math.floor(index / rowsPerPage));
    const at = (index % rowsPerPage) * columns;
    const segment = page?.[at] ?? 0;
    assert(page !== undefined && segment > 0, `entry ${index} has no place on disk`);
    return { segment, offset: page[at + 1]!, payloadBytes: page[at + 2]! };
  }

  /**
   * The segment that the entry was last written to, 0 where it never was; for an entry that waits
   * to be written, where one with its index was before it, or 0.
   */
  segmentOf(index: LogIndex): number {
    const page = this.#pages.get(Math.floor(index / rowsPerPage));
    return page?.[(index % rowsPerPage) * columns] ?? 0;
  }

  /** The log begins after this entry, one of its own or its base, from now on. */
  cutFront(index: LogIndex, term: Term): void {
    assert(index >= this.#baseIndex && index <= this.#lastIndex, "a base outside the log");
    const firstPage = Math.floor((index + 1) / rowsPerPage);
    for (let page = Math.floor(this.#baseIndex / rowsPerPage); page < firstPage; page++) {
      this.#pages.delete(page);
    }
    let dead = 0;
    while (dead < this.#runStarts.length && this.#runStarts[dead]! <= index) dead += 1;
    // The run that holds `index` goes on behind it where the next one begins later.
    const next = this.#runStarts[dead] ?? this.#lastIndex + 1;
    if (dead > 0 && next > index + 1) {
      dead -= 1;
      this.#runStarts[dead] = index + 1;
    }
    this.#runStarts.splice(0, dead);
    this.#runTerms.splice(0, dead);
    this.#baseIndex = index;
    this.#baseTerm = term;
  }

  /** Drops all entries after this one. */
  cutBack(lastIndex: LogIndex): void {
    assert(lastIndex >= this.#baseIndex, "a cut below the log");
    if (lastIndex < this.#lastIndex) this.#cut(lastIndex + 1);
  }

  /** Forgets all; the log is empty and begins after this entry. */
  restart(index: LogIndex, term: Term): void {
    this.#baseIndex = index;
    this.#baseTerm = term;
    this.#lastIndex = index;
    this.#pages.clear();
    this.#runStarts = [];
    this.#runTerms = [];
  }

  /** Counts entries up to this one as there without knowing them, as if of the last term. */
  skipTo(index: LogIndex): void {
    assert(index > this.#lastIndex, "nothing to skip");
    if (this.#runStarts.length === 0) {
      this.#runStarts.push(this.#lastIndex + 1);
      this.#runTerms.push(this.#baseTerm);
    }
    this.#lastIndex = index;
  }

  #cut(from: LogIndex): void {
    while (this.#runStarts.length > 0 && this.#runStarts.at(-1)! >= from) {
      this.#runStarts.pop();
      this.#runTerms.pop();
    }
    const lastPage = Math.floor(this.#lastIndex / rowsPerPage);
    for (let number = Math.floor(from / rowsPerPage) + 1; number <= lastPage; number++) {
      this.#pages.delete(number);
    }
    this.#lastIndex = from - 1;
  }
}
