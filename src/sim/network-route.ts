// One direction between two machines: how long packets take, and whether they pass at all. What
// cannot pass waits and comes later, as TCP would have it. Knows nothing of connections.
import type { Random } from "../base/random.ts";
import type { Timer } from "../io/clock.ts";

/** What the network needs of virtual time. */
export interface NetworkTime {
  readonly nowMs: number;
  at(delayMs: number, callback: () => void): Timer;
}

/** What holds for all routes of a network at the same time. */
export interface Weather {
  /** Mean of what each packet takes longer, exponentially distributed. */
  meanDelayMs: number;
}

/** Something that waits for a route to be passable. */
export interface Parked {
  /** Comes once, from the event loop. */
  handlePassable(): void;
}

/** One direction. */
export class Route {
  readonly #time: NetworkTime;
  readonly #random: Random;
  readonly #weather: Weather;
  readonly #latencyMs: number;
  readonly #retransmissionMsMax: number;
  /** Why nothing passes, by name. */
  readonly #cuts = new Set<string>();
  #cloggedUntilMs = 0;
  #isBlocked = false;
  #blockedSinceMs = 0;
  #wasCut = false;
  #parked = new Set<Parked>();

  constructor(options: {
    readonly time: NetworkTime;
    readonly random: Random;
    readonly weather: Weather;
    /** What a packet takes on a good day, give or take a fifth. */
    readonly latencyMs: number;
    readonly retransmissionMsMax: number;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#weather = options.weather;
    this.#latencyMs = options.latencyMs;
    this.#retransmissionMsMax = options.retransmissionMsMax;
  }

  /** Whether nothing passes at present. */
  get blocked(): boolean {
    return this.#isBlocked;
  }

  /** Since when nothing passes, while it is so. */
  get blockedSinceMs(): number {
    return this.#blockedSinceMs;
  }

  /** What the next packet takes. */
  drawLatencyMs(): number {
    const latencyMs = this.#latencyMs * (0.8 + 0.4 * this.#random.nextFloat());
    const { meanDelayMs } = this.#weather;
    if (meanDelayMs === 0) return latencyMs;
    return latencyMs - meanDelayMs * Math.log(1 - this.#random.nextFloat());
  }

  /** Nothing passes until every cause is mended. */
  cut(cause: string): void {
    this.#cuts.add(cause);
    this.#wasCut = true;
    this.#block();
  }

  mend(cause: string): void {
    this.#cuts.delete(cause);
    this.#maybeUnblock();
  }

  /** Nothing passes for so long; then all of it comes at once. */
  clog(durationMs: number): void {
    const untilMs = this.#time.nowMs + durationMs;
    if (untilMs <= this.#cloggedUntilMs) return;
    this.#cloggedUntilMs = untilMs;
    this.#block();
    this.#time.at(durationMs, () => {
      // A later clog, or one that was ended early, is not this one's business.
      if (this.#cloggedUntilMs === untilMs) this.unclog();
    });
  }

  unclog(): void {
    this.#cloggedUntilMs = 0;
    this.#maybeUnblock();
  }

  /** Takes note of who waits for it; only while it is blocked. */
  park(parked: Parked): void {
    this.#parked.add(parked);
  }

  unpark(parked: Parked): void {
    this.#parked.delete(parked);
  }

  #block(): void {
    if (this.#isBlocked) return;
    this.#isBlocked = true;
    this.#blockedSinceMs = this.#time.nowMs;
  }

  #maybeUnblock(): void {
    if (!this.#isBlocked || this.#cuts.size > 0 || this.#cloggedUntilMs > 0) return;
    this.#isBlocked = false;
    const blockedForMs = this.#time.nowMs - this.#blockedSinceMs;
    const waitMsMax = this.#wasCut ? Math.min(blockedForMs, this.#retransmissionMsMax) : 0;
    this.#wasCut = false;
    const parked = this.#parked;
    this.#parked = new Set();
    for (const each of parked) {
      this.#time.at(waitMsMax * this.#random.nextFloat(), () => each.handlePassable());
    }
  }
}
