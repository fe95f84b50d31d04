// Reads that must wait: until a position is applied here, or until the leader has confirmed that it
// still leads (dissertation §6.4). Only bookkeeping; the queries themselves are the state
// machine's.

import type { Position } from "../base/position.ts";
import type { Clock } from "../io/clock.ts";
import { readRetryMs, waitingReadsMax } from "./limits.ts";
import type { WaitAnswer } from "./service.ts";

interface PositionWait {
  readonly position: Position;
  readonly deadlineMs: number;
  readonly done: (answer: WaitAnswer) => void;
}

interface ConfirmedRead {
  readonly deadlineMs: number;
  readonly done: (answer: WaitAnswer) => void;
  /** Set once the leader has answered: applied up to here is enough. */
  index: number | undefined;
  /** When the question was put last, monotonic ms. */
  askedAtMs: number;
}

/** Everyone who waits to read. */
export class WaitingReads {
  readonly #clock: Clock;
  readonly #positions = new Set<PositionWait>();
  readonly #confirmed = new Map<number, ConfirmedRead>();
  #nextRequestId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Calls back when the position is applied, or at once (but not from inside) where it is or cannot
   * be waited for.
   */
  waitForPosition(
    wait: {
      readonly position: Position;
      readonly timeoutMs: number;
      readonly appliedPosition: Position;
      readonly running: boolean;
    },
    done: (answer: WaitAnswer) => void,
  ): void {
    if (wait.appliedPosition >= wait.position) {
      this.#clock.setSoon(() => done({ kind: "reached" }));
    } else if (wait.running && this.#positions.size < waitingReadsMax) {
      const deadlineMs = this.#clock.monotonicMs() + wait.timeoutMs;
      this.#positions.add({ position: wait.position, deadlineMs, done });
    } else {
      this.#clock.setSoon(() => done({ kind: "timedOut" }));
    }
  }

  /**
   * Calls back when the leader has confirmed itself and what was committed is applied. `ask` puts
   * the question.
   */
  waitForRead(
    wait: { readonly timeoutMs: number; readonly running: boolean },
    done: (answer: WaitAnswer) => void,
    ask: (requestId: number) => void,
  ): void {
    if (!wait.running || this.#confirmed.size >= waitingReadsMax) {
      this.#clock.setSoon(() => done({ kind: "timedOut" }));
      return;
    }
    const requestId = this.#nextRequestId++;
    const nowMs = this.#clock.monotonicMs();
    const deadlineMs = nowMs + wait.timeoutMs;
    this.#confirmed.set(requestId, { deadlineMs, done, index: undefined, askedAtMs: nowMs });
    this.#clock.setSoon(() => ask(requestId));
  }

  /** The core has answered. A refused one is asked again on a later tick. */
  handleAnswer(answer: { requestId: number; index: number; refused: boolean }): void {
    const read = this.#confirmed.get(answer.requestId);
    if (read !== undefined && !answer.refused) read.index = answer.index;
  }

  /** There is a leader: what nobody could answer is due at once. */
  askAgain(): void {
    for (const read of this.#confirmed.values()) read.askedAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Ids of reads that have had no answer for readRetryMs, to be asked again. */
  unanswered(nowMs: number): number[] {
    const ids: number[] = [];
    const askedBeforeMs = nowMs - readRetryMs;
    for (const [requestId, read] of this.#confirmed) {
      if (read.index !== undefined || read.askedAtMs > askedBeforeMs) continue;
      read.askedAtMs = nowMs;
      ids.push(requestId);
    }
    return ids;
  }

  /** Lets go those whose state is here. */
  handleApplied(applied: { readonly index: number; readonly position: Position }): void {
    for (const wait of this.#positions) {
      if (wait.position > applied.position) continue;
      this.#positions.delete(wait);
      wait.done({ kind: "reached" });
    }
    for (const [requestId, read] of this.#confirmed) {
      if (read.index === undefined || read.index > applied.index) continue;
      this.#confirmed.delete(requestId);
      read.done({ kind: "reached" });
    }
  }

  /** Answers "timed out" to those whose time is over. `nowMs` Infinity ends all. */
  expire(nowMs: number): void {
    for (const wait of this.#positions) {
      if (wait.deadlineMs > nowMs) continue;
      this.#positions.delete(wait);
      wait.done({ kind: "timedOut" });
    }
    for (const [requestId, read] of this.#confirmed) {
      if (read.deadlineMs > nowMs) continue;
      this.#confirmed.delete(requestId);
      read.done({ kind: "timedOut" });
    }
  }
}
