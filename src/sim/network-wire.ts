// One connection of two processes, as TCP has it: what is sent arrives in order and at most once;
// an end that closes or dies is told to the other; a cut is told to nobody, and what was sent into
// it arrives when it is mended. One timer at most waits for each end, set for its next parcel: an
// idle connection costs nothing. Who gives up a silent one is network-wires.ts's matter.
import { assert, assertDefined } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { ServerId } from "./cluster-event.ts";
import { Inbox } from "./network-inbox.ts";
import type { NetworkTime, Parked, Route } from "./network-route.ts";

/** What the network needs of the process at an end. */
export interface WireLife {
  readonly alive: boolean;
  readonly paused: boolean;
  /** Runs the callback in this life only, and not while it is paused, but later. */
  guard(callback: () => void): () => void;
}

/** What an end tells its process, from the event loop. */
export interface WireListener<Payload> {
  handlePayload(payload: Payload): void;
  /** Once, and last; never after the own `close`. */
  handleClosed(reason: string): void;
}

/** An end's way to the process that listens there when something arrives for the first time. */
export type AcceptWire<Payload> = (end: WireEnd<Payload>) => void;

/** What an end is made of. */
export interface WireEndOptions<Payload> {
  readonly time: NetworkTime;
  readonly random: Random;
  /** The machine of this end; 0 for a client. */
  readonly server: ServerId;
  /** What this end sends goes here. */
  readonly route: Route;
  readonly accept: AcceptWire<Payload>;
  /** Told once when this end is over for good. */
  readonly handleOver: () => void;
}

/** Sums of fractions may miss the moment that a timer was set for by this much. */
const roundingMs = 1e-6;

/** One side of a connection. */
export class WireEnd<Payload> implements Parked {
  readonly server: ServerId;
  readonly #time: NetworkTime;
  readonly #random: Random;
  readonly #route: Route;
  readonly #accept: AcceptWire<Payload>;
  readonly #handleOver: () => void;
  #other: WireEnd<Payload> | undefined;
  /**
   * "new": nobody is here yet. "vanished": its machine lost power and cannot tell. "over": closed
   * on this side; nothing is heard or said any more.
   */
  #state: "new" | "open" | "vanished" | "over" = "new";
  #life: WireLife | undefined;
  #listener: WireListener<Payload> | undefined;
  #readInLife: () => void = () => {};
  readonly #inbox = new Inbox<Payload>();
  /** A timer, the route or the paused process will have a look at the inbox. */
  #isAwaited = false;
  #isHeld = false;
  /** Said its last word, and still listens. */
  #isShut = false;
  /** When the other side was last known to answer; kept by the table. */
  answeredMs = 0;
  /** How long the other side may be silent; kept by the table. */
  silenceMsMax = Number.POSITIVE_INFINITY;

  constructor(options: WireEndOptions<Payload>) {
    this.server = options.server;
    this.#time = options.time;
    this.#random = options.random;
    this.#route = options.route;
    this.#accept = options.accept;
    this.#handleOver = options.handleOver;
  }

  /** Makes two ends one connection. */
  static join<Payload>(one: WireEnd<Payload>, other: WireEnd<Payload>): void {
    one.#other = other;
    other.#other = one;
  }

  get other(): WireEnd<Payload> {
    return assertDefined(this.#other, "the other end");
  }

  get open(): boolean {
    return this.#state === "open";
  }

  /** Bytes sent from here that the other side has not read. */
  get queuedBytes(): number {
    return this.other.#inbox.bytes;
  }

  /** Runs the callback as this end's process would: not while it is paused, never once it died. */
  inLife(callback: () => void): () => void {
    return this.#life === undefined ? callback : this.#life.guard(callback);
  }

  /** Whether a ping from this end would come back at once. */
  get heard(): boolean {
    const { other } = this;
    if (this.#route.blocked || other.#route.blocked || other.#state !== "open") return false;
    return other.#life === undefined || (other.#life.alive && !other.#life.paused);
  }

  /** Whether this end's process runs. */
  get awake(): boolean {
    return this.#life === undefined || this.#mayRun();
  }

  /** Whether this end's process is no more. */
  get dead(): boolean {
    return this.#life?.alive === false;
  }

  /** A process takes this end; without a life it is one that never ends. */
  bind(life: WireLife | undefined, listener: WireListener<Payload>): void {
    assert(this.#state === "new", "an end is taken once");
    this.#state = "open";
    this.#life = life;
    this.#listener = listener;
    this.answeredMs = this.#time.nowMs;
    this.#readInLife = this.inLife(() => this.#read());
  }

  /** Sends; `hops` is how often a packet has to go over before this one arrives. */
  send(payload: Payload, bytes: number, hops = 1): void {
    if (this.#state !== "open" || this.#isShut) return;
    this.other.#enqueue(payload, bytes, undefined, hops);
  }

  /** Reads no further until `release`; only a close is noticed. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#await();
  }

  /** Says its last word after what was sent, and listens until the other side has closed, too. */
  shut(reason: string): void {
    if (this.#state !== "open" || this.#isShut) return;
    this.#isShut = true;
    this.other.#enqueue(undefined, 0, reason, 1);
  }

  /**
   * Ends it on this side. The other side hears of it; "drop": part of what is under way is lost, as
   * where a process dies.
   */
  close(reason: string, underWay: "keep" | "drop"): void {
    if (this.#state === "over") return;
    const wasThere = this.#state !== "vanished";
    this.#finish();
    const { other } = this;
    if (other.#state === "new" || other.#state === "vanished") {
      // It was never heard of over there, or nobody is there to hear.
      other.#finish();
      return;
    }
    if (!wasThere || other.#state !== "open" || this.#isShut) return;
    if (underWay === "drop") other.#inbox.loseTail(this.#time.nowMs, this.#random);
    other.#enqueue(undefined, 0, reason, 1);
  }

  /** Breaks it for this side, whose process is told. From the event loop. */
  fail(reason: string): void {
    const listener = this.#listener;
    if (this.#state !== "open") return;
    this.close(reason, "drop");
    listener?.handleClosed(reason);
  }

  /** The machine is gone without a word. */
  vanish(): void {
    if (this.#state === "over") return;
    this.#clear();
    this.#state = "vanished";
    if (this.other.#state === "new") this.close("", "drop");
  }

  /** The machine is back and knows nothing of this connection: it says so to whoever asks. */
  disown(): void {
    if (this.#state !== "vanished") return;
    this.#finish();
    if (this.other.#state === "open") {
      this.other.#enqueue(undefined, 0, "the connection was reset", 1);
    }
  }

  handlePassable(): void {
    this.#arrive();
  }

  #enqueue(
    payload: Payload | undefined,
    bytes: number,
    closing: string | undefined,
    hops: number,
  ): void {
    if (this.#state === "over" || this.#state === "vanished") return;
    const atMs = this.#time.nowMs + hops * this.other.#route.drawLatencyMs();
    this.#inbox.push(atMs, bytes, payload, closing);
    this.#await();
  }

  /** Makes sure that somebody looks when the next parcel arrives. */
  #await(): void {
    if (this.#isAwaited) return;
    const next = this.#isHeld ? this.#inbox.last() : this.#inbox.first();
    if (next === undefined || (this.#isHeld && next.closing === undefined)) return;
    this.#isAwaited = true;
    this.#time.at(Math.max(0, next.atMs - this.#time.nowMs), this.#arrive);
  }

  /** A parcel has come to the machine. */
  readonly #arrive = (): void => {
    if (this.#state === "over" || this.#state === "vanished") return;
    const route = this.other.#route;
    if (route.blocked) {
      route.park(this);
      return;
    }
    if (this.#state === "new") this.#accept(this);
    this.#readInLife();
  };

  #read(): void {
    this.#isAwaited = false;
    if (this.#state !== "open") return;
    const route = this.other.#route;
    const untilMs = (route.blocked ? route.blockedSinceMs : this.#time.nowMs) + roundingMs;
    if (this.#isHeld) {
      const last = this.#inbox.last();
      if (last?.closing !== undefined && last.atMs <= untilMs) this.#handleClosing(last.closing);
      else this.#await();
      return;
    }
    while (this.#readOne(untilMs));
    if (this.#isOpen()) this.#await();
  }

  /** Hands out the next parcel; false: nothing more at present. */
  #readOne(untilMs: number): boolean {
    const parcel = this.#inbox.first();
    if (parcel === undefined || parcel.atMs > untilMs) return false;
    this.#inbox.dropFirst();
    if (parcel.closing !== undefined) {
      this.#handleClosing(parcel.closing);
      return false;
    }
    this.#listener?.handlePayload(parcel.payload as Payload);
    // The process may have closed it, held it, died or been stopped meanwhile.
    return this.#isOpen() && !this.#isHeld && this.awake;
  }

  #mayRun(): boolean {
    return this.#life?.alive === true && !this.#life.paused;
  }

  /** A method, since the compiler would otherwise remember what the state was before a call. */
  #isOpen(): boolean {
    return this.#state === "open";
  }

  #handleClosing(reason: string): void {
    const listener = this.#listener;
    const { other } = this;
    this.#finish();
    // One that has only said its last word waits for ours.
    if (other.#state === "open" && !this.#isShut) other.#enqueue(undefined, 0, reason, 1);
    listener?.handleClosed(reason);
  }

  #clear(): void {
    this.#listener = undefined;
    this.#inbox.clear();
    if (this.#other !== undefined) this.#other.#route.unpark(this);
  }

  #finish(): void {
    if (this.#state === "over") return;
    this.#clear();
    this.#state = "over";
    this.#handleOver();
  }
}
