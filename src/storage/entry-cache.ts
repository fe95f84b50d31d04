// The newest entries in memory, bounded by bytes. Entries that are not on disk yet stay whatever
// the bound says.
import { assert } from "../base/assert.ts";
import { cacheEntryOverheadBytes } from "./limits.ts";
import type { Entry, LogIndex } from "./types.ts";

/** A run of entries without gaps that ends where the log ends. */
export class EntryCache {
  readonly #bytesLimit: number;
  /** Invariant: consecutive indexes; places before #head are empty. */
  #entries: (Entry | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  /** `bytesLimit`: payloads and a little more an entry. */
  constructor(bytesLimit: number) {
    this.#bytesLimit = bytesLimit;
  }

  /** Puts an entry at the end; those from its index on are forgotten first. */
  append(entry: Entry): void {
    let newest = this.#entries.at(-1);
    while (
      this.#entries.length > this.#head &&
      newest !== undefined &&
      newest.index >= entry.index
    ) {
      this.#entries.pop();
      this.#bytes -= sizeOf(newest);
      newest = this.#entries.at(-1);
    }
    if (this.#entries.length === this.#head) this.clear();
    else assert(newest!.index + 1 === entry.index, "a gap in the entry cache");
    this.#entries.push(entry);
    this.#bytes += sizeOf(entry);
  }

  /** Forgets the oldest entries until the rest fits, but none from `pinnedFrom` on. */
  evict(pinnedFrom: LogIndex): void {
    while (this.#bytes > this.#bytesLimit && this.#head < this.#entries.length) {
      const oldest = this.#entries[this.#head]!;
      if (oldest.index >= pinnedFrom) break;
      this.#entries[this.#head] = undefined;
      this.#head += 1;
      this.#bytes -= sizeOf(oldest);
    }
    this.#tidy();
  }

  /** Forgets the entries up to this one. */
  cutFront(index: LogIndex): void {
    while (this.#head < this.#entries.length && this.#entries[this.#head]!.index <= index) {
      this.#bytes -= sizeOf(this.#entries[this.#head]!);
      this.#entries[this.#head] = undefined;
      this.#head += 1;
    }
    this.#tidy();
  }

  /** Forgets all. */
  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  get(index: LogIndex): Entry | undefined {
    const oldest = this.#entries[this.#head];
    return oldest === undefined ? undefined : this.#entries[this.#head + index - oldest.index];
  }

  /** Payload bytes held, with the overhead. */
  bytes(): number {
    return this.#bytes;
  }

  #tidy(): void {
    if (this.#head === this.#entries.length) this.clear();
    // Moving the rest down costs as much as what was forgotten since the last time.
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
  }
}

function sizeOf(entry: Entry): number {
  return entry.payload.length + cacheEntryOverheadBytes;
}
