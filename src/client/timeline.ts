// A room's items in order by number, as far as they are known here. Pure: it finds gaps and says
// so; reading what is missing is live-timelines.ts's part.
import { assert } from "../base/assert.ts";
import { timelineAheadMax, timelineItemsMax } from "./limits.ts";
import type { Item } from "./types.ts";

/** What a page did to a timeline. */
export type PageEffect =
  /** It joined on to what was there; these are new, possibly none. */
  | { readonly kind: "added"; readonly items: readonly Item[] }
  /** It lay beyond a gap, and is now all there is. */
  | { readonly kind: "replaced" };

/**
 * One room's items. Law: however events, repetitions and pages come, what is here is a run of
 * consecutive numbers, each once, and it ends with the newest number heard of or `gap` tells what
 * is missing.
 */
export class TimelineItems {
  /** Invariant: numbers rise by one; the last of them is `#last`. Empty only in an empty room. */
  #items: Item[] = [];
  /** Number of the newest item here; 0 in an empty room, undefined before the first page. */
  #last: number | undefined;
  /** Number of the newest item ever heard of. */
  #newest = 0;
  /** Items beyond a gap, by number. Invariant: all above `#last` + 1. */
  readonly #ahead = new Map<number, Item>();
  #snapshot: readonly Item[] | undefined;

  /** What is here, oldest first. The same array until something changes. */
  items(): readonly Item[] {
    this.#snapshot ??= this.#items.slice();
    return this.#snapshot;
  }

  /** Whether a first page has come. */
  get loaded(): boolean {
    return this.#last !== undefined;
  }

  /** Whether the room has older items than these. */
  get hasOlder(): boolean {
    return (this.#items[0]?.number ?? 1) > 1;
  }

  /**
   * The half-open range of numbers that are missing before the newest item heard of; undefined when
   * none is.
   */
  gap(): { readonly from: number; readonly to: number } | undefined {
    if (this.#last === undefined || this.#newest <= this.#last) return undefined;
    let to = this.#newest + 1;
    for (const number of this.#ahead.keys()) to = Math.min(to, number);
    return { from: this.#last + 1, to };
  }

  /**
   * Takes a live item; answers what is new in order: nothing for one that is here, or that lies
   * beyond a gap.
   */
  apply(item: Item): readonly Item[] {
    this.noteNewest(item.number);
    if (this.#last !== undefined && item.number <= this.#last) return [];
    if (this.#last === undefined || item.number > this.#last + 1) {
      if (this.#ahead.size < timelineAheadMax) this.#ahead.set(item.number, item);
      return [];
    }
    return this.#append([item]);
  }

  /** Whether a page of the newest items leaves no gap behind what is here. */
  joins(page: readonly Item[]): boolean {
    return this.#last === undefined || (page[0]?.number ?? 1) <= this.#last + 1;
  }

  /** An item with this number exists. */
  noteNewest(number: number): void {
    this.#newest = Math.max(this.#newest, number);
  }

  /**
   * Takes a page of consecutive items that ends with the newest of the room, or one that begins
   * after `#last`.
   */
  applyPage(page: readonly Item[]): PageEffect {
    assertConsecutive(page);
    const first = page[0];
    const end = page.at(-1);
    if (first !== undefined && end !== undefined) this.noteNewest(end.number);
    if (this.#last === undefined || (first !== undefined && first.number > this.#last + 1)) {
      this.#items = page.slice(-timelineItemsMax);
      this.#last = end?.number ?? 0;
      this.#append([]);
      return { kind: "replaced" };
    }
    const last = this.#last;
    return { kind: "added", items: this.#append(page.filter((item) => item.number > last)) };
  }

  /**
   * Takes consecutive items that end right before the oldest here; answers those that there was
   * room for.
   */
  prepend(page: readonly Item[]): readonly Item[] {
    assertConsecutive(page);
    const oldest = this.#items[0]?.number;
    if (oldest === undefined || page.at(-1)?.number !== oldest - 1) return [];
    const room = timelineItemsMax - this.#items.length;
    const taken = room > 0 ? page.slice(-room) : [];
    this.#items = [...taken, ...this.#items];
    this.#snapshot = undefined;
    return taken;
  }

  /** Appends what follows `#last`, and what waited ahead and follows now. Answers all of it. */
  #append(following: readonly Item[]): readonly Item[] {
    const added = following.slice();
    let last = added.at(-1)?.number ?? this.#last ?? 0;
    for (const number of this.#ahead.keys()) if (number <= last) this.#ahead.delete(number);
    for (let next = this.#ahead.get(last + 1); next !== undefined; ) {
      this.#ahead.delete(next.number);
      added.push(next);
      last = next.number;
      next = this.#ahead.get(last + 1);
    }
    for (const item of added) this.#items.push(item);
    this.#last = last;
    this.#snapshot = undefined;
    // A tenth at once, so that a full timeline is not moved with every item.
    if (this.#items.length > timelineItemsMax) this.#items.splice(0, timelineItemsMax / 10);
    return added;
  }
}

function assertConsecutive(page: readonly Item[]): void {
  for (let i = 1; i < page.length; i++) {
    assert(page[i]?.number === (page[i - 1]?.number ?? 0) + 1, "a page has no holes");
  }
}
