// The gateway: everything that clients reach on one port, put together. The parts know each other
// only through what is handed to them here.
import { randomBytes as secureRandomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ChatQueries } from "../chat/index.ts";
import type { Clock } from "../io/clock.ts";
import { Accounts } from "./accounts.ts";
import type { ChatReplica, GatewayContext, GatewayLogger } from "./gateway-context.ts";
import { createHttpHandler } from "./http-handler.ts";
import { Hub } from "./hub.ts";
import { defaultGatewayLimits, type GatewayLimits } from "./limits.ts";
import { type ListenAddress, Port } from "./port.ts";
import { QueryDesk } from "./queries.ts";
import { ReplayDesk } from "./replay.ts";
import { type FrameSink, Session } from "./session.ts";
import { Tokens } from "./tokens.ts";
import { WebSocketGate } from "./websocket.ts";

/** What a gateway is made of. */
export interface GatewayOptions {
  readonly replica: ChatReplica;
  /** The chat state that the replica applies to; read on this thread, between applications. */
  readonly chat: ChatQueries;
  readonly clock: Clock;
  readonly logger: GatewayLogger;
  readonly limits?: Partial<GatewayLimits>;
  /** Random bytes fit for secrets; by default the system's. */
  readonly randomBytes?: (length: number) => Uint8Array;
}

/** The client port of one server. */
export interface Gateway {
  /**
   * Listens; answers where. Rejects with a ListenError that names the address and what to change.
   */
  listen(address: ListenAddress): Promise<ListenAddress>;
  /**
   * Stops: not ready at once, no new connections, a goodbye to every session as soon as what it
   * asked is answered, and an end to all that is left after `graceMs`. Resolves when nothing of it
   * is left.
   */
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** Makes a gateway. It hears of applied commands from now on, and serves from `listen` on. */
export function createGateway(options: GatewayOptions): Gateway {
  const context: GatewayContext = {
    replica: options.replica,
    chat: options.chat,
    clock: options.clock,
    logger: options.logger,
    limits: { ...defaultGatewayLimits, ...options.limits },
    randomBytes: options.randomBytes ?? secureRandomBytes,
  };
  const hub = new Hub(context);
  const tokens = new Tokens(context);
  const queries = new QueryDesk(context);
  const replays = new ReplayDesk(context);
  const accounts = new Accounts(context, tokens);
  const sessions = new SessionSet({ context, hub, tokens, queries, replays });
  const openSession = (sink: FrameSink, token: string | undefined) => sessions.open(sink, token);
  const webSockets = new WebSocketGate(context, openSession);
  let isClosing = false;
  const readiness = () =>
    isClosing ? { ready: false, reason: "this server is stopping" } : context.replica.readiness();
  const services = { context, hub, tokens, queries, replays, accounts, openSession };
  const port = new Port(context, {
    handleRequest: createHttpHandler(services, readiness),
    handleUpgrade: (request, socket, head) => upgrade(webSockets, request, socket, head),
    isStreaming: (path) => path === "/chat.v1.ChatService/Session",
  });
  return {
    listen: (address) => port.listen(address),
    close: async ({ graceMs }) => {
      isClosing = true;
      sessions.drain();
      // The last part of the grace is for sessions that are told to leave with something still
      // unanswered.
      const leaveTimer = context.clock.setTimer(graceMs * 0.8, () => sessions.leave());
      await port.close({ graceMs });
      leaveTimer.cancel();
      webSockets.close();
      hub.close();
    },
  };
}

/** The open sessions of a gateway. */
class SessionSet {
  readonly #services: ConstructorParameters<typeof Session>[0];
  readonly #sessions = new Set<Session>();
  #isDraining = false;

  constructor(services: ConstructorParameters<typeof Session>[0]) {
    this.#services = services;
  }

  open(sink: FrameSink, token: string | undefined): Session {
    const session = new Session(this.#services, sink, token, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    if (this.#isDraining) session.drain();
    return session;
  }

  drain(): void {
    this.#isDraining = true;
    for (const session of this.#sessions) session.drain();
  }

  leave(): void {
    for (const session of this.#sessions) session.leave();
  }
}

function upgrade(
  webSockets: WebSocketGate,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  const path = (request.url ?? "").split("?", 1)[0];
  if (path === "/session") {
    webSockets.handleUpgrade(request, socket, head);
    return;
  }
  const text = "WebSockets are served at /session.\n";
  socket.end(
    `HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-type: text/plain\r\n` +
      `content-length: ${text.length}\r\n\r\n${text}`,
  );
}
