// Who was in a room after which of its items, worked out from its timeline alone. Every question
// costs a binary search. Whether the timeline obeys the rules is audience.ts's matter.
import type { Item } from "../../../client/index.ts";

/** The stays of everybody in one room. */
export class Membership {
  /**
   * By person: the numbers of the items at which they came, went, came, …; 0 stands for the
   * room's beginning. Rising.
   */
  readonly #turns = new Map<number, number[]>();
  /** Members after item n, at place n; place 0: at the beginning. */
  readonly #counts: Int32Array;

  /** A room that begins with its owner in it (SPEC.md RM1, RM2). */
  constructor(ownerId: number, items: readonly Item[]) {
    this.#counts = new Int32Array(items.length + 1);
    this.#turns.set(ownerId, [0]);
    this.#counts[0] = 1;
    for (const [index, { authorId, content }] of items.entries()) {
      const number = index + 1;
      const isChange = content.kind !== "message" && this.#note(authorId, number, content.kind);
      const change = isChange ? (content.kind === "joined" ? 1 : -1) : 0;
      this.#counts[number] = this.countAfter(index) + change;
    }
  }

  /** Everybody who was ever in the room. */
  people(): IterableIterator<number> {
    return this.#turns.keys();
  }

  /** How many were in the room after this item; NaN where there is no such item. */
  countAfter(number: number): number {
    return this.#counts[number] ?? Number.NaN;
  }

  /** Whether somebody was in the room after this item; 0: at its beginning. */
  isMemberAfter(userId: number, number: number): boolean {
    const turns = this.#turns.get(userId);
    return turns !== undefined && countUpTo(turns, number) % 2 === 1;
  }

  /** Whether an item was sent to somebody: in the room before it or after it (MS6, RM4, RM6). */
  isAudience(userId: number, number: number): boolean {
    return this.isMemberAfter(userId, number) || this.isMemberAfter(userId, number - 1);
  }

  /** Whether somebody was in the room after this item or any later one: so they may read it. */
  isMemberSometimeAfter(userId: number, number: number): boolean {
    const turns = this.#turns.get(userId);
    if (turns === undefined) return false;
    const count = countUpTo(turns, number);
    return count % 2 === 1 || count < turns.length;
  }

  /** The numbers of the items after this one with which somebody left. */
  leavesAfter(userId: number, number: number): number[] {
    const turns = this.#turns.get(userId) ?? [];
    return turns.filter((turn, place) => place % 2 === 1 && turn > number);
  }

  /** The items that somebody was sent, as ranges of numbers with both ends. */
  audienceRanges(userId: number): { readonly first: number; readonly last: number }[] {
    const turns = this.#turns.get(userId) ?? [];
    const last = this.#counts.length - 1;
    const ranges: { first: number; last: number }[] = [];
    for (let i = 0; i < turns.length; i += 2) {
      ranges.push({ first: Math.max(1, turns[i] as number), last: turns[i + 1] ?? last });
    }
    return ranges;
  }

  #note(userId: number, number: number, kind: "joined" | "left"): boolean {
    let turns = this.#turns.get(userId);
    if (turns === undefined) {
      turns = [];
      this.#turns.set(userId, turns);
    }
    const isInside = turns.length % 2 === 1;
    if (isInside === (kind === "joined")) return false;
    turns.push(number);
    return true;
  }
}

/** How many of the rising numbers are at most `limit`. */
export function countUpTo(rising: readonly number[], limit: number): number {
  let low = 0;
  let high = rising.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rising[middle] as number) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
