// Work that reads the database, in slices of a few milliseconds, so that no client's queries hold
// up the others or the replica. First come, first served; bounded; nothing here knows what the work
// is.
import type { Clock } from "../io/clock.ts";

/** A queue of short synchronous tasks that share a budget of time per turn. */
export class TurnQueue {
  readonly #clock: Clock;
  readonly #turnMs: number;
  readonly #waitingMax: number;
  #tasks: (() => void)[] = [];
  // Tasks before this place have been run; they are dropped when the turn ends.
  #next = 0;
  #isScheduled = false;

  constructor(options: { clock: Clock; turnMs: number; waitingMax: number }) {
    this.#clock = options.clock;
    this.#turnMs = options.turnMs;
    this.#waitingMax = options.waitingMax;
  }

  /**
   * Runs the task in one of the next turns; answers false, without taking it, where too many wait.
   */
  add(task: () => void): boolean {
    if (this.#tasks.length >= this.#waitingMax) return false;
    this.#tasks.push(task);
    this.#schedule();
    return true;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.setSoon(() => this.#runTurn());
  }

  #runTurn(): void {
    this.#isScheduled = false;
    const endMs = this.#clock.monotonicMs() + this.#turnMs;
    try {
      while (this.#next < this.#tasks.length) {
        const task = this.#tasks[this.#next] as () => void;
        this.#next += 1;
        task();
        if (this.#clock.monotonicMs() >= endMs) break;
      }
    } finally {
      this.#tasks = this.#tasks.slice(this.#next);
      this.#next = 0;
      if (this.#tasks.length > 0) this.#schedule();
    }
  }
}
