// The two streams between this replica and one peer, as one connection: our call carries what we
// send, theirs what they send. A pair lives and dies together: when either stream breaks, both end
// and both sides call again. So frames from before a break never arrive after it. Also decides when
// to call again; judges no hellos.
import { assert } from "../base/assert.ts";
import type { Clock, Timer } from "../io/clock.ts";
import type { PeerAddress, PeerId } from "../io/transport.ts";
import type { IncomingCall } from "./incoming-call.ts";
import { type CallEnd, PeerCall } from "./peer-call.ts";
import type { TransportLimits } from "./transport-limits.ts";

/** What a link asks of its owner, from the event loop. */
export interface PeerLinkEvents {
  /** Our hello; asked before each call. */
  hello(): Uint8Array;
  /** Judges the hello that a callee answers with; a reason refuses it. */
  judgeAnswer(hello: Uint8Array): { readonly refusal: string | undefined };
  handleConnected(): void;
  handleDisconnected(reason: string): void;
  handleFrame(frame: Uint8Array): void;
  /** A call came to nothing. */
  handleCallFailed(end: CallEnd): void;
}

/** The connection with one peer. */
export class PeerLink {
  readonly peerId: PeerId;
  readonly address: string;
  readonly #clock: Clock;
  readonly #limits: TransportLimits;
  readonly #events: PeerLinkEvents;
  /** Our stream to them, from the first packet on; another one each time. */
  #call: PeerCall | undefined;
  /** Whether they accepted #call and we them. Invariant: false without #call. */
  #isCallAccepted = false;
  /** Their stream to us, accepted. */
  #incoming: IncomingCall | undefined;
  /** When both streams became usable, by the monotonic clock; undefined while they are not both. */
  #connectedAtMs: number | undefined;
  /** Calls that failed since the last connection that held. */
  #failures = 0;
  /** Runs until the next call. Invariant: undefined while there is a #call. */
  #retry: Timer | undefined;
  #isClosed = false;

  constructor(
    options: {
      readonly peer: PeerAddress;
      readonly clock: Clock;
      readonly limits: TransportLimits;
    },
    events: PeerLinkEvents,
  ) {
    this.peerId = options.peer.peerId;
    this.address = options.peer.address;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#events = events;
  }

  /** Begins to call. */
  start(): void {
    assert(this.#call === undefined, "a link starts once");
    this.#callNow();
  }

  /** Whether both streams are usable. */
  isConnected(): boolean {
    return this.#connectedAtMs !== undefined;
  }

  /** Queues a frame; false: dropped. */
  send(frame: Uint8Array): boolean {
    if (this.#connectedAtMs === undefined || this.#call === undefined) return false;
    return this.#call.send(frame);
  }

  /** Takes a call of the peer that was found good; it replaces an older one. */
  accept(incoming: IncomingCall): void {
    if (this.#isClosed) {
      incoming.end("closed");
      return;
    }
    this.#loseIncoming("replaced by a newer call");
    this.#incoming = incoming;
    incoming.onEnded((reason) => {
      if (this.#incoming === incoming) this.#loseIncoming(reason);
    });
    // The peer lives: no use in waiting any longer before it is called.
    if (this.#call === undefined) this.#callNow();
    this.#maybeConnect();
  }

  /** Ends both streams, in whatever state they are, and calls again. */
  disconnect(reason: string): void {
    this.#endBoth(reason);
    this.#callLater();
  }

  /** Ends both streams for good. */
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
    const { address } = this;
    const options = {
      address,
      hello: this.#events.hello(),
      clock: this.#clock,
      limits: this.#limits,
    };
    const call = new PeerCall(options, {
      handleAnswer: (hello) => this.#handleAnswer(hello),
      handleEnded: (end) => this.#handleCallEnded(end),
    });
    this.#call = call;
  }

  #handleAnswer(hello: Uint8Array): void {
    const { refusal } = this.#events.judgeAnswer(hello);
    if (refusal !== undefined) {
      this.#call?.end();
      this.#handleCallEnded({ kind: "unfit", reason: refusal });
      return;
    }
    this.#isCallAccepted = true;
    this.#maybeConnect();
  }

  #handleCallEnded(end: CallEnd): void {
    if (this.isConnected()) {
      this.#endBoth(`our stream: ${end.reason}`);
    } else {
      this.#call = undefined;
      this.#isCallAccepted = false;
      this.#failures += 1;
      this.#events.handleCallFailed(end);
    }
    this.#callLater();
  }

  /** Their stream has ended or is to end; ours goes with it where they were a pair. */
  #loseIncoming(reason: string): void {
    if (this.isConnected()) {
      this.#endBoth(`their stream: ${reason}`);
      this.#callLater();
    }
    this.#incoming?.end(reason);
    this.#incoming = undefined;
  }

  #maybeConnect(): void {
    if (!this.#isCallAccepted || this.#incoming === undefined || this.isConnected()) return;
    const incoming = this.#incoming;
    this.#connectedAtMs = this.#clock.monotonicMs();
    this.#events.handleConnected();
    // The owner may have disconnected at once.
    if (this.#incoming === incoming) incoming.receive((frame) => this.#events.handleFrame(frame));
  }

  #endBoth(reason: string): void {
    const connectedAtMs = this.#connectedAtMs;
    this.#connectedAtMs = undefined;
    this.#isCallAccepted = false;
    this.#incoming?.end(reason);
    this.#incoming = undefined;
    this.#call?.end();
    this.#call = undefined;
    if (connectedAtMs === undefined) return;
    const livedMs = this.#clock.monotonicMs() - connectedAtMs;
    this.#failures = livedMs >= this.#limits.stableAfterMs ? 0 : this.#failures + 1;
    this.#events.handleDisconnected(reason);
  }

  /** Calls at once after a connection that held, else after a pause that doubles, with jitter. */
  #callLater(): void {
    this.#retry?.cancel();
    if (this.#isClosed) return;
    const { reconnectMinMs, reconnectMaxMs } = this.#limits;
    const pauseMs =
      this.#failures === 0
        ? 0
        : Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(this.#failures - 1, 16));
    this.#retry = this.#clock.setTimer(pauseMs * (0.5 + Math.random() / 2), () => this.#callNow());
  }
}
