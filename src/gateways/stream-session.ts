// The session stream over a gRPC (or Connect, gRPC-Web) bidirectional call. Frames that wait for
// the client stand in a queue here, bounded by the session; requests and their meaning are
// session.ts's matter.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ClientFrame, ServerFrameSchema } from "../proto/gen/chat/v1/api_pb.js";
import { toConnectError } from "./errors.ts";
import { type Frame, opaqueServerFrame } from "./frames.ts";
import type { GatewayContext } from "./gateway-context.ts";
import { problemOf } from "./requests.ts";
import type { FrameSink, Session, StreamEnding } from "./session.ts";

/** One call's side of a session stream. */
export interface StreamCall {
  readonly requests: AsyncIterable<ClientFrame>;
  /** Aborts when the call is over, whoever ended it. */
  readonly signal: AbortSignal;
  /** Cuts the call without ceremony. */
  destroy(): void;
}

/** Serves one call. `open` makes the session. */
export async function* serveStream(
  context: GatewayContext,
  call: StreamCall,
  open: (sink: FrameSink) => Session,
): AsyncGenerator<MessageInitShape<typeof ServerFrameSchema>> {
  const queue = new FrameQueue(context, call);
  const session = open(queue);
  const handleAbort = () => queue.close();
  call.signal.addEventListener("abort", handleAbort);
  void takeRequests(call.requests, session);
  try {
    for (;;) {
      const frame = await queue.next();
      if (frame === undefined) break;
      yield opaqueServerFrame(frame.payload);
    }
    if (queue.ending !== undefined) throw toConnectError(queue.ending.refusal);
  } finally {
    call.signal.removeEventListener("abort", handleAbort);
    queue.close();
    session.handleClosed();
  }
}

async function takeRequests(requests: AsyncIterable<ClientFrame>, session: Session): Promise<void> {
  try {
    for await (const frame of requests) {
      session.handleFrame(frame.requests.map((request) => ({ kind: "request", request })));
    }
    session.handleInputEnded();
  } catch (error) {
    // Also when the call is over; the session takes no notice then.
    const { code, rawMessage } = ConnectError.from(error);
    if (code === Code.ResourceExhausted) session.handleTooLarge();
    else session.handleMalformed(`The stream cannot be read: ${problemOf(new Error(rawMessage))}.`);
  }
}

/** Frames on their way to a client that takes them at its own pace. */
class FrameQueue implements FrameSink {
  ending: StreamEnding | undefined;
  readonly #context: GatewayContext;
  readonly #call: StreamCall;
  #frames: Frame[] = [];
  #queuedBytes = 0;
  #isClosed = false;
  #wake: (() => void) | undefined;
  #cancelLinger: (() => void) | undefined;

  constructor(context: GatewayContext, call: StreamCall) {
    this.#context = context;
    this.#call = call;
  }

  send(frame: Frame): void {
    if (this.#isClosed) return;
    this.#frames.push(frame);
    this.#queuedBytes += frame.payload.length;
    this.#wake?.();
  }

  queuedBytes(): number {
    return this.#queuedBytes;
  }

  end(ending: StreamEnding | undefined): void {
    if (this.#isClosed) return;
    this.ending = ending;
    this.#isClosed = true;
    const { clock, limits } = this.#context;
    const timer = clock.setTimer(limits.lingerMs, () => this.#call.destroy());
    this.#cancelLinger = () => timer.cancel();
    this.#wake?.();
  }

  /** Nobody takes frames any more. */
  close(): void {
    this.#isClosed = true;
    this.#frames = [];
    this.#queuedBytes = 0;
    this.#cancelLinger?.();
    this.#wake?.();
  }

  /** The next frame, or undefined after the last. */
  async next(): Promise<Frame | undefined> {
    while (this.#frames.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const frame = this.#frames.shift();
    if (frame !== undefined) this.#queuedBytes -= frame.payload.length;
    return frame;
  }
}
