// When a process that died is started again: at once, unless it dies again and again. Pure: time
// and chance come in.
import { restartDelayMaxMs, restartDelayMinMs, stableRunMs } from "./limits.ts";

/** Remembers the deaths of one process. */
export class RestartPolicy {
  /** Deaths in a row after too short a run. */
  #shortRuns = 0;

  /**
   * How long to wait before the next start, in ms, after a run of `ranMs`. `chance` is in [0, 1):
   * it spreads the waits so that processes which die together do not come back together.
   */
  nextDelayMs(ranMs: number, chance: number): number {
    if (ranMs >= stableRunMs) this.#shortRuns = 0;
    const shortRuns = this.#shortRuns;
    this.#shortRuns += 1;
    if (shortRuns === 0) return 0;
    const longest = Math.min(
      restartDelayMaxMs,
      restartDelayMinMs * 2 ** Math.min(shortRuns - 1, 16),
    );
    return longest * (0.5 + chance / 2);
  }
}
