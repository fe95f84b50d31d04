// Keeps one session open over changing servers: picks an address, waits between attempts, holds the
// cursor, notices hung servers. What is asked over the session, and what events mean, it does not
// know.
import { assertNever } from "../base/assert.ts";
import type { Welcome } from "../proto/gen/chat/v1/api_pb.js";
import type { Event } from "../proto/gen/chat/v1/event_pb.js";
import type { Addresses } from "./addresses.ts";
import type { ClientClock, ClientRandom, ClientTimer } from "./clock.ts";
import type { ConnectionFactory } from "./connection.ts";
import type { RejectedError } from "./errors.ts";
import { checkIntervalMs, stableMs } from "./limits.ts";
import { backoffMs, handshakeBoundMs, spreadMs } from "./retry.ts";
import { Session, type SessionEnd } from "./session.ts";
import type { ConnectionState, IslandState } from "./types.ts";

/** What the link tells its owner. */
export interface LinkListener {
  stateChanged(state: ConnectionState): void;
  /** A session is there; `recovered: false` when events may be missing before it. */
  opened(session: Session, welcome: Welcome, how: { readonly recovered: boolean }): void;
  received(events: readonly Event[]): void;
  /** Island mode has begun or ended on the server of the session. */
  islandChanged(island: IslandState): void;
  /** The list of servers was told anew, perhaps the same one. */
  serversListed(): void;
  /** The cluster has no memory of the cursor: positions seen so far mean nothing in it. */
  cursorForgotten(): void;
  /** The session is gone; what was asked over it and not answered has to be asked again. */
  lost(): void;
  /** The log-in session is over; nothing is tried any more. */
  ended(error: RejectedError): void;
}

/** What the link works with. */
export interface LinkOptions {
  readonly connect: ConnectionFactory;
  readonly addresses: Addresses;
  readonly clock: ClientClock;
  readonly random: ClientRandom;
  readonly subscribe: boolean;
  readonly listener: LinkListener;
}

const nothing = new Uint8Array(0);

/** The way to the cluster. */
export class Link {
  readonly #options: LinkOptions;
  #token = "";
  #running = false;
  /**
   * The session that stands or is being opened. Invariant: undefined while a retry timer is set.
   */
  #session: Session | undefined;
  #welcomedMs: number | undefined;
  #cursor: Uint8Array = nothing;
  /**
   * Whether any session was welcomed since `start`: from then on, events without a cursor are a
   * gap.
   */
  #everWelcomed = false;
  /** Failures in a row: grows with each end of a session, reset by one that proved good. */
  #failures = 0;
  #retryTimer: ClientTimer | undefined;
  #handshakeTimer: ClientTimer | undefined;
  #checkTimer: ClientTimer | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** The session, while requests may be made. */
  get session(): Session | undefined {
    return this.#welcomedMs === undefined ? undefined : this.#session;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Begins to keep a session open, resuming where the last one of the same person was. */
  start(token: string): void {
    this.#token = token;
    if (this.#running) return;
    this.#running = true;
    this.#failures = 0;
    this.#open();
  }

  /** Closes the session and stops trying. The cursor stays. */
  stop(): void {
    if (!this.#running) return;
    this.#halt();
    this.#options.listener.stateChanged({ kind: "stopped" });
  }

  /** Forgets where to resume, for another person. */
  forgetCursor(): void {
    this.#cursor = nothing;
    this.#everWelcomed = false;
  }

  /** Tries at once instead of after the wait, for hosts that know that the network is back. */
  retryNow(): void {
    if (this.#retryTimer === undefined) return;
    this.#retryTimer.cancel();
    this.#open();
  }

  /** Leaves a server that answers but does not help, such as one without a leader, for another. */
  switchServer(reason: string): void {
    if (this.#options.addresses.servers > 1) this.session?.fail(reason);
  }

  /** Ends everything since the log-in session is over. */
  end(error: RejectedError): void {
    if (!this.#running) return;
    this.#halt();
    this.#options.listener.ended(error);
    this.#options.listener.stateChanged({ kind: "ended", error });
  }

  #halt(): void {
    this.#running = false;
    const session = this.#session;
    const lost = this.session !== undefined;
    this.#clear();
    session?.close();
    if (lost) this.#options.listener.lost();
  }

  #clear(): void {
    this.#session = undefined;
    this.#welcomedMs = undefined;
    for (const timer of [this.#retryTimer, this.#handshakeTimer, this.#checkTimer]) timer?.cancel();
    this.#retryTimer = this.#handshakeTimer = this.#checkTimer = undefined;
  }

  #open(): void {
    const { addresses, clock, connect, listener, subscribe } = this.#options;
    this.#retryTimer = undefined;
    const address = addresses.next(clock.monotonicMs());
    listener.stateChanged({ kind: "connecting", address });
    // Whoever hears of it may have stopped the link.
    if (!this.#running || this.#session !== undefined) return;
    const session: Session = new Session({
      connect,
      address,
      clock,
      token: this.#token,
      cursor: this.#cursor,
      subscribe,
      listener: {
        welcomed: (welcome) => this.#handleWelcome(session, welcome),
        received: (events, cursor) => this.#handleEvents(events, cursor),
        islandChanged: (island) => listener.islandChanged(island),
        serversChanged: (listed) => {
          addresses.learn(listed);
          listener.serversListed();
        },
        ended: (end) => this.#handleEnd(session, end),
      },
    });
    this.#session = session;
    const boundMs = handshakeBoundMs(this.#failures, addresses.servers);
    this.#handshakeTimer = clock.setTimer(boundMs, () =>
      session.fail(`no welcome within ${boundMs} ms`),
    );
  }

  #handleWelcome(session: Session, welcome: Welcome): void {
    const { addresses, clock, listener } = this.#options;
    this.#handshakeTimer?.cancel();
    this.#handshakeTimer = undefined;
    this.#welcomedMs = clock.monotonicMs();
    addresses.worked(session.address);
    addresses.learn(welcome.addresses, session.address);
    listener.serversListed();
    const resumed = this.#cursor.length > 0 && welcome.recovered;
    const recovered = !this.#everWelcomed || resumed || !this.#options.subscribe;
    this.#everWelcomed = true;
    this.#scheduleCheck(session);
    const { serverId } = welcome;
    listener.stateChanged({ kind: "connected", address: session.address, serverId });
    if (!session.over) listener.opened(session, welcome, { recovered });
  }

  #handleEvents(events: readonly Event[], cursor: Uint8Array): void {
    if (events.length > 0) this.#options.listener.received(events);
    if (cursor.length > 0) this.#cursor = cursor;
  }

  #scheduleCheck(session: Session): void {
    this.#checkTimer = this.#options.clock.setTimer(checkIntervalMs, () => {
      session.check();
      if (!session.over) this.#scheduleCheck(session);
    });
  }

  #handleEnd(session: Session, end: SessionEnd): void {
    const lost = this.#welcomedMs !== undefined;
    if (this.#wasGood(session)) this.#failures = 0;
    this.#clear();
    if (lost) this.#options.listener.lost();
    switch (end.kind) {
      case "broken":
        this.#retry(session, end.reason, 0);
        break;
      case "refused":
        if (end.error.code === "UNKNOWN_CURSOR" && this.#cursor.length > 0) this.#startOver();
        else this.#retry(session, end.error.message, end.error.retryAfterMs);
        break;
      case "ended":
        this.end(end.error);
        break;
      default:
        assertNever(end, "end of a session");
    }
  }

  /** The server is well, but of another history: asks it again without the cursor. */
  #startOver(): void {
    this.#cursor = nothing;
    this.#failures++;
    this.#options.listener.cursorForgotten();
    this.#open();
  }

  #wasGood(session: Session): boolean {
    if (this.#welcomedMs === undefined) return false;
    return session.useful || this.#options.clock.monotonicMs() - this.#welcomedMs >= stableMs;
  }

  #retry(session: Session, reason: string, retryAfterMs: number): void {
    const { addresses, clock, listener, random } = this.#options;
    this.#failures++;
    const nowMs = clock.monotonicMs();
    addresses.failed(session.address, nowMs + retryAfterMs);
    // The last free attempt goes to the last server that has not failed.
    const freeAttempts = addresses.servers - (this.#everWelcomed ? 0 : 1);
    const waitMs = backoffMs({
      failures: this.#failures,
      freeAttempts,
      chance: random.nextFloat(),
    });
    const asked = addresses.servers > 1 ? 0 : spreadMs(retryAfterMs, random.nextFloat());
    const retryInMs = Math.max(waitMs, asked);
    if (retryInMs === 0) {
      this.#open();
      return;
    }
    this.#retryTimer = clock.setTimer(retryInMs, () => this.#open());
    listener.stateChanged({ kind: "waiting", retryInMs, reason });
  }
}
