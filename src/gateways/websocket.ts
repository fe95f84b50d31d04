// The session stream over WebSocket (RFC 6455), at /session: one binary message is one frame. Text,
// fragments over the limit and broken frames get a goodbye and a fitting close code. Frames and
// requests are session.ts's matter.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import type { Frame } from "./frames.ts";
import type { GatewayContext } from "./gateway-context.ts";
import type { FrameSink, Session, StreamEnding } from "./session.ts";
import { handleSessionFrame } from "./session-frame.ts";
import { bearerToken } from "./tokens.ts";

/** RFC 6455 §7.4.1. */
const unsupportedData = 1003;
const invalidPayload = 1007;
const tooBig = 1009;
/** RFC 6455 §5.5: what a close frame can hold besides its code. */
const closeReasonBytesMax = 123;

/**
 * A socket that can still be written to when its receiver finds the incoming bytes unacceptable: ws
 * closes it then, before anybody hears of the error.
 */
class SessionSocket extends WebSocket {
  handleReceiverError: ((closeCode: number) => void) | undefined;

  override close(code?: number, reason?: string | Buffer): void {
    const handle = this.handleReceiverError;
    this.handleReceiverError = undefined;
    const isReceiverError = code === tooBig || code === 1002 || code === invalidPayload;
    if (handle !== undefined && isReceiverError) handle(code);
    super.close(code, reason);
  }
}

/** Opens sessions over WebSocket. */
export class WebSocketGate {
  readonly #context: GatewayContext;
  readonly #open: (sink: FrameSink, token: string | undefined) => Session;
  readonly #server: WebSocketServer;
  readonly #links = new Set<WebSocketLink>();
  readonly #stopPinging: () => void;

  /** `open` makes the session for a stream. */
  constructor(
    context: GatewayContext,
    open: (sink: FrameSink, token: string | undefined) => Session,
  ) {
    this.#context = context;
    this.#open = open;
    this.#server = new WebSocketServer({
      noServer: true,
      WebSocket: SessionSocket,
      clientTracking: false,
      maxPayload: context.limits.frameBytesMax,
      perMessageDeflate: false,
      // Text is refused whatever it holds.
      skipUTF8Validation: true,
    });
    this.#stopPinging = everyInterval(context, () => {
      for (const link of this.#links) link.ping();
    });
  }

  /** Takes over the socket of an upgrade request for /session. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const token = bearerToken(request.headers.authorization);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      const link = new WebSocketLink(this.#context, webSocket as SessionSocket, socket);
      this.#links.add(link);
      webSocket.on("close", () => this.#links.delete(link));
      link.serve(this.#open(link, token));
    });
  }

  /** Stops pinging. Sockets are closed by their sessions. */
  close(): void {
    this.#stopPinging();
    this.#server.close();
  }
}

/** One WebSocket and its session. */
class WebSocketLink implements FrameSink {
  readonly #context: GatewayContext;
  readonly #webSocket: SessionSocket;
  // Finished frames are written here directly: the same bytes serve every session, with the
  // WebSocket header in front, which ws would make anew for each. ws writes whole frames at once
  // too, so the two never mix.
  readonly #socket: Duplex;
  #hasBeenHeard = true;

  constructor(context: GatewayContext, webSocket: SessionSocket, socket: Duplex) {
    this.#context = context;
    this.#webSocket = webSocket;
    this.#socket = socket;
  }

  serve(session: Session): void {
    const webSocket = this.#webSocket;
    webSocket.binaryType = "nodebuffer";
    webSocket.handleReceiverError = (closeCode) => {
      if (closeCode === tooBig) session.handleTooLarge(closeCode);
      else session.handleMalformed("A WebSocket frame is broken.", closeCode);
      session.flush();
    };
    webSocket.on("message", (data: Buffer, isBinary: boolean) => {
      this.#hasBeenHeard = true;
      if (isBinary) {
        handleSessionFrame(session, data);
      } else {
        session.handleMalformed("Text came; frames are binary messages.", unsupportedData);
      }
    });
    webSocket.on("pong", () => {
      this.#hasBeenHeard = true;
    });
    webSocket.on("error", (error) => {
      this.#context.logger.debug({ error: error.message }, "a WebSocket failed");
    });
    webSocket.on("close", () => session.handleClosed());
  }

  send(frame: Frame): void {
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#socket.write(frame.webSocketMessage);
  }

  queuedBytes(): number {
    return this.#socket.writableLength;
  }

  end(ending: StreamEnding | undefined): void {
    this.#webSocket.handleReceiverError = undefined;
    const reason = Buffer.from(ending?.refusal.message ?? "").subarray(0, closeReasonBytesMax);
    this.#webSocket.close(ending?.closeCode ?? 1000, reason);
    const { clock, limits } = this.#context;
    const timer = clock.setTimer(limits.lingerMs, () => this.#webSocket.terminate());
    this.#webSocket.on("close", () => timer.cancel());
  }

  ping(): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    if (!this.#hasBeenHeard) {
      this.#webSocket.terminate();
      return;
    }
    this.#hasBeenHeard = false;
    this.#webSocket.ping();
  }
}

/** Calls back every `pingIntervalMs`; answers how to stop. */
function everyInterval(context: GatewayContext, callback: () => void): () => void {
  const { clock, limits } = context;
  let timer = clock.setTimer(limits.pingIntervalMs, tick);
  function tick() {
    callback();
    timer = clock.setTimer(limits.pingIntervalMs, tick);
  }
  return () => timer.cancel();
}
