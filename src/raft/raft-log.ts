// The log as the core sees it: a stable prefix read through the LogReader and an unstable tail in
// memory that is not known to be durable. Knows what is committed; does not decide it. Writes
// nothing: Raft hands out what to persist.
import { assert } from "../base/assert.ts";
import type { LogReader } from "./config.ts";
import { entryOverheadBytes } from "./limits.ts";
import { assertLogSlice, type LogSlice } from "./log-slice.ts";
import type { Entry, LogIndex, Term } from "./types.ts";

const noEntries: readonly Entry[] = [];

/** What became of a leader's slice at a follower. */
export type AppendResult =
  /** All of it is in the log now; `cutAt` is where older entries had to go, 0 where none had. */
  | { readonly kind: "appended"; readonly cutAt: LogIndex; readonly lastIndex: LogIndex }
  /** The log has not what the slice builds on (Raft §5.3). */
  | { readonly kind: "mismatch" }
  /**
   * It would cut the log while an earlier cut is not known to be durable: to be sent again. See
   * `append`.
   */
  | { readonly kind: "busy" };

/** What an entry counts in windows and batches, in bytes. */
export function entryBytes(entry: Entry): number {
  return entry.payload.length + entryOverheadBytes;
}

/**
 * Invariants: stableIndex ≤ lastIndex; commitIndex ≤ lastIndex; committed entries are never cut.
 */
export class RaftLog {
  readonly #reader: LogReader;
  /** Entries after stableIndex, dense. */
  #tail: Entry[] = [];
  #stableIndex: LogIndex;
  /** Last index that was handed out to be persisted; ≥ stableIndex. */
  #handedIndex: LogIndex;
  /**
   * Where the log was cut while entries there were being written; 0 when that is known to be
   * settled.
   */
  #cutUnderWay: LogIndex = 0;
  /** The snapshot that this run restored last: what came before the log; 0 and 0 for none. */
  #restoredIndex: LogIndex = 0;
  #restoredTerm: Term = 0;
  #commitIndex: LogIndex;

  /**
   * commitIndex starts at `appliedIndex`: applied entries were committed. So were those that are
   * cut off the log's beginning, also where the state that had them is lost.
   */
  constructor(reader: LogReader, appliedIndex: LogIndex) {
    this.#reader = reader;
    this.#stableIndex = reader.lastIndex();
    this.#handedIndex = this.#stableIndex;
    assert(appliedIndex <= this.#stableIndex, "the state machine is ahead of the log");
    this.#commitIndex = Math.max(appliedIndex, reader.firstIndex() - 1);
  }

  /** Index of the oldest entry; lastIndex + 1 where there is none. */
  get firstIndex(): LogIndex {
    return Math.max(this.#reader.firstIndex(), this.#restoredIndex + 1);
  }

  get lastIndex(): LogIndex {
    return this.#stableIndex + this.#tail.length;
  }

  get lastTerm(): Term {
    return this.term(this.lastIndex) ?? 0;
  }

  /** Everything up to here is known to be durable at this replica. */
  get stableIndex(): LogIndex {
    return this.#stableIndex;
  }

  get commitIndex(): LogIndex {
    return this.#commitIndex;
  }

  /**
   * The term at an index; undefined where the log has none (compacted, or past its end); 0 before
   * the first.
   */
  term(index: LogIndex): Term | undefined {
    if (index > this.lastIndex) return undefined;
    if (index > this.#stableIndex) return this.#tail[index - this.#stableIndex - 1]!.term;
    if (index + 1 < this.firstIndex) return undefined;
    if (index === 0) return 0;
    if (index === this.#restoredIndex) return this.#restoredTerm;
    // The reader may still show entries past stableIndex that are cut already: they are never asked
    // for.
    return this.#reader.term(index);
  }

  /**
   * Whether the entry at `index` has `term`: then both logs are equal up to there (Log Matching,
   * Raft §5.3).
   */
  matches(index: LogIndex, term: Term): boolean {
    return this.term(index) === term;
  }

  /**
   * Whether a log that ends in (index, term) is at least as up-to-date as this one (Raft §5.4.1).
   */
  isUpToDate(index: LogIndex, term: Term): boolean {
    const lastTerm = this.lastTerm;
    return term > lastTerm || (term === lastTerm && index >= this.lastIndex);
  }

  /**
   * Entries [start, end): at least one where there are any, then as many as fit into `bytesMax`.
   */
  entries(start: LogIndex, end: LogIndex, bytesMax: number): readonly Entry[] {
    if (start >= end) return noEntries;
    assert(start >= this.firstIndex && end <= this.lastIndex + 1, "entries outside of the log");
    const stableEnd = Math.min(end, this.#stableIndex + 1);
    const found: Entry[] =
      start < stableEnd ? this.#reader.entries(start, stableEnd, bytesMax) : [];
    let bytes = 0;
    for (const entry of found) bytes += entryBytes(entry);
    if (found.length < stableEnd - start) return found;
    const tailEnd = end - this.#stableIndex - 1;
    for (let at = start + found.length - this.#stableIndex - 1; at < tailEnd; at++) {
      const entry = this.#tail[at]!;
      bytes += entryBytes(entry);
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(entry);
    }
    return found;
  }

  /** A leader's own new entries, which follow its last one. */
  appendOwn(slice: LogSlice): void {
    assertLogSlice(slice);
    assert(slice.previousIndex === this.lastIndex, "a leader only appends to its log (Raft §5.3)");
    for (const entry of slice.entries) this.#tail.push(entry);
  }

  /**
   * A follower's append (Raft §5.3, receiver implementation 2–4): existing entries stay unless they
   * conflict, so a delayed older message never shortens the log.
   *
   * One cut at a time: a completion names only (index, term), and an entry that was cut while it
   * was being written may come back by a later leader. With a second cut under way, the completion
   * of the first write of such an entry could be taken for that of its second; with one it cannot,
   * since a cut begins at a conflict and nothing after a conflict is the same (Log Matching). So a
   * second cut waits until the first is durable.
   */
  append(slice: LogSlice): AppendResult {
    if (!this.matches(slice.previousIndex, slice.previousTerm)) return { kind: "mismatch" };
    const lastIndex = slice.previousIndex + slice.entries.length;
    const conflict = this.#firstNew(slice.entries);
    if (conflict === undefined) return { kind: "appended", cutAt: 0, lastIndex };
    const news = slice.entries.slice(conflict.index - slice.previousIndex - 1);
    if (conflict.index > this.lastIndex) {
      for (const entry of news) this.#tail.push(entry);
      return { kind: "appended", cutAt: 0, lastIndex };
    }
    assert(conflict.index > this.#commitIndex, "a committed entry conflicts with the leader's log");
    if (this.#cutUnderWay !== 0) return { kind: "busy" };
    this.#cutAndAppend(conflict.index, news);
    return { kind: "appended", cutAt: conflict.index, lastIndex };
  }

  #firstNew(entries: readonly Entry[]): Entry | undefined {
    for (const entry of entries) if (!this.matches(entry.index, entry.term)) return entry;
    return undefined;
  }

  #cutAndAppend(cutAt: LogIndex, news: readonly Entry[]): void {
    if (this.#handedIndex > this.#stableIndex) this.#cutUnderWay = cutAt;
    if (cutAt <= this.#stableIndex) {
      this.#tail = [];
      this.#stableIndex = cutAt - 1;
    } else {
      this.#tail.length = cutAt - this.#stableIndex - 1;
    }
    this.#handedIndex = Math.min(this.#handedIndex, cutAt - 1);
    for (const entry of news) this.#tail.push(entry);
  }

  /** The entries that no earlier call has handed out: to be persisted, after all earlier ones. */
  takeUnpersisted(): readonly Entry[] {
    if (this.#handedIndex === this.lastIndex) return noEntries;
    const entries = this.#tail.slice(this.#handedIndex - this.#stableIndex);
    this.#handedIndex = this.lastIndex;
    return entries;
  }

  /**
   * The disk holds the log up to (index, term). A completion of entries that have been cut since
   * does not count: its term is not the one that is there now.
   */
  stableTo(index: LogIndex, term: Term): void {
    if (index <= this.#stableIndex || !this.matches(index, term)) return;
    assert(index <= this.#handedIndex, "more is reported durable than was handed out");
    this.#tail.splice(0, index - this.#stableIndex);
    this.#stableIndex = index;
    if (index >= this.#cutUnderWay) this.#cutUnderWay = 0;
  }

  /** Moves commitIndex; a lower one changes nothing. True when it has moved. */
  commitTo(index: LogIndex): boolean {
    if (index <= this.#commitIndex) return false;
    assert(index <= this.lastIndex, "this log has lost entries that it had acknowledged");
    this.#commitIndex = index;
    return true;
  }

  /** The log begins anew after a snapshot that is durable and in the state machine. */
  restore(index: LogIndex, term: Term): void {
    assert(index > this.#commitIndex, "a snapshot would take the log back");
    this.#tail = [];
    this.#stableIndex = index;
    this.#handedIndex = index;
    this.#cutUnderWay = 0;
    this.#restoredIndex = index;
    this.#restoredTerm = term;
    this.#commitIndex = index;
  }

  /**
   * The highest index ≤ `index` whose term is ≤ `term`, with its term: where another log that has
   * `term` at `index` can at best agree with this one. Skips whole terms, so a conflict costs one
   * message a term (Raft §5.3, end). Term 0 means "not known here" (compacted).
   */
  lastNotAfterTerm(index: LogIndex, term: Term): { readonly index: LogIndex; readonly term: Term } {
    let at = Math.min(index, this.lastIndex);
    for (; at > 0; at--) {
      const own = this.term(at);
      if (own === undefined) return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
    }
    return { index: 0, term: 0 };
  }
}
