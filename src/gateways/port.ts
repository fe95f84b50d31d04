// One TCP port for HTTP/1.1 and HTTP/2 without TLS: looks at a connection's first bytes and hands
// it to the fitting server of Node. Bounds connections, headers and idle time. Knows nothing of
// what is asked.
import {
  createServer as createHttp1Server,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { addressKey } from "./address-key.ts";
import type { GatewayContext } from "./gateway-context.ts";
import type { NodeRequest, NodeResponse } from "./http-handler.ts";

/** An address to listen on. Port 0: any free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Why the client port cannot be opened: one sentence for the operator. */
export class ListenError extends Error {
  override name = "ListenError";
  /** The system's code, such as EADDRINUSE. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a port does with what comes in. */
export interface PortHandlers {
  handleRequest(request: NodeRequest, response: NodeResponse): void;
  /** A request to change the protocol; the handler owns the socket from here on. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Whether requests to this path may take as long as they like. */
  isStreaming(path: string): boolean;
}

/**
 * How an HTTP/2 connection begins (RFC 9113 §3.4: "PRI * HTTP/2.0…"); no method of HTTP/1 does.
 */
const http2Preface = Buffer.from("PRI");
/** Sockets that may wait to be told that there are too many. */
const connectionsOverMax = 64;
/** How long such a socket has to read it. */
const turnAwayMs = 1_000;
const closePollMs = 20;
/**
 * How long HTTP/1.1 connections without a request stay open when the port closes. Nothing in
 * HTTP/1.1 tells a client beforehand, and a request that meets the end of its connection fails: so
 * who asks often gets an answer first, with `connection: close` (RFC 9112 §9.6).
 */
const idleGraceMs = 250;

/** The client port. */
export class Port {
  readonly #context: GatewayContext;
  readonly #handlers: PortHandlers;
  readonly #server: Server;
  readonly #http1;
  readonly #http2;
  readonly #sockets = new Set<Socket>();
  /** Those of which nothing has come yet. */
  readonly #silentSockets = new Set<Socket>();
  readonly #socketsByAddress = new Map<string, number>();
  readonly #http2Sessions = new Set<ServerHttp2Session>();
  /** Answers over HTTP/1.1 that are not finished. */
  readonly #http1Responses = new Set<ServerResponse>();
  #isClosing = false;

  constructor(context: GatewayContext, handlers: PortHandlers) {
    this.#context = context;
    this.#handlers = handlers;
    this.#http1 = this.#createHttp1();
    this.#http2 = this.#createHttp2();
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) =>
      this.#handleSocket(socket),
    );
    this.#server.maxConnections = context.limits.connectionsMax + connectionsOverMax;
  }

  /** Listens; answers where, or throws a ListenError that names the address and what to change. */
  listen(address: ListenAddress): Promise<ListenAddress> {
    return new Promise((resolve, reject) => {
      const handleError = (error: NodeJS.ErrnoException) => reject(listenError(error, address));
      this.#server.once("error", handleError);
      this.#server.listen({ ...address, backlog: 1024 }, () => {
        this.#server.off("error", handleError);
        this.#server.on("error", (error) => {
          this.#context.logger.error({ error: error.message }, "the client port failed");
        });
        const bound = this.#server.address();
        const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
        resolve({ host: address.host, port });
      });
    });
  }

  /**
   * Takes no more connections, lets what is under way end, and cuts the rest after `graceMs`.
   * Clients are told to take their next request elsewhere: over HTTP/2 by GOAWAY (RFC 9113 §6.8),
   * over HTTP/1.1 with the next answer.
   */
  close({ graceMs }: { readonly graceMs: number }): Promise<void> {
    const { clock } = this.#context;
    const beganMs = clock.monotonicMs();
    const endMs = beganMs + graceMs;
    const idleEndMs = beganMs + Math.min(idleGraceMs, graceMs / 2);
    this.#isClosing = true;
    this.#server.close();
    for (const session of this.#http2Sessions) session.close();
    for (const response of this.#http1Responses) announceClose(response);
    return new Promise((resolve) => {
      const poll = () => {
        if (clock.monotonicMs() >= idleEndMs) {
          this.#http1.closeIdleConnections();
          for (const socket of this.#silentSockets) socket.destroy();
        }
        if (this.#sockets.size > 0 && clock.monotonicMs() < endMs) {
          clock.setTimer(closePollMs, poll);
          return;
        }
        for (const session of this.#http2Sessions) session.destroy();
        for (const socket of this.#sockets) socket.destroy();
        this.#http1.close();
        this.#http2.close();
        resolve();
      };
      poll();
    });
  }

  #createHttp1() {
    const { limits, logger } = this.#context;
    const server = createHttp1Server(
      {
        // Node insists on this order of the two.
        headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
        requestTimeout: limits.requestTimeoutMs,
        keepAliveTimeout: limits.idleTimeoutMs,
        maxHeaderSize: limits.headerBytesMax,
        connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
        requireHostHeader: true,
      },
      (request, response) => {
        this.#http1Responses.add(response);
        response.once("close", () => this.#http1Responses.delete(response));
        if (this.#isClosing) announceClose(response);
        this.#handlers.handleRequest(request, response);
      },
    );
    server.on("upgrade", (request, socket, head) => {
      socket.on("error", () => socket.destroy());
      this.#handlers.handleUpgrade(request, socket, head);
    });
    server.on("dropRequest", () => logger.debug("a request was dropped"));
    // It never listens itself, and only when it listens does Node begin to look for requests that
    // take too long.
    server.emit("listening");
    return server;
  }

  #createHttp2() {
    const { limits, logger } = this.#context;
    const server = createHttp2Server({
      settings: {
        maxConcurrentStreams: limits.http2StreamsMax,
        maxHeaderListSize: limits.headerBytesMax,
      },
    });
    server.on("request", (request, response) => {
      const path = (request.url ?? "").split("?", 1)[0] ?? "";
      if (!this.#handlers.isStreaming(path)) this.#limitHttp2Request(request, response);
      this.#handlers.handleRequest(request, response);
    });
    server.on("session", (session) => this.#handleHttp2Session(session));
    server.on("sessionError", (error) => logger.debug({ error: error.message }, "HTTP/2 failed"));
    return server;
  }

  /** Node bounds the time of an HTTP/1.1 request by itself, but not that of an HTTP/2 stream. */
  #limitHttp2Request(request: NodeRequest, response: NodeResponse): void {
    const { clock, limits } = this.#context;
    const timer = clock.setTimer(limits.requestTimeoutMs, () => {
      if ("stream" in request && !request.complete) request.stream.close();
    });
    request.once("end", () => timer.cancel());
    response.once("close", () => timer.cancel());
  }

  #handleHttp2Session(session: ServerHttp2Session): void {
    const { clock, limits, logger } = this.#context;
    let streams = 0;
    let timer = clock.setTimer(limits.idleTimeoutMs, () => session.close());
    session.on("stream", (stream) => {
      streams += 1;
      timer.cancel();
      stream.once("close", () => {
        streams -= 1;
        if (streams > 0) return;
        timer.cancel();
        timer = clock.setTimer(limits.idleTimeoutMs, () => session.close());
      });
    });
    this.#http2Sessions.add(session);
    if (this.#isClosing) session.close();
    const stopPinging = this.#pingHttp2(session);
    session.on("error", (error) => logger.debug({ error: error.message }, "HTTP/2 failed"));
    session.once("close", () => {
      timer.cancel();
      stopPinging();
      this.#http2Sessions.delete(session);
    });
  }

  /** Finds connections whose other end is gone without a word. */
  #pingHttp2(session: ServerHttp2Session): () => void {
    const { clock, limits } = this.#context;
    let isAnswered = true;
    const tick = () => {
      if (session.destroyed) return;
      if (!isAnswered) {
        session.destroy();
        return;
      }
      isAnswered = false;
      session.ping(() => {
        isAnswered = true;
      });
      timer = clock.setTimer(limits.pingIntervalMs, tick);
    };
    let timer = clock.setTimer(limits.pingIntervalMs, tick);
    return () => timer.cancel();
  }

  #handleSocket(socket: Socket): void {
    const { limits } = this.#context;
    socket.on("error", () => socket.destroy());
    const key = addressKey(socket.remoteAddress ?? "");
    const ofAddress = this.#socketsByAddress.get(key) ?? 0;
    const isFull = this.#sockets.size >= limits.connectionsMax;
    if (isFull || ofAddress >= limits.connectionsPerAddressMax) {
      this.#turnAway(socket);
      return;
    }
    this.#socketsByAddress.set(key, ofAddress + 1);
    this.#sockets.add(socket);
    socket.once("close", () => this.#forget(socket, key));
    this.#tellApart(socket);
  }

  #forget(socket: Socket, key: string): void {
    this.#sockets.delete(socket);
    const left = (this.#socketsByAddress.get(key) ?? 1) - 1;
    if (left === 0) this.#socketsByAddress.delete(key);
    else this.#socketsByAddress.set(key, left);
  }

  #turnAway(socket: Socket): void {
    const text = "This server has as many connections as it takes. Try again, or another server.\n";
    socket.end(
      `HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n` +
        `content-type: text/plain\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    );
    // Bytes that stay unread when a socket is closed make the system drop the answer with them.
    socket.resume();
    const timer = this.#context.clock.setTimer(turnAwayMs, () => socket.destroy());
    socket.once("close", () => timer.cancel());
  }

  /** Waits for the first bytes and hands the socket, with them, to the server that they ask for. */
  #tellApart(socket: Socket): void {
    const { clock, limits } = this.#context;
    const timer = clock.setTimer(limits.firstByteTimeoutMs, () => socket.destroy());
    this.#silentSockets.add(socket);
    let head: Buffer | undefined;
    const look = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      head = head === undefined ? chunk : Buffer.concat([head, chunk]);
      const compared = Math.min(head.length, http2Preface.length);
      const isHttp2 = head.compare(http2Preface, 0, compared, 0, compared) === 0;
      if (isHttp2 && compared < http2Preface.length) return;
      timer.cancel();
      this.#silentSockets.delete(socket);
      socket.off("readable", look);
      // Only now: bytes put back while "readable" is heard would be announced again at once.
      socket.unshift(head);
      (isHttp2 ? this.#http2 : this.#http1).emit("connection", socket);
    };
    socket.on("readable", look);
    socket.once("close", () => {
      timer.cancel();
      this.#silentSockets.delete(socket);
    });
    socket.once("end", () => {
      if (head === undefined) socket.destroy();
    });
  }
}

/** The connection ends after this answer, and its client knows. */
function announceClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("connection", "close");
}

function listenError(error: NodeJS.ErrnoException, { host, port }: ListenAddress): ListenError {
  const code = error.code ?? "UNKNOWN";
  const where = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const advice: Record<string, string> = {
    EADDRINUSE:
      "another program is using it. Stop that program, or give this server another client address.",
    EACCES: "this user may not use it. Choose a port above 1023, or grant the right to bind it.",
    EADDRNOTAVAIL: "this machine has no such address. Choose one of its own, or 0.0.0.0 for all.",
    ENOTFOUND: "the host name is unknown. Choose an address of this machine, or 0.0.0.0 for all.",
  };
  const why = advice[code] ?? `the system refused (${error.message}).`;
  return new ListenError(code, `The client port ${where} cannot be opened: ${why}`);
}
