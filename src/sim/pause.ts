// Waiting for time or for something to happen, whichever is first, for one who waits at a time. On
// the world's clock; cut short for good when a run ends.
import { assert } from "../base/assert.ts";
import type { ClientClock, ClientTimer } from "../client/index.ts";

interface Waiter {
  readonly isOver: () => boolean;
  readonly resolve: () => void;
  readonly timer: ClientTimer;
}

/** Waits, one at a time. */
export class Pause {
  readonly #clock: ClientClock;
  #waiter: Waiter | undefined;
  #isEnded = false;

  constructor(clock: ClientClock) {
    this.#clock = clock;
  }

  /** Resolves after `delayMs`, or as soon as `isOver` holds: it is asked with every `look`. */
  wait(delayMs: number, isOver: () => boolean = () => false): Promise<void> {
    assert(this.#waiter === undefined, "only one waits at a time");
    if (this.#isEnded || isOver()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(delayMs, () => this.#wake());
      this.#waiter = { isOver, resolve, timer };
    });
  }

  /** Something has changed. */
  look(): void {
    if (this.#waiter?.isOver() === true) this.#wake();
  }

  /** Ends the wait that is under way, if any is. */
  skip(): void {
    this.#wake();
  }

  /** Ends this wait and every later one at once. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.timer.cancel();
    waiter?.resolve();
  }
}
