// The port to time. `host` answers with the machine's clocks, the simulator with its own.

/** A timer that has been set. */
export interface Timer {
  /** Makes sure that the callback is not called; harmless when it has been. */
  cancel(): void;
}

/** Time as a replica sees it. */
export interface Clock {
  /**
   * Milliseconds, with fractions, since some fixed moment. Never runs backwards; for durations
   * only.
   */
  monotonicMs(): number;
  /**
   * Milliseconds since 1970 as the machine believes. May jump either way; never used to decide
   * order.
   */
  wallMs(): number;
  /** Calls back once, after at least `delayMs`. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Calls back as soon as everything that waits now has had its turn; for batching. */
  setSoon(callback: () => void): void;
}
