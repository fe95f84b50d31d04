// Time and chance for tests: a clock that is moved by hand, and randomness that repeats.
import { Random } from "../base/random.ts";
import type { ClientClock, ClientRandom, ClientTimer } from "./clock.ts";

/** Time that moves by hand. */
export class ManualClock implements ClientClock {
  nowMs = 1_000;
  #timers: { atMs: number; order: number; callback: () => void }[] = [];
  #soon: (() => void)[] = [];
  #order = 0;

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.nowMs;
  }

  setTimer(delayMs: number, callback: () => void): ClientTimer {
    const timer = { atMs: this.nowMs + delayMs, order: this.#order++, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  setSoon(callback: () => void): void {
    this.#soon.push(callback);
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Runs what waits for its turn; false when nothing does. */
  runSoon(): boolean {
    const due = this.#soon;
    this.#soon = [];
    for (const callback of due) callback();
    return due.length > 0;
  }

  /** Runs the next timer that is due by `untilMs`; false when there is none. */
  runTimer(untilMs: number): boolean {
    const due = this.#timers
      .filter((timer) => timer.atMs <= untilMs)
      .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
    if (due === undefined) return false;
    this.#timers = this.#timers.filter((timer) => timer !== due);
    this.nowMs = Math.max(this.nowMs, due.atMs);
    due.callback();
    return true;
  }
}

/** Repeatable chance. */
export function seededRandom(seed: number): ClientRandom {
  const random = new Random(seed);
  return {
    fillBytes: (bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = random.nextUint32() & 0xff;
    },
    nextFloat: () => random.nextFloat(),
  };
}
