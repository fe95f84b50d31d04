// One server's connection with one peer, as src/host/peer-link.ts keeps it: our call carries what
// we send, theirs what they send, and the pair lives and dies together. Judges no hellos.
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { Timer } from "../io/clock.ts";
import type { PeerAddress } from "../io/transport.ts";
import type { NetworkLimits } from "./network-limits.ts";
import type { NetworkTime } from "./network-route.ts";
import type { WireEnd, WireLife, WireListener } from "./network-wire.ts";

/** What a link asks of its owner, from the event loop. */
export interface PeerLinkEvents {
  /** Our hello; asked before each call. */
  hello(): Uint8Array;
  /** Judges the hello that a callee answers with; a reason refuses it. */
  refuseAnswer(hello: Uint8Array): string | undefined;
  handleConnected(): void;
  handleDisconnected(reason: string): void;
  handleFrame(frame: Uint8Array): void;
  /** A call came to nothing. */
  handleCallFailed(reason: string): void;
  /** Begins a connection to the peer's address; undefined: there is no such machine. */
  open(listener: WireListener<Uint8Array>): WireEnd<Uint8Array> | undefined;
}

/** What a link is made of. */
export interface PeerLinkOptions {
  readonly peer: PeerAddress;
  readonly time: NetworkTime;
  readonly random: Random;
  readonly life: WireLife;
  readonly limits: NetworkLimits;
}

/** The connection with one peer. */
export class PeerLink {
  readonly address: string;
  readonly #options: PeerLinkOptions;
  readonly #events: PeerLinkEvents;
  #call: WireEnd<Uint8Array> | undefined;
  #deadline: Timer | undefined;
  /** Whether they accepted #call and we them. Invariant: false without #call. */
  #isCallAccepted = false;
  /** Their call to us, accepted. */
  #incoming: WireEnd<Uint8Array> | undefined;
  #connectedAtMs: number | undefined;
  /** Calls that failed since the last connection that held. */
  #failures = 0;
  /** Runs until the next call. Invariant: undefined while there is a #call. */
  #retry: Timer | undefined;
  #isClosed = false;

  constructor(options: PeerLinkOptions, events: PeerLinkEvents) {
    this.address = options.peer.address;
    this.#options = options;
    this.#events = events;
  }

  get connected(): boolean {
    return this.#connectedAtMs !== undefined;
  }

  /** What frames are sent over; undefined while not connected. */
  get way(): WireEnd<Uint8Array> | undefined {
    return this.#connectedAtMs === undefined ? undefined : this.#call;
  }

  /** Begins to call, unless the peer has called already. */
  start(): void {
    if (this.#call === undefined) this.#callNow();
  }

  /** Takes a call of the peer that was found good; it replaces an older one. */
  accept(incoming: WireEnd<Uint8Array>): void {
    if (this.#isClosed) {
      incoming.close("closed", "keep");
      return;
    }
    this.#loseIncoming("replaced by a newer call");
    this.#incoming = incoming;
    incoming.hold();
    // The peer lives: no use in waiting any longer before it is called.
    if (this.#call === undefined) this.#callNow();
    this.#maybeConnect();
  }

  /** A frame of an accepted call. */
  handleFrame(incoming: WireEnd<Uint8Array>, frame: Uint8Array): void {
    if (this.#incoming === incoming) this.#events.handleFrame(frame);
  }

  /** An accepted call has ended by itself. */
  handleIncomingEnded(incoming: WireEnd<Uint8Array>, reason: string): void {
    if (this.#incoming === incoming) this.#loseIncoming(reason);
  }

  /** Ends both calls, in whatever state they are, and calls again. */
  disconnect(reason: string): void {
    this.#endBoth(reason);
    this.#callLater();
  }

  /** Ends both calls for good. */
  close(reason: string): void {
    this.#isClosed = true;
    this.#endBoth(reason);
    this.#retry?.cancel();
  }

  #callNow(): void {
    assert(this.#call === undefined, "one call at a time");
    this.#retry?.cancel();
    this.#retry = undefined;
    if (this.#isClosed) return;
    const { time, life, limits } = this.#options;
    let isAnswered = false;
    const hello = this.#events.hello();
    const call = this.#events.open({
      handlePayload: (answer) => {
        if (this.#call !== call || isAnswered) return;
        isAnswered = true;
        this.#deadline?.cancel();
        this.#handleAnswer(answer);
      },
      handleClosed: (reason) => {
        if (this.#call === call) this.#handleCallEnded(reason);
      },
    });
    if (call === undefined) {
      this.#handleCallEnded("no such machine");
      return;
    }
    this.#call = call;
    // A TCP handshake first: there, back, there.
    call.send(hello, hello.length, 3);
    const expire = life.guard(() => {
      if (!isAnswered) call.fail(`no hello within ${limits.helloDeadlineMs} ms`);
    });
    this.#deadline = time.at(limits.helloDeadlineMs, expire);
  }

  #handleAnswer(hello: Uint8Array): void {
    const refusal = this.#events.refuseAnswer(hello);
    if (refusal !== undefined) {
      this.#call?.close(refusal, "drop");
      this.#handleCallEnded(refusal);
      return;
    }
    this.#isCallAccepted = true;
    this.#maybeConnect();
  }

  #handleCallEnded(reason: string): void {
    this.#deadline?.cancel();
    if (this.connected) {
      this.#endBoth(`our stream: ${reason}`);
    } else {
      this.#call = undefined;
      this.#isCallAccepted = false;
      this.#failures += 1;
      this.#events.handleCallFailed(reason);
    }
    this.#callLater();
  }

  /** Their call has ended or is to end; ours goes with it where they were a pair. */
  #loseIncoming(reason: string): void {
    if (this.connected) {
      this.#endBoth(`their stream: ${reason}`);
      this.#callLater();
    }
    this.#incoming?.close(reason, "keep");
    this.#incoming = undefined;
  }

  #maybeConnect(): void {
    if (!this.#isCallAccepted || this.#incoming === undefined || this.connected) return;
    const incoming = this.#incoming;
    this.#connectedAtMs = this.#options.time.nowMs;
    this.#events.handleConnected();
    // The owner may have disconnected at once.
    if (this.#incoming === incoming) incoming.release();
  }

  #endBoth(reason: string): void {
    const connectedAtMs = this.#connectedAtMs;
    this.#connectedAtMs = undefined;
    this.#isCallAccepted = false;
    const incoming = this.#incoming;
    const call = this.#call;
    this.#incoming = undefined;
    this.#call = undefined;
    this.#deadline?.cancel();
    incoming?.close(reason, "keep");
    call?.close(reason, "drop");
    if (connectedAtMs === undefined) return;
    const livedMs = this.#options.time.nowMs - connectedAtMs;
    this.#failures = livedMs >= this.#options.limits.stableAfterMs ? 0 : this.#failures + 1;
    this.#events.handleDisconnected(reason);
  }

  /** Calls at once after a connection that held, else after a pause that doubles, with jitter. */
  #callLater(): void {
    this.#retry?.cancel();
    this.#retry = undefined;
    if (this.#isClosed) return;
    const { time, random, life, limits } = this.#options;
    const { reconnectMsMin, reconnectMsMax } = limits;
    const pauseMs =
      this.#failures === 0
        ? 0
        : Math.min(reconnectMsMax, reconnectMsMin * 2 ** Math.min(this.#failures - 1, 16));
    const call = life.guard(() => {
      if (this.#call === undefined) this.#callNow();
    });
    this.#retry = time.at(pauseMs * (0.5 + random.nextFloat() / 2), call);
  }
}
