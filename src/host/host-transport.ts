// The transport between replicas over gRPC streams (HTTP/2 without TLS): the port io/transport.ts
// on a real network. Each replica calls every peer and uses its own call for what it sends; the
// callee's side carries its hello and nothing else, so that either side that restarts finds the
// others at once, whoever called before. Frames are opaque; who may connect is the handler's
// choice. Promises no delivery: consensus copes with any loss.
import { assert } from "../base/assert.ts";
import type { Clock } from "../io/clock.ts";
import type { PeerAddress, PeerId, Transport, TransportHandler } from "../io/transport.ts";
import type { CallVerdict, IncomingCall } from "./incoming-call.ts";
import { LogLimiter } from "./log-limiter.ts";
import type { CallEnd } from "./peer-call.ts";
import { PeerLink } from "./peer-link.ts";
import { PeerListener } from "./peer-listener.ts";
import { defaultTransportLimits, type TransportLimits } from "./transport-limits.ts";

/** Where the transport writes what an operator should know; pino's loggers fit. */
export interface TransportLogger {
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
}

/** The transport with what only the real machine has. */
export interface HostTransport extends Transport {
  /** Opens the port, before `start`. Rejects, naming host and port, where it cannot be had. */
  listen(): Promise<{ readonly port: number }>;
  /** Ends everything at once, without a word to the handler; resolves when the port is free. */
  close(): Promise<void>;
}

/** What a transport is made of. */
export interface HostTransportOptions {
  /** The address to listen at, such as "127.0.0.1" or "::". */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: TransportLogger;
  /** What differs from `defaultTransportLimits`. */
  readonly limits?: Partial<TransportLimits>;
}

const failedCallTexts: Readonly<Record<CallEnd["kind"], string>> = {
  refused: "peer refused the call",
  unfit: "refused the answer of peer",
  broken: "cannot reach peer",
};

/** Makes a transport. Call `listen`, then `setPeers` and `start`. */
export function createHostTransport(options: HostTransportOptions): HostTransport {
  return new GrpcTransport(options);
}

class GrpcTransport implements HostTransport {
  readonly #options: HostTransportOptions;
  readonly #limits: TransportLimits;
  readonly #listener: PeerListener;
  readonly #logLimiter: LogLimiter;
  /** The peers of the last `setPeers`, and no others. */
  readonly #links = new Map<PeerId, PeerLink>();
  /**
   * Undefined before `start` and after `close`: callers are told to come back, and nobody is
   * called.
   */
  #handler: TransportHandler | undefined;
  #state: "new" | "listening" | "closed" = "new";

  constructor(options: HostTransportOptions) {
    this.#options = options;
    this.#limits = { ...defaultTransportLimits, ...options.limits };
    this.#logLimiter = new LogLimiter(this.#limits.logIntervalMs, () =>
      options.clock.monotonicMs(),
    );
    this.#listener = new PeerListener({
      clock: options.clock,
      limits: this.#limits,
      judgeCall: (call, hello) => this.#judgeCall(call, hello),
    });
  }

  async listen(): Promise<{ readonly port: number }> {
    assert(this.#state === "new", "a transport listens once");
    const port = await this.#listener.listen(this.#options.host, this.#options.port);
    this.#state = "listening";
    return { port };
  }

  start(handler: TransportHandler): void {
    assert(this.#state === "listening", "a transport starts after it listens");
    assert(this.#handler === undefined, "a transport starts once");
    this.#handler = handler;
    for (const link of this.#links.values()) link.start();
  }

  setPeers(peers: readonly PeerAddress[]): void {
    if (this.#state === "closed") return;
    const addresses = new Map(peers.map((peer) => [peer.peerId, peer.address]));
    assert(addresses.size === peers.length, "each peer is given once");
    const dropped: PeerLink[] = [];
    for (const link of this.#links.values()) {
      if (addresses.get(link.peerId) === link.address) continue;
      this.#links.delete(link.peerId);
      dropped.push(link);
    }
    // The handler may be in the middle of something: it hears of what this breaks when it has
    // finished.
    queueMicrotask(() => {
      for (const link of dropped) link.close("no longer a peer at this address");
    });
    for (const peer of peers) {
      if (this.#links.has(peer.peerId)) continue;
      const link = this.#createLink(peer);
      this.#links.set(peer.peerId, link);
      if (this.#handler !== undefined) link.start();
    }
  }

  send(peer: PeerId, frame: Uint8Array): boolean {
    if (frame.length > this.#limits.frameBytesMax) {
      this.#warn(`size ${peer}`, { peer, bytes: frame.length }, "frame is too large to be sent");
      return false;
    }
    return this.#links.get(peer)?.send(frame) ?? false;
  }

  disconnect(peer: PeerId, reason: string): void {
    queueMicrotask(() => {
      if (this.#handler !== undefined) this.#links.get(peer)?.disconnect(reason);
    });
  }

  close(): Promise<void> {
    this.#state = "closed";
    this.#handler = undefined;
    for (const link of this.#links.values()) link.close("closed");
    this.#links.clear();
    return this.#listener.close();
  }

  #createLink(peer: PeerAddress): PeerLink {
    const { peerId, address } = peer;
    assert(URL.canParse(`http://${address}`), `not an address of a peer: "${address}"`);
    const fields = { peer: peerId, address };
    return new PeerLink(
      { peer, clock: this.#options.clock, limits: this.#limits },
      {
        hello: () => this.#handler?.hello() ?? new Uint8Array(),
        judgeAnswer: (hello) => ({ refusal: this.#refuseAnswer(peerId, hello) }),
        handleConnected: () => {
          this.#options.logger.info(fields, "connected with peer");
          this.#handler?.handleConnected(peerId);
        },
        handleDisconnected: (reason) => {
          this.#options.logger.info({ ...fields, reason }, "disconnected from peer");
          this.#handler?.handleDisconnected(peerId, reason);
        },
        handleFrame: (frame) => this.#handler?.handleFrame(peerId, frame),
        handleCallFailed: (end) => {
          this.#logFailedCall(fields, end);
          if (end.kind === "refused") this.#handler?.handleRefused(peerId, end.reason);
        },
      },
    );
  }

  #judgeCall(call: IncomingCall, hello: Uint8Array): CallVerdict {
    const handler = this.#handler;
    if (handler === undefined) return { kind: "unavailable", reason: "starting" };
    const verdict = handler.handleHello(hello);
    if (verdict.kind === "refused") {
      const { reason } = verdict;
      const fields = { remoteAddress: call.remoteAddress, reason };
      this.#warn(
        `refused ${call.remoteAddress} ${reason}`,
        fields,
        "refused the call of a replica",
      );
      return verdict;
    }
    const link = this.#links.get(verdict.peerId);
    if (link === undefined) {
      return { kind: "refused", reason: `replica ${verdict.peerId} is not among the peers here` };
    }
    const answer = handler.hello();
    link.accept(call);
    return { kind: "accepted", answer };
  }

  #refuseAnswer(peerId: PeerId, hello: Uint8Array): string | undefined {
    const verdict = this.#handler?.handleHello(hello);
    if (verdict === undefined) return "closed";
    if (verdict.kind === "refused") return verdict.reason;
    if (verdict.peerId === peerId) return undefined;
    return `replica ${verdict.peerId} answers at the address of replica ${peerId}`;
  }

  #logFailedCall(fields: { readonly peer: PeerId; readonly address: string }, end: CallEnd): void {
    const text = failedCallTexts[end.kind];
    const key = `call ${fields.peer} ${end.reason}`;
    this.#warn(key, { ...fields, reason: end.reason }, text);
  }

  #warn(key: string, fields: Readonly<Record<string, unknown>>, text: string): void {
    const suppressed = this.#logLimiter.pass(key);
    if (suppressed === undefined) return;
    this.#options.logger.warn(suppressed === 0 ? fields : { ...fields, suppressed }, text);
  }
}
