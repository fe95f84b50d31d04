// Time for tests that stands still but when they let it pass. Not here: whose callbacks run.
import type { Timer } from "../io/clock.ts";

interface Waiting {
  readonly atMs: number;
  readonly sequence: number;
  /** Undefined once it is cancelled. */
  callback: (() => void) | undefined;
}

/** Virtual time: callbacks run in the order of their moment, then of their making. */
export class VirtualTime {
  nowMs = 0;
  #sequence = 0;
  /** A binary heap, what is due next first. */
  readonly #heap: Waiting[] = [];

  at(delayMs: number, callback: () => void): Timer {
    const entry: Waiting = { atMs: this.nowMs + delayMs, sequence: this.#sequence++, callback };
    this.#push(entry);
    return {
      cancel: () => {
        entry.callback = undefined;
      },
    };
  }

  /** Runs what is due next; false where nothing is. */
  step(): boolean {
    for (;;) {
      const due = this.#pop();
      if (due === undefined) return false;
      if (due.callback === undefined) continue;
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.callback();
      return true;
    }
  }

  #push(entry: Waiting): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(entry, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = entry;
  }

  #pop(): Waiting | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below += 1;
      if (!isBefore(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
