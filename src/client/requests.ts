// Requests other than messages: reads, and writes that make, join and leave rooms. Each is asked
// again on every new session, under the same command id, until a reply or its deadline comes.
// Nothing of it is kept over a restart.
import type { ClientClock, ClientRandom, ClientTimer } from "./clock.ts";
import { isRetryable, RejectedError, rejectedError } from "./errors.ts";
import { refusalsBeforeSwitch, requestsPendingMax, requestTimeoutMs } from "./limits.ts";
import { backoffMs, spreadMs } from "./retry.ts";
import type { ReplyBody, RequestBody, Session } from "./session.ts";

/** The reply of one kind. */
export type ReplyOf<Case extends string> = Extract<ReplyBody, { case: Case }>["value"];

/** What the requests work with. */
export interface RequestsOptions {
  readonly clock: ClientClock;
  readonly random: ClientRandom;
  /** The server refuses again and again for load or lack of a leader; another may do better. */
  readonly onStuck: (reason: string) => void;
  /** A reply says that the log-in session is over. */
  readonly onUnauthenticated: (error: RejectedError) => void;
}

interface Pending {
  readonly body: RequestBody;
  readonly deadlineMs: number;
  readonly resolve: (reply: ReplyBody) => void;
  readonly reject: (error: RejectedError) => void;
  /** Asked in the session that stands, and not answered yet. */
  asked: boolean;
  /** After the first, nobody knows whether an earlier one came to something. */
  asks: number;
}

/** The requests that wait for their reply. */
export class PendingRequests {
  readonly #options: RequestsOptions;
  /** In the order in which they were made, hence by deadline, too. */
  readonly #pending = new Set<Pending>();
  #session: Session | undefined;
  /** Set while the oldest deadline is awaited. */
  #deadlineTimer: ClientTimer | undefined;
  /** Set while refused requests wait to be asked again. */
  #retryTimer: ClientTimer | undefined;
  #refusals = 0;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /**
   * The reply of the kind that belongs to `body`, from whichever server answers first. Rejects with
   * RejectedError.
   */
  async ask<Case extends string>(body: RequestBody, expected: Case): Promise<ReplyOf<Case>> {
    const reply = await this.#enqueue(body);
    if (reply.case === expected) return reply.value as ReplyOf<Case>;
    throw new RejectedError({
      code: "UNSPECIFIED",
      message: `The server answered "${reply.case ?? "nothing"}" instead of "${expected}".`,
    });
  }

  /** A session stands: asks everything that waits. */
  attach(session: Session): void {
    this.#session = session;
    this.#askWaiting();
  }

  /** The session is gone: everything waits again. */
  detach(): void {
    this.#session = undefined;
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
    for (const pending of this.#pending) pending.asked = false;
  }

  /** Refuses everything that waits. */
  failAll(error: RejectedError): void {
    const all = [...this.#pending];
    this.#pending.clear();
    this.#deadlineTimer?.cancel();
    this.#deadlineTimer = undefined;
    for (const pending of all) pending.reject(error);
  }

  #enqueue(body: RequestBody): Promise<ReplyBody> {
    if (this.#pending.size >= requestsPendingMax) return Promise.reject(tooManyError());
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#options.clock.monotonicMs() + requestTimeoutMs;
      const pending: Pending = { body, deadlineMs, resolve, reject, asked: false, asks: 0 };
      this.#pending.add(pending);
      this.#armDeadline();
      this.#ask(pending);
    });
  }

  #ask(pending: Pending): void {
    if (this.#session === undefined || pending.asked) return;
    pending.asked = true;
    pending.asks++;
    this.#session.request(pending.body, (body) => this.#handleReply(pending, body));
  }

  #askWaiting(): void {
    for (const pending of this.#pending) this.#ask(pending);
  }

  #handleReply(pending: Pending, body: ReplyBody): void {
    if (!this.#pending.has(pending)) return;
    if (body.case !== "rejected") {
      this.#refusals = 0;
      this.#pending.delete(pending);
      pending.resolve(body);
      return;
    }
    const error = rejectedError(body.value);
    // A server on an island does not know what an earlier ask came to.
    const isUnsure = error.code === "NEEDS_MAJORITY" && pending.asks > 1;
    if (isRetryable(error) || isUnsure) {
      this.#retryLater(pending, error);
      return;
    }
    this.#pending.delete(pending);
    pending.reject(error);
    if (error.code === "UNAUTHENTICATED") this.#options.onUnauthenticated(error);
  }

  #retryLater(pending: Pending, error: RejectedError): void {
    pending.asked = false;
    if (this.#retryTimer !== undefined) return;
    this.#refusals++;
    const { clock, random, onStuck } = this.#options;
    const waitMs = Math.max(
      spreadMs(error.retryAfterMs, random.nextFloat()),
      backoffMs({ failures: this.#refusals, freeAttempts: 0, chance: random.nextFloat() }),
    );
    this.#retryTimer = clock.setTimer(waitMs, () => {
      this.#retryTimer = undefined;
      if (this.#refusals % refusalsBeforeSwitch === 0) onStuck(error.message);
      this.#askWaiting();
    });
  }

  #armDeadline(): void {
    if (this.#deadlineTimer !== undefined) return;
    const [oldest] = this.#pending;
    if (oldest === undefined) return;
    const { clock } = this.#options;
    const waitMs = Math.max(0, oldest.deadlineMs - clock.monotonicMs());
    this.#deadlineTimer = clock.setTimer(waitMs, () => {
      this.#deadlineTimer = undefined;
      this.#expire(clock.monotonicMs());
      this.#armDeadline();
    });
  }

  #expire(nowMs: number): void {
    for (const pending of this.#pending) {
      if (pending.deadlineMs > nowMs) return;
      this.#pending.delete(pending);
      pending.reject(timedOutError(pending.body));
    }
  }
}

function tooManyError(): RejectedError {
  return new RejectedError({
    code: "OVERLOADED",
    message: `More than ${requestsPendingMax} requests wait for a reply. Wait for some first.`,
    retryAfterMs: 1_000,
  });
}

function timedOutError(body: RequestBody): RejectedError {
  const write = body.case === "createRoom" || body.case === "joinRoom" || body.case === "leaveRoom";
  return new RejectedError({
    code: "UNAVAILABLE",
    message: `No server answered within ${requestTimeoutMs / 1_000} s.${
      write ? " It may still come to be; look before you try again." : ""
    }`,
    retryAfterMs: 1_000,
  });
}
