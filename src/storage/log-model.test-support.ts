// A log as it should be, for tests that crash or damage the real one: all changes ever asked for,
// and which states of the log they make.
import { expect } from "vitest";
import type { Random } from "../base/random.ts";
import type { Entry, LogBase, LogStore } from "./index.ts";
import { makeEntry, readAll } from "./storage.contract.ts";

/** One change of a log. */
export type LogChange =
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "compact"; readonly base: LogBase }
  | { readonly kind: "restart"; readonly base: LogBase };

/** A log at one moment. */
export interface LogState {
  readonly base: LogBase;
  /** Behind the base. */
  readonly entries: readonly Entry[];
}

/** Before any change. */
export const emptyLog: LogState = {
  base: { index: 0, term: 0, context: new Uint8Array(0) },
  entries: [],
};

/** The log after a change. */
export function changed({ base, entries }: LogState, change: LogChange): LogState {
  switch (change.kind) {
    case "entry": {
      const kept = entries.slice(0, change.entry.index - base.index - 1);
      return { base, entries: [...kept, change.entry] };
    }
    case "compact":
      return { base: change.base, entries: entries.slice(change.base.index - base.index) };
    case "restart":
      return { base: change.base, entries: [] };
  }
}

/** Index of the last entry. */
export function lastIndexOf({ base, entries }: LogState): number {
  return base.index + entries.length;
}

/** The term of the last entry or of the base. */
export function lastTermOf({ base, entries }: LogState): number {
  return entries.at(-1)?.term ?? base.term;
}

/** What a log holds. */
export function stateOf(log: LogStore): LogState {
  return { base: log.base(), entries: readAll(log) };
}

/** Whether two logs are the same to the last byte. */
export function sameState(a: LogState, b: LogState): boolean {
  if (a.base.index !== b.base.index || a.base.term !== b.base.term) return false;
  if (Buffer.compare(a.base.context, b.base.context) !== 0) return false;
  return sameEntries(a.entries, b.entries);
}

/** Whether two lists of entries are the same to the last byte. */
export function sameEntries(a: readonly Entry[], b: readonly Entry[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((entry, at) => {
    const other = b[at]!;
    if (entry === other) return true;
    if (entry.index !== other.index || entry.term !== other.term) return false;
    return entry.kind === other.kind && Buffer.compare(entry.payload, other.payload) === 0;
  });
}

/** What the log should be, over many lives. */
export class LogModel {
  /** The log as it was found at the last start, what was asked since, and what that makes. */
  #found: LogState = emptyLog;
  #changes: LogChange[] = [];
  #now: LogState = emptyLog;
  #durableCount = 0;
  durableEver = 0;

  now(): LogState {
    return this.#now;
  }

  /** Answers how many changes there are now. */
  change(changes: readonly LogChange[]): number {
    for (const change of changes) this.#now = changed(this.#now, change);
    this.#changes.push(...changes);
    return this.#changes.length;
  }

  noteDurable(count: number): void {
    expect(count, "callbacks keep their order").toBeGreaterThanOrEqual(this.#durableCount);
    this.durableEver += count - this.#durableCount;
    this.#durableCount = count;
  }

  /**
   * Checks what a start found: the log after some prefix of the changes, no shorter than the
   * durable one.
   */
  restart(found: LogState): void {
    let log = this.#found;
    let isKnown = this.#durableCount === 0 && sameState(log, found);
    for (const [at, change] of this.#changes.entries()) {
      log = changed(log, change);
      isKnown ||= at + 1 >= this.#durableCount && sameState(log, found);
    }
    if (!isKnown) expect(found, "no prefix of what was asked").toEqual(this.#now);
    this.#found = found;
    this.#now = found;
    this.#changes = [];
    this.#durableCount = 0;
  }
}

/** Some entries that fit behind the log, in one append of four cutting it first. */
export function randomEntries(random: Random, log: LogState): Entry[] {
  const { length } = log.entries;
  const isCut = random.nextBoolean(0.25) && length > 0;
  const last = lastIndexOf(log);
  let index = isCut ? last - random.nextInteger(0, Math.min(8, length)) : last + 1;
  let term = Math.max(lastTermOf(log), 1) + (isCut ? 1 : random.nextInteger(0, 2));
  const entries: Entry[] = [];
  for (let count = random.nextInteger(1, 5); count > 0; count--) {
    const bytes = random.nextBoolean(0.2) ? random.nextInteger(0, 2500) : random.nextInteger(0, 90);
    const entry = makeEntry(index, term, bytes);
    entries.push(random.nextBoolean(0.1) ? { ...entry, payload: new Uint8Array(bytes) } : entry);
    index += 1;
    term += random.nextBoolean(0.1) ? 1 : 0;
  }
  return entries;
}

/** Where the log may begin. */
export function randomCompaction(random: Random, log: LogState): LogChange & { kind: "compact" } {
  const index = random.nextInteger(log.base.index, lastIndexOf(log) + 1);
  const term =
    index === log.base.index ? log.base.term : log.entries[index - log.base.index - 1]!.term;
  return { kind: "compact", base: { index, term, context: makeContext(index) } };
}

/** A snapshot behind which the log may begin anew. */
export function randomRestart(random: Random, log: LogState): LogChange & { kind: "restart" } {
  const index = log.base.index + random.nextInteger(1, log.entries.length + 20);
  const term = Math.max(lastTermOf(log), 1) + random.nextInteger(0, 2);
  return { kind: "restart", base: { index, term, context: makeContext(index) } };
}

function makeContext(index: number): Uint8Array {
  return new Uint8Array(index % 40).fill(index % 250);
}
