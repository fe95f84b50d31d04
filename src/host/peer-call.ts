// One call to a peer: an HTTP/2 connection with one gRPC stream, PeerService.Exchange. We send; the
// callee answers with its hello and nothing more. Ends once and is not used again; calling again is
// the business of peer-link.ts.
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { Code } from "@connectrpc/connect";
import type { Clock, Timer } from "../io/clock.ts";
import {
  decodeStatus,
  EnvelopeReader,
  encodeEnvelope,
  exchangePath,
  type GrpcStatus,
  grpcContentType,
} from "./grpc-wire.ts";
import { describeError, keepAlive, sessionOptions, widenWindow } from "./peer-session.ts";
import type { TransportLimits } from "./transport-limits.ts";

/** Why a call ended. */
export interface CallEnd {
  /**
   * "refused": the callee said no to our hello. "unfit": we said no to its hello. "broken": all
   * else, from no route to a killed process.
   */
  readonly kind: "refused" | "unfit" | "broken";
  readonly reason: string;
}

/** What a call tells its owner, from the event loop. */
export interface PeerCallEvents {
  /** At most once: the callee accepted us, and this is its hello. */
  handleAnswer(hello: Uint8Array): void;
  /** At most once, and last; never after `end`. */
  handleEnded(end: CallEnd): void;
}

/** One call, from the first packet to its end. */
export class PeerCall {
  readonly #events: PeerCallEvents;
  readonly #limits: TransportLimits;
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #reader: EnvelopeReader;
  readonly #deadline: Timer;
  #isAnswered = false;
  #isEnded = false;

  /** Throws where the address is none. `hello` is sent first. */
  constructor(
    options: {
      /** `host:port` */
      readonly address: string;
      readonly hello: Uint8Array;
      readonly clock: Clock;
      readonly limits: TransportLimits;
    },
    events: PeerCallEvents,
  ) {
    const { address, hello, clock, limits } = options;
    this.#events = events;
    this.#limits = limits;
    this.#reader = new EnvelopeReader(limits.helloBytesMax);
    this.#session = connect(`http://${address}`, sessionOptions);
    this.#session.on("error", (error) => this.#finishBroken(describeError(error)));
    this.#session.on("close", () => this.#finishBroken("connection closed"));
    this.#session.on("connect", () => {
      widenWindow(this.#session);
      keepAlive(this.#session, clock, limits);
    });
    this.#stream = this.#session.request({
      ":method": "POST",
      ":path": exchangePath,
      "content-type": grpcContentType,
      te: "trailers",
    });
    this.#listenToStream();
    this.#stream.write(encodeEnvelope(hello));
    this.#deadline = clock.setTimer(limits.helloDeadlineMs, () => {
      this.#finishBroken(`no hello within ${limits.helloDeadlineMs} ms`);
    });
  }

  /**
   * Queues a frame, which is copied; false: dropped, since too much is waiting or the call has
   * ended.
   */
  send(frame: Uint8Array): boolean {
    if (this.#isEnded || this.#stream.destroyed) return false;
    // What Node has taken but flow control holds back counts as waiting, too.
    if (this.#stream.writableLength + frame.length > this.#limits.peerBufferBytesMax) return false;
    this.#stream.write(encodeEnvelope(frame));
    return true;
  }

  /** Ends the call and drops what waits; no event comes after it. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#deadline.cancel();
    this.#session.destroy();
  }

  #listenToStream(): void {
    this.#stream.on("error", (error) => this.#finishBroken(describeError(error)));
    this.#stream.on("close", () => this.#finishBroken("stream closed"));
    this.#stream.on("end", () => this.#finishBroken("ended by the peer"));
    this.#stream.on("response", (headers) => {
      const status = decodeStatus(headers);
      if (status !== undefined) this.#finishWith(status);
      else if (headers[":status"] !== 200) this.#finishBroken(`HTTP status ${headers[":status"]}`);
    });
    this.#stream.on("trailers", (trailers) => {
      const status = decodeStatus(trailers);
      if (status !== undefined) this.#finishWith(status);
    });
    this.#stream.on("data", (chunk: Uint8Array) => {
      this.#reader.push(chunk);
      this.#readAnswer();
    });
  }

  #readAnswer(): void {
    for (let next = this.#reader.next(); next !== undefined; next = this.#reader.next()) {
      if (this.#isEnded) return;
      if ("error" in next) {
        this.#finishWith(next.error);
        return;
      }
      if (this.#isAnswered) {
        this.#finishBroken("more than a hello came back");
        return;
      }
      this.#isAnswered = true;
      this.#deadline.cancel();
      this.#events.handleAnswer(next.payload);
    }
  }

  #finishWith(status: GrpcStatus): void {
    const kind = status.code === Code.FailedPrecondition ? "refused" : "broken";
    this.#finish({ kind, reason: status.message });
  }

  #finishBroken(reason: string): void {
    this.#finish({ kind: "broken", reason });
  }

  #finish(end: CallEnd): void {
    if (this.#isEnded) return;
    this.end();
    this.#events.handleEnded(end);
  }
}
