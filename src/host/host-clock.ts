// The machine's clocks and timers behind io/clock.
import type { Clock, Timer } from "../io/clock.ts";

/** Time on this machine. */
export class HostClock implements Clock {
  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timeout = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timeout) };
  }

  setSoon(callback: () => void): void {
    setImmediate(callback);
  }
}
