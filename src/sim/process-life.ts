// One process, from its start to its death: everything that is called back in it goes through
// `guard`, so that nothing happens in a dead process, and nothing in a paused one before it goes
// on. Knows nothing of what runs in it, and ends nothing else (open files, connections).
import { assert } from "../base/assert.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** The life of one simulated process. */
export class ProcessLife {
  readonly #time: VirtualTime;
  #alive = true;
  #paused = false;
  /** What came while the process was paused and has not had its turn yet, in order. */
  #deferred: (() => void)[] = [];
  #nextDeferred = 0;
  /** An event that runs the next deferred callback is set. */
  #catchingUp = false;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Whether it stands still: a stalled event loop, or a suspended machine. */
  get paused(): boolean {
    return this.#paused;
  }

  /**
   * The callback as this process runs it: not at all when it is dead; later, in order, while it is
   * paused and until it has caught up; else at once.
   */
  guard<Parameters extends unknown[]>(
    callback: (...parameters: Parameters) => void,
  ): (...parameters: Parameters) => void {
    return (...parameters) => {
      if (!this.#alive) return;
      if (this.#paused || this.#nextDeferred < this.#deferred.length) {
        this.#deferred.push(() => callback(...parameters));
      } else {
        callback(...parameters);
      }
    };
  }

  /** The process is no more; nothing that it guards runs again. Harmless when it is dead. */
  end(): void {
    this.#alive = false;
    this.#paused = false;
    this.#deferred = [];
    this.#nextDeferred = 0;
  }

  /** It stands still from now on. Harmless when it does. */
  pause(): void {
    assert(this.#alive, "a dead process is paused");
    this.#paused = true;
  }

  /**
   * It goes on: what was deferred runs in order, each callback as an event of its own, never from
   * inside this call, and before anything that comes anew. Harmless when it is not paused.
   */
  resume(): void {
    assert(this.#alive, "a dead process is resumed");
    this.#paused = false;
    this.#catchUp();
  }

  #catchUp(): void {
    if (this.#catchingUp || this.#nextDeferred >= this.#deferred.length) return;
    this.#catchingUp = true;
    this.#time.at(0, () => {
      this.#catchingUp = false;
      if (!this.#alive || this.#paused) return;
      const callback = this.#deferred[this.#nextDeferred]!;
      this.#nextDeferred += 1;
      if (this.#nextDeferred === this.#deferred.length) {
        this.#deferred = [];
        this.#nextDeferred = 0;
      }
      // The next one is set first: this one may throw.
      this.#catchUp();
      callback();
    });
  }
}
