// The transport of one simulated process: a link to each peer, hellos judged by the handler, single
// frames struck by faults. As src/host/host-transport.ts, without a network of its own.
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { PeerAddress, PeerId, Transport, TransportHandler } from "../io/transport.ts";
import type { ServerId } from "./cluster-event.ts";
import { serverOfAddress } from "./network-addresses.ts";
import type { NetworkLimits } from "./network-limits.ts";
import type { NetworkTime } from "./network-route.ts";
import type { WireEnd, WireLife, WireListener } from "./network-wire.ts";
import { PeerLink } from "./peer-link.ts";

/** Shares of frames that are struck one by one, beyond the port's contract. */
export interface FrameFaults {
  loss: number;
  doubling: number;
  reordering: number;
}

/** What a transport is made of. */
export interface PeerTransportOptions {
  readonly time: NetworkTime;
  readonly random: Random;
  readonly life: WireLife;
  readonly limits: NetworkLimits;
  readonly frameFaults: FrameFaults;
  /** Begins a connection to a machine; undefined: there is none at this address. */
  readonly open: (
    to: ServerId | undefined,
    listener: WireListener<Uint8Array>,
  ) => WireEnd<Uint8Array> | undefined;
  /** It takes no calls any more. */
  readonly handleClosed: () => void;
}

/** One process' transport. */
export class PeerTransport implements Transport {
  readonly #options: PeerTransportOptions;
  /** The peers of the last `setPeers`, and no others. */
  readonly #links = new Map<PeerId, PeerLink>();
  /** Undefined before `start` and after `close`. */
  #handler: TransportHandler | undefined;
  #isClosed = false;

  constructor(options: PeerTransportOptions) {
    this.#options = options;
  }

  /** Whether its process lives. */
  get alive(): boolean {
    return this.#options.life.alive;
  }

  /** Whether frames can be sent to this peer and come from it, as far as is known here. */
  isConnected(peer: PeerId): boolean {
    return this.#links.get(peer)?.connected ?? false;
  }

  start(handler: TransportHandler): void {
    assert(this.#handler === undefined && !this.#isClosed, "a transport starts once");
    this.#handler = handler;
    // The handler is not to be called inside its own call.
    for (const link of this.#links.values()) this.#soon(() => this.#startLink(link));
  }

  setPeers(peers: readonly PeerAddress[]): void {
    if (this.#isClosed) return;
    const addresses = new Map(peers.map((peer) => [peer.peerId, peer.address]));
    assert(addresses.size === peers.length, "each peer is given once");
    for (const [peerId, link] of this.#links) {
      if (addresses.get(peerId) === link.address) continue;
      this.#links.delete(peerId);
      this.#soon(() => link.close("no longer a peer at this address"));
    }
    for (const peer of peers) {
      if (this.#links.has(peer.peerId)) continue;
      const link = this.#createLink(peer);
      this.#links.set(peer.peerId, link);
      if (this.#handler !== undefined) this.#soon(() => this.#startLink(link));
    }
  }

  send(peer: PeerId, frame: Uint8Array): boolean {
    const { limits, random, frameFaults, time } = this.#options;
    const way = this.#links.get(peer)?.way;
    if (way === undefined || frame.length > limits.frameBytesMax) return false;
    if (way.queuedBytes + frame.length > limits.peerBufferBytesMax) return false;
    const { loss, doubling, reordering } = frameFaults;
    if (loss > 0 && random.nextBoolean(loss)) return true;
    // What arrives is never the sender's own memory. Buffer's slice would not copy.
    const copy = new Uint8Array(frame);
    const late = (): number => random.nextFloat() * limits.overtakenMsMax;
    if (doubling > 0 && random.nextBoolean(doubling)) {
      const double = new Uint8Array(frame);
      time.at(late(), () => way.send(double, double.length));
    }
    if (reordering > 0 && random.nextBoolean(reordering)) {
      time.at(late(), () => way.send(copy, copy.length));
    } else {
      way.send(copy, copy.length);
    }
    return true;
  }

  disconnect(peer: PeerId, reason: string): void {
    this.#soon(() => {
      if (this.#handler !== undefined) this.#links.get(peer)?.disconnect(reason);
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handler = undefined;
    this.#options.handleClosed();
    for (const link of this.#links.values()) link.close("closed");
    this.#links.clear();
  }

  /** Takes the connection of a caller, whose hello is what comes first. */
  accept(end: WireEnd<Uint8Array>): void {
    const { time, life, limits } = this.#options;
    let link: PeerLink | undefined;
    let isJudged = false;
    // One that was put off by a pause may come after the hello.
    const expire = life.guard(() => {
      if (!isJudged) end.fail("no hello");
    });
    const deadline = time.at(limits.helloDeadlineMs, expire);
    end.bind(life, {
      handlePayload: (payload) => {
        if (isJudged) {
          link?.handleFrame(end, payload);
          return;
        }
        isJudged = true;
        deadline.cancel();
        link = this.#judge(end, payload);
      },
      handleClosed: (reason) => {
        deadline.cancel();
        link?.handleIncomingEnded(end, reason);
      },
    });
  }

  /** Judges a caller's hello; answers the link that took the call. */
  #judge(end: WireEnd<Uint8Array>, hello: Uint8Array): PeerLink | undefined {
    const handler = this.#handler;
    if (handler === undefined) {
      end.close(this.#isClosed ? "closed" : "starting", "keep");
      return undefined;
    }
    const verdict = handler.handleHello(hello);
    if (verdict.kind === "refused") {
      end.close(verdict.reason, "keep");
      return undefined;
    }
    const link = this.#links.get(verdict.peerId);
    if (link === undefined) {
      end.close(`replica ${verdict.peerId} is not among the peers here`, "keep");
      return undefined;
    }
    const answer = handler.hello();
    link.accept(end);
    end.send(answer, answer.length);
    return link;
  }

  #startLink(link: PeerLink): void {
    if (this.#handler !== undefined) link.start();
  }

  #createLink(peer: PeerAddress): PeerLink {
    const { time, random, life, limits } = this.#options;
    const { peerId, address } = peer;
    return new PeerLink(
      { peer, time, random, life, limits },
      {
        hello: () => this.#handler?.hello() ?? new Uint8Array(),
        refuseAnswer: (hello) => this.#refuseAnswer(peerId, hello),
        handleConnected: () => this.#handler?.handleConnected(peerId),
        handleDisconnected: (reason) => this.#handler?.handleDisconnected(peerId, reason),
        handleFrame: (frame) => this.#handler?.handleFrame(peerId, frame),
        handleCallFailed: (reason) => this.#handler?.handleRefused(peerId, reason),
        open: (listener) => this.#options.open(serverOfAddress(address), listener),
      },
    );
  }

  #refuseAnswer(peerId: PeerId, hello: Uint8Array): string | undefined {
    const verdict = this.#handler?.handleHello(hello);
    if (verdict === undefined) return "closed";
    if (verdict.kind === "refused") return verdict.reason;
    if (verdict.peerId === peerId) return undefined;
    return `replica ${verdict.peerId} answers at the address of replica ${peerId}`;
  }

  #soon(callback: () => void): void {
    this.#options.time.at(0, this.#options.life.guard(callback));
  }
}
