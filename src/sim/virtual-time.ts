// The one clock of a simulated world: events in order of their time, and among equal times in the
// order in which they were set. Time stands still while an event runs and leaps to the next one.
// Knows nothing of processes, pauses or drift (process-life.ts, sim-clock.ts).
import { assert } from "../base/assert.ts";
import type { Timer } from "../io/clock.ts";

/** Cancelled events that may lie in the heap before it is rid of them. */
const cancelledMin = 64;

/** An event that was set; its own handle. */
class Event implements Timer {
  readonly atMs: number;
  /** Rises by one an event: ties are decided by it. */
  readonly sequence: number;
  /** Undefined when it has run or was cancelled. */
  callback: (() => void) | undefined;
  readonly #time: VirtualTime;

  constructor(
    time: VirtualTime,
    what: { readonly atMs: number; readonly sequence: number; readonly callback: () => void },
  ) {
    this.#time = time;
    this.atMs = what.atMs;
    this.sequence = what.sequence;
    this.callback = what.callback;
  }

  cancel(): void {
    if (this.callback === undefined) return;
    this.callback = undefined;
    this.#time.noteCancelled();
  }
}

/** Virtual time and everything that is set to happen in it. */
export class VirtualTime {
  /** A binary heap: the parent of i at (i - 1) >> 1. Invariant: no child is before its parent. */
  #heap: Event[] = [];
  #nowMs = 0;
  #sequence = 0;
  #cancelled = 0;

  /** Milliseconds, with fractions, since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** When the next event is; undefined when nothing is set any more. */
  get nextMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.atMs;
  }

  /** How many events are set; for limits and reports. */
  get pending(): number {
    return this.#heap.length - this.#cancelled;
  }

  /**
   * Calls back after `delayMs` (below zero counts as zero), never from inside this call. With zero,
   * after everything that is due now and was set before.
   */
  at(delayMs: number, callback: () => void): Timer {
    assert(delayMs < Number.POSITIVE_INFINITY, "an event that never comes is set");
    const atMs = delayMs > 0 ? this.#nowMs + delayMs : this.#nowMs;
    this.#sequence += 1;
    const event = new Event(this, { atMs, sequence: this.#sequence, callback });
    this.#heap.push(event);
    this.#siftUp(this.#heap.length - 1);
    return event;
  }

  /** Runs the next event; false when there is none. What it throws is thrown on. */
  step(): boolean {
    this.#dropCancelled();
    const next = this.#heap[0];
    if (next === undefined) return false;
    this.#removeFirst();
    const { callback } = next;
    next.callback = undefined;
    this.#nowMs = next.atMs;
    callback?.();
    return true;
  }

  /** For the handles alone. Now and then takes the cancelled events out, so that none pile up. */
  noteCancelled(): void {
    this.#cancelled += 1;
    if (this.#cancelled < cancelledMin || this.#cancelled * 2 < this.#heap.length) return;
    this.#heap = this.#heap.filter((event) => event.callback !== undefined);
    this.#cancelled = 0;
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) this.#siftDown(at);
  }

  #dropCancelled(): void {
    while (this.#cancelled > 0 && this.#heap[0]?.callback === undefined) {
      this.#removeFirst();
      this.#cancelled -= 1;
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#siftDown(0);
  }

  #siftUp(from: number): void {
    const heap = this.#heap;
    const event = heap[from]!;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above]!;
      if (!isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #siftDown(from: number): void {
    const heap = this.#heap;
    const event = heap[from]!;
    let at = from;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below += 1;
      const child = heap[below]!;
      if (!isBefore(child, event)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = event;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
