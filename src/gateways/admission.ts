// Who may start something costly: a rate per key (token buckets) and a number at once (slots). Both
// are bounded in memory whatever comes in. Neither knows what it guards.
import type { Clock } from "../io/clock.ts";

/** How often each of many keys may do something. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #keysMax: number;
  // In the order of last use, so that the first is the one to forget.
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /** `burst`: at once; `perSecond`: regained each second; `keysMax`: keys remembered. */
  constructor(options: { clock: Clock; burst: number; perSecond: number; keysMax: number }) {
    this.#clock = options.clock;
    this.#burst = options.burst;
    this.#perSecond = options.perSecond;
    this.#keysMax = options.keysMax;
  }

  /** Takes one; answers 0, or, where none is left, the milliseconds until there is one. */
  take(key: string): number {
    const nowMs = this.#clock.monotonicMs();
    const old = this.#buckets.get(key) ?? { tokens: this.#burst, atMs: nowMs };
    const regained = ((nowMs - old.atMs) / 1000) * this.#perSecond;
    const tokens = Math.min(this.#burst, old.tokens + regained);
    const isAllowed = tokens >= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#buckets.size > this.#keysMax) {
      const oldest = this.#buckets.keys().next();
      if (!oldest.done) this.#buckets.delete(oldest.value);
    }
    return isAllowed ? 0 : Math.ceil(((1 - tokens) / this.#perSecond) * 1000);
  }
}

/** So many at once, so many waiting, the rest refused. */
export class Slots {
  readonly #runningMax: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: { runningMax: number; waitingMax: number }) {
    this.#runningMax = options.runningMax;
    this.#waitingMax = options.waitingMax;
  }

  /** Runs the work when it is its turn; undefined, without running it, where too many wait. */
  run<T>(work: () => Promise<T>): Promise<T> | undefined {
    if (this.#running < this.#runningMax) {
      this.#running += 1;
      return this.#finish(work);
    }
    if (this.#waiting.length >= this.#waitingMax) return undefined;
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() =>
      this.#finish(work),
    );
  }

  /** Runs the work in a slot that it already has, and hands the slot to the next one that waits. */
  async #finish<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
