// What a returning client has missed, read in pages with a pause between them, and the step from
// there to live events: taken in the same turn in which the last page was read, so that nothing
// lies between and nothing doubles.
import { assert } from "../base/assert.ts";
import { type EncodedEvent, encodeEvent } from "./frames.ts";
import type { Caller, GatewayContext } from "./gateway-context.ts";

/** Calls of a replay; exactly one is made, once, unless it was stopped. */
export interface ReplayOutcome {
  /**
   * All that was missed up to `untilPosition`, which is applied at this moment: live events after
   * it must be taken from now on, within this call.
   */
  caughtUp(events: readonly EncodedEvent[], untilPosition: number): void;
  /** More was missed than is replayed; nothing is. */
  tooFarBehind(): void;
  /** The caller's log-in session was ended meanwhile. */
  sessionEnded(): void;
}

/** Runs replays, a few at once, the others waiting for their turn. */
export class ReplayDesk {
  readonly #context: GatewayContext;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** Begins a replay of what `caller` may see after `afterPosition`. Answers how to stop it. */
  begin(caller: Caller, afterPosition: number, outcome: ReplayOutcome): () => void {
    const replay = new Replay(this.#context, caller, afterPosition, outcome, () => this.#release());
    if (this.#running < this.#context.limits.replaysMax) {
      this.#running += 1;
      replay.start();
    } else {
      this.#waiting.push(() => replay.start());
    }
    return () => replay.stop();
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}

class Replay {
  readonly #context: GatewayContext;
  readonly #caller: Caller;
  readonly #outcome: ReplayOutcome;
  readonly #release: () => void;
  readonly #events: EncodedEvent[] = [];
  #bytes = 0;
  // Invariant: all that the caller may see up to here is in #events.
  #position: number;
  #isStopped = false;

  constructor(
    context: GatewayContext,
    caller: Caller,
    afterPosition: number,
    outcome: ReplayOutcome,
    release: () => void,
  ) {
    this.#context = context;
    this.#caller = caller;
    this.#outcome = outcome;
    this.#release = release;
    this.#position = afterPosition;
  }

  start(): void {
    this.#context.clock.setSoon(() => this.#readPage());
  }

  stop(): void {
    this.#isStopped = true;
  }

  #readPage(): void {
    if (this.#isStopped) {
      this.#release();
      return;
    }
    const { chat, replica, limits, clock } = this.#context;
    const untilPosition = replica.appliedPosition();
    const page = chat.eventsSince(this.#caller.userId, {
      afterPosition: this.#position,
      untilPosition,
      limit: limits.replayPageEvents,
    });
    assert(
      page.items.length > 0 || !page.more,
      "a page of missed events is empty but not the last",
    );
    for (const { event } of page.items) {
      const position = Number(event.position);
      this.#position = position;
      if (event.body.case !== "sessionEnded") {
        const encoded = encodeEvent(event, position);
        this.#events.push(encoded);
        this.#bytes += encoded.bytes.length;
      } else if (event.body.value.sessionId === this.#caller.sessionId) {
        this.#finish(() => this.#outcome.sessionEnded());
        return;
      }
    }
    if (this.#events.length > limits.replayEventsTotalMax || this.#bytes > limits.replayBytesMax) {
      this.#finish(() => this.#outcome.tooFarBehind());
    } else if (page.more) {
      clock.setSoon(() => this.#readPage());
    } else {
      this.#finish(() => this.#outcome.caughtUp(this.#events, untilPosition));
    }
  }

  #finish(tell: () => void): void {
    this.#isStopped = true;
    tell();
    this.#release();
  }
}
