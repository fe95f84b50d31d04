// One call that came in: the server's side of one gRPC stream, PeerService.Exchange. It reads a
// hello, is judged, answers with one hello, and then reads frames as soon as the owner wants them.
// It never judges by itself.
import type { ServerHttp2Stream } from "node:http2";
import { Code } from "@connectrpc/connect";
import {
  EnvelopeReader,
  encodeEnvelope,
  encodeStatus,
  type GrpcStatus,
  grpcContentType,
} from "./grpc-wire.ts";
import { describeError } from "./peer-session.ts";
import type { TransportLimits } from "./transport-limits.ts";

/** What a caller is told. */
export type CallVerdict =
  /** `answer` is our hello. */
  | { readonly kind: "accepted"; readonly answer: Uint8Array }
  | { readonly kind: "refused"; readonly reason: string }
  /** Cannot tell yet: call again. */
  | { readonly kind: "unavailable"; readonly reason: string };

/** One call; nothing is read past the hello before `receive`. */
export class IncomingCall {
  /** The caller's address, for logs. */
  readonly remoteAddress: string;
  readonly #stream: ServerHttp2Stream;
  readonly #reader: EnvelopeReader;
  readonly #frameBytesMax: number;
  readonly #judge: (hello: Uint8Array) => CallVerdict;
  /**
   * "hello": waits for it. "held": accepted, not read on. "open": hands out frames. "ended": for
   * good.
   */
  #state: "hello" | "held" | "open" | "ended" = "hello";
  /** What the caller is told at the end; also in the case that the stream ends by itself. */
  #status: GrpcStatus = { code: Code.Aborted, message: "ended" };
  #handleFrame: (frame: Uint8Array) => void = () => {};
  #handleEnded: (reason: string) => void = () => {};

  /** `judge` is asked once, from the event loop. */
  constructor(
    stream: ServerHttp2Stream,
    limits: TransportLimits,
    judge: (call: IncomingCall, hello: Uint8Array) => CallVerdict,
  ) {
    this.remoteAddress = stream.session?.socket.remoteAddress ?? "unknown";
    this.#stream = stream;
    this.#reader = new EnvelopeReader(limits.helloBytesMax);
    this.#frameBytesMax = limits.frameBytesMax;
    this.#judge = (hello) => judge(this, hello);
    stream.on("error", (error) => this.#break(describeError(error)));
    stream.on("close", () => this.#break("connection closed"));
    stream.on("end", () => this.#break("ended by the caller"));
    stream.on("wantTrailers", () => stream.sendTrailers(encodeStatus(this.#status)));
    stream.on("data", (chunk: Uint8Array) => {
      if (this.#isEnded()) return;
      this.#reader.push(chunk);
      this.#read();
    });
  }

  /** Whether it was accepted and has not ended. */
  isAccepted(): boolean {
    return this.#state === "held" || this.#state === "open";
  }

  /** Who is told, once, when the call ends by itself; not told of `end`. */
  onEnded(handleEnded: (reason: string) => void): void {
    this.#handleEnded = handleEnded;
  }

  /** Hands out frames from now on, one after the other, until the call ends. */
  receive(handleFrame: (frame: Uint8Array) => void): void {
    if (this.#state === "ended") return;
    this.#state = "open";
    this.#handleFrame = handleFrame;
    // Frames that came with the hello wait in the reader; the owner is not to be called from inside
    // its own call.
    setImmediate(() => {
      this.#read();
      if (this.#state === "open") this.#stream.resume();
    });
  }

  /** Ends the call and tells the caller why. */
  end(reason: string): void {
    this.#endWith({ code: Code.Aborted, message: reason });
  }

  #read(): void {
    while (this.#state === "hello" || this.#state === "open") {
      const next = this.#reader.next();
      if (next === undefined) return;
      if ("error" in next) {
        this.#status = next.error;
        this.#break(next.error.message);
      } else if (this.#state === "open") {
        this.#handleFrame(next.payload);
      } else {
        this.#answer(next.payload);
      }
    }
  }

  #answer(hello: Uint8Array): void {
    const verdict = this.#judge(hello);
    if (this.#isEnded() || this.#stream.destroyed) return;
    if (verdict.kind !== "accepted") {
      const code = verdict.kind === "refused" ? Code.FailedPrecondition : Code.Unavailable;
      this.#endWith({ code, message: verdict.reason });
      return;
    }
    if (this.#state === "hello") {
      this.#state = "held";
      this.#stream.pause();
    }
    this.#reader.setPayloadBytesMax(this.#frameBytesMax);
    this.#respond({}, { waitForTrailers: true });
    this.#stream.write(encodeEnvelope(verdict.answer));
  }

  /** The stream is at its end, or what came over it is no good. */
  #break(reason: string): void {
    if (this.#isEnded()) return;
    this.#endWith({ ...this.#status, message: reason });
    this.#handleEnded(reason);
  }

  #endWith(status: GrpcStatus): void {
    if (this.#isEnded()) return;
    this.#state = "ended";
    this.#status = status;
    if (this.#stream.destroyed || this.#stream.closed) return;
    if (this.#stream.headersSent) this.#stream.end();
    else this.#respond(encodeStatus(status), { endStream: true });
    // What still comes is thrown away until the caller hangs up.
    this.#stream.resume();
  }

  #respond(
    headers: ReturnType<typeof encodeStatus>,
    options: { readonly waitForTrailers?: boolean; readonly endStream?: boolean },
  ): void {
    this.#stream.respond({ ":status": 200, "content-type": grpcContentType, ...headers }, options);
  }

  /** A method, since the compiler would otherwise remember what the state was before a call. */
  #isEnded(): boolean {
    return this.#state === "ended";
  }
}
