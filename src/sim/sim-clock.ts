// Time as one simulated machine and its processes see it: a date that jumps and drifts, and a
// monotonic clock and timers that drift with it. Not here: what time it really is
// (virtual-time.ts), and when which clock goes wrong (faults.ts).
import { assert } from "../base/assert.ts";
import type { Clock, Timer } from "../io/clock.ts";
import type { ProcessLife } from "./process-life.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** The true date at which virtual time begins: 2026-01-01T00:00:00Z, in ms since 1970. */
export const virtualEpochMs = 1_767_225_600_000;
/** Above every error of rounding, so that a timer that is set again comes to its end. */
const roundingMs = 1e-6;

/** A machine's oscillator and calendar; outlives its processes. */
export class MachineDate {
  readonly #time: VirtualTime;
  #rate = 1;
  /** The machine had counted `#countedMs` of its own at virtual time `#sinceMs`. */
  #sinceMs: number;
  #countedMs = 0;
  /** The date when the machine had counted nothing. */
  #baseMs: number;

  /** `offsetMs`: how far its date is ahead of the true one (0). */
  constructor(time: VirtualTime, options: { readonly offsetMs?: number } = {}) {
    this.#time = time;
    this.#sinceMs = time.nowMs;
    this.#baseMs = virtualEpochMs + time.nowMs + (options.offsetMs ?? 0);
  }

  /** Milliseconds of this machine for one of virtual time. */
  get rate(): number {
    return this.#rate;
  }

  /** The date moves by so much, as when somebody sets it; nothing else changes. */
  jump(byMs: number): void {
    this.#baseMs += byMs;
  }

  /** How fast the machine counts from now on; 1 is right, 1.001 gains a millisecond a second. */
  setRate(rate: number): void {
    assert(rate > 0 && rate < Number.POSITIVE_INFINITY, "a clock must go on");
    this.#countedMs = this.monotonicMs();
    this.#sinceMs = this.#time.nowMs;
    this.#rate = rate;
  }

  /** What the machine has counted since it was made, in ms with fractions. Never falls. */
  monotonicMs(): number {
    return this.#countedMs + (this.#time.nowMs - this.#sinceMs) * this.#rate;
  }

  /** Whole ms since 1970 as the machine believes. */
  wallMs(): number {
    return Math.floor(this.#baseMs + this.monotonicMs());
  }
}

/**
 * The clock of one process. Its monotonic time begins at zero with it, and goes on while it is
 * paused.
 */
export class SimClock implements Clock {
  readonly #time: VirtualTime;
  readonly #life: ProcessLife;
  readonly #date: MachineDate;
  readonly #beganMs: number;

  constructor(world: {
    readonly time: VirtualTime;
    readonly life: ProcessLife;
    readonly date: MachineDate;
  }) {
    this.#time = world.time;
    this.#life = world.life;
    this.#date = world.date;
    this.#beganMs = world.date.monotonicMs();
  }

  monotonicMs(): number {
    return this.#date.monotonicMs() - this.#beganMs;
  }

  wallMs(): number {
    return this.#date.wallMs();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return new SimTimer(
      { time: this.#time, life: this.#life, date: this.#date },
      { delayMs: Math.max(0, delayMs), callback },
    );
  }

  setSoon(callback: () => void): void {
    this.#time.at(0, this.#life.guard(callback));
  }
}

/** A timer of one process: by its machine's rate, and not before the process can run. */
class SimTimer implements Timer {
  readonly #world: { time: VirtualTime; life: ProcessLife; date: MachineDate };
  readonly #dueMs: number;
  readonly #run: () => void;
  #event: Timer;
  /** Undefined when it has run or was cancelled. */
  #callback: (() => void) | undefined;

  constructor(
    world: { time: VirtualTime; life: ProcessLife; date: MachineDate },
    what: { readonly delayMs: number; readonly callback: () => void },
  ) {
    this.#world = world;
    this.#callback = what.callback;
    this.#dueMs = world.date.monotonicMs() + what.delayMs;
    this.#run = world.life.guard(() => {
      const callback = this.#callback;
      this.#callback = undefined;
      callback?.();
    });
    this.#event = this.#set(what.delayMs);
  }

  cancel(): void {
    this.#callback = undefined;
    this.#event.cancel();
  }

  #set(delayMs: number): Timer {
    const { time, date } = this.#world;
    return time.at(delayMs / date.rate, () => this.#handleDue());
  }

  /** The rate may have fallen since, and then it is not due yet by the machine's own count. */
  #handleDue(): void {
    const leftMs = this.#dueMs - this.#world.date.monotonicMs();
    if (leftMs > 0) this.#event = this.#set(Math.max(leftMs, roundingMs));
    else this.#run();
  }
}
