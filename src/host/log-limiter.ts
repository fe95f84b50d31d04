// Keeps complaints that repeat, such as a refused call every half second, from filling the log.

/** How many different complaints are told apart; beyond it the oldest is forgotten. */
const keysMax = 256;

/** Lets one line a key through in each interval and counts the others. */
export class LogLimiter {
  readonly #intervalMs: number;
  readonly #nowMs: () => number;
  /**
   * By key, in the order of the first line: when the last line was let through, and how many were
   * not since.
   */
  readonly #keys = new Map<string, { lastMs: number; suppressed: number }>();

  /** `nowMs` is a clock that never runs backwards. */
  constructor(intervalMs: number, nowMs: () => number) {
    this.#intervalMs = intervalMs;
    this.#nowMs = nowMs;
  }

  /**
   * How many lines of this key were held back since the last one, or undefined: hold this one back
   * too.
   */
  pass(key: string): number | undefined {
    const nowMs = this.#nowMs();
    const known = this.#keys.get(key);
    if (known !== undefined && nowMs - known.lastMs < this.#intervalMs) {
      known.suppressed += 1;
      return undefined;
    }
    this.#keys.delete(key);
    this.#keys.set(key, { lastMs: nowMs, suppressed: 0 });
    if (this.#keys.size > keysMax) {
      for (const oldest of this.#keys.keys()) {
        this.#keys.delete(oldest);
        break;
      }
    }
    return known?.suppressed ?? 0;
  }
}
