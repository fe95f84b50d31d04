// Merges event sources, each in the order of the log, into one page in that order. Knows nothing of
// rooms.
import { assertDefined } from "../../base/assert.ts";
import type { ChatEvent } from "../types.ts";

/** Events in the order of the log. */
export interface Source {
  /** The position of the next event; undefined at the end. */
  position(): number | undefined;
  /** The next event. Only where `position` is defined. */
  take(): ChatEvent;
}

/**
 * The first `limit` events of all sources together, then the rest of the last one's position.
 * Sources that come to the same position are taken in the order in which they were given. `more`:
 * whether any event is left.
 */
export function mergeSources(
  sources: readonly Source[],
  limit: number,
): { readonly items: readonly ChatEvent[]; readonly more: boolean } {
  const waiting = new Heap();
  for (const [order, source] of sources.entries()) waiting.push(source, order);
  const items: ChatEvent[] = [];
  let lastPosition = -1;
  for (;;) {
    const first = waiting.first();
    if (first === undefined) return { items, more: false };
    if (items.length >= limit && first.position !== lastPosition) return { items, more: true };
    lastPosition = first.position;
    items.push(first.source.take());
    waiting.refreshFirst();
  }
}

/** A source that is not at its end, with the position of its next event. */
interface Waiting {
  readonly source: Source;
  readonly order: number;
  position: number;
}

/** A binary min-heap over (position, order): a person may be in thousands of rooms. */
class Heap {
  readonly #entries: Waiting[] = [];

  push(source: Source, order: number): void {
    const position = source.position();
    if (position === undefined) return;
    this.#entries.push({ source, order, position });
    let index = this.#entries.length - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  first(): Waiting | undefined {
    return this.#entries[0];
  }

  /** Puts the first one where its new position belongs, or drops it at its end. */
  refreshFirst(): void {
    const first = this.#at(0);
    const position = first.source.position();
    if (position === undefined) {
      const last = assertDefined(this.#entries.pop(), "the last source");
      if (this.#entries.length === 0) return;
      this.#entries[0] = last;
    } else {
      first.position = position;
    }
    let index = 0;
    for (;;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#entries.length && this.#isBefore(child, least)) least = child;
      }
      if (least === index) return;
      this.#swap(index, least);
      index = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const left = this.#at(a);
    const right = this.#at(b);
    if (left.position !== right.position) return left.position < right.position;
    return left.order < right.order;
  }

  #swap(a: number, b: number): void {
    const held = this.#at(a);
    this.#entries[a] = this.#at(b);
    this.#entries[b] = held;
  }

  #at(index: number): Waiting {
    return assertDefined(this.#entries[index], "a source in the heap");
  }
}
