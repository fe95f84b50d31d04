// The listening side: an HTTP/2 server on its own port that takes calls of PeerService.Exchange and
// nothing else. One connection carries one call; one without an accepted call is closed after the
// hello deadline, so that strangers hold nothing for long. Whom to accept is the owner's choice.
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { Clock, Timer } from "../io/clock.ts";
import { exchangePath } from "./grpc-wire.ts";
import { type CallVerdict, IncomingCall } from "./incoming-call.ts";
import { keepAlive, sessionOptions, widenWindow } from "./peer-session.ts";
import type { TransportLimits } from "./transport-limits.ts";

/**
 * Judges a caller by its hello, from the event loop. The owner keeps the call where it accepts it.
 */
export type JudgeCall = (call: IncomingCall, hello: Uint8Array) => CallVerdict;

/** The server. */
export class PeerListener {
  readonly #server: Http2Server;
  readonly #clock: Clock;
  readonly #limits: TransportLimits;
  readonly #judgeCall: JudgeCall;
  /** Every open connection, with the timer that looks whether its call is accepted. */
  readonly #sessions = new Map<ServerHttp2Session, Timer>();

  constructor(options: {
    readonly clock: Clock;
    readonly limits: TransportLimits;
    readonly judgeCall: JudgeCall;
  }) {
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#judgeCall = options.judgeCall;
    this.#server = createServer(sessionOptions);
    this.#server.maxConnections = options.limits.callersMax;
    this.#server.on("session", (session) => this.#handleSession(session));
    this.#server.on("stream", (stream, headers) => {
      this.#handleStream(stream as ServerHttp2Stream, headers);
    });
    // Garbage on the port ends its own connection; there is nobody to tell.
    this.#server.on("sessionError", () => {});
  }

  /** Resolves with the port; rejects where it cannot be had, naming it. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.on("error", (error: NodeJS.ErrnoException) => {
        const reason = error.code === "EADDRINUSE" ? "is in use by another process" : error.message;
        reject(new Error(`cannot listen for other servers: ${host}:${port} ${reason}`));
      });
      this.#server.listen(port, host, () => {
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Ends all connections; resolves when the port is free. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      // The only error is that it did not listen, which is just as well.
      this.#server.close(() => resolve());
      for (const session of this.#sessions.keys()) session.destroy();
    });
  }

  #handleSession(session: ServerHttp2Session): void {
    this.#expire(session, () => false);
    session.once("close", () => {
      this.#sessions.get(session)?.cancel();
      this.#sessions.delete(session);
    });
    widenWindow(session);
    keepAlive(session, this.#clock, this.#limits);
  }

  #handleStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const session = stream.session as ServerHttp2Session;
    const isGrpc = headers["content-type"]?.startsWith("application/grpc") === true;
    if (headers[":method"] !== "POST" || headers[":path"] !== exchangePath || !isGrpc) {
      // For one who tries by hand; also ends an upload that would follow.
      stream.on("error", () => {});
      stream.respond({ ":status": isGrpc ? 404 : 415 }, { endStream: true });
      return;
    }
    const call = new IncomingCall(stream, this.#limits, this.#judgeCall);
    this.#expire(session, () => call.isAccepted());
    // The caller hangs up when it has read why it ended; this is for one that does not.
    stream.once("finish", () => this.#expire(session, () => false));
  }

  /** Gives a connection until the hello deadline to be in use, or be gone. */
  #expire(session: ServerHttp2Session, isInUse: () => boolean): void {
    this.#sessions.get(session)?.cancel();
    if (session.destroyed) return;
    const deadline = this.#clock.setTimer(this.#limits.helloDeadlineMs, () => {
      if (!isInUse()) session.destroy();
    });
    this.#sessions.set(session, deadline);
  }
}
