// How long a round trip to a server takes, and therefore from which silence on a server that owes
// an answer counts as hung. Pure arithmetic, after RFC 6298: an estimate that rises at once and
// falls slowly, and a bound that is a multiple of it.
import { hungMsMax, hungMsMin, hungRoundTrips, pingShare } from "./limits.ts";

/** The share of a lower sample in the new estimate (RFC 6298 has 1/8, too). */
const lowerSampleShare = 1 / 8;

/** The round trips of one session. */
export class RoundTrip {
  #estimateMs = 0;

  /** Silence of a server that owes an answer after which it counts as hung. */
  get hungMs(): number {
    return Math.min(hungMsMax, Math.max(hungMsMin, hungRoundTrips * this.#estimateMs));
  }

  /** Silence of such a server after which it is asked for a sign of life. */
  get pingMs(): number {
    return this.hungMs * pingShare;
  }

  /** Something was answered that servers answer at once. */
  measure(tookMs: number): void {
    if (tookMs > this.#estimateMs) this.#estimateMs = tookMs;
    else this.limit(tookMs);
  }

  /** Something else was answered: a round trip takes at most as long. */
  limit(tookMs: number): void {
    if (tookMs < this.#estimateMs) {
      this.#estimateMs += (tookMs - this.#estimateMs) * lowerSampleShare;
    }
  }
}
