// What serves clients behind any door: sessions, calls, replays, all over one replica. gateway.ts
// puts a port in front of it, in-process.ts none. Knows no sockets.
import { randomBytes as secureRandomBytes } from "node:crypto";
import type { ChatQueries } from "../chat/index.ts";
import type { Clock } from "../io/clock.ts";
import { Accounts } from "./accounts.ts";
import type { ChatReplica, GatewayContext, GatewayLogger } from "./gateway-context.ts";
import { Hub } from "./hub.ts";
import { defaultGatewayLimits, type GatewayLimits } from "./limits.ts";
import { QueryDesk } from "./queries.ts";
import { ReplayDesk } from "./replay.ts";
import type { RpcServices } from "./rpc.ts";
import { createSecrets, type Secrets } from "./secrets.ts";
import { type FrameSink, Session } from "./session.ts";
import { Tokens } from "./tokens.ts";

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
  /** Hashes and signatures; by default the real ones. */
  readonly secrets?: Secrets;
}

/** The services of a gateway, and its open sessions. */
export interface GatewayServices extends RpcServices {
  readonly sessions: SessionSet;
}

/** Makes them. They hear of applied commands from now on. */
export function createServices(options: GatewayOptions): GatewayServices {
  const context: GatewayContext = {
    replica: options.replica,
    chat: options.chat,
    clock: options.clock,
    logger: options.logger,
    limits: { ...defaultGatewayLimits, ...options.limits },
    randomBytes: options.randomBytes ?? secureRandomBytes,
    secrets: options.secrets ?? createSecrets(),
  };
  const hub = new Hub(context);
  const tokens = new Tokens(context);
  const queries = new QueryDesk(context);
  const replays = new ReplayDesk(context);
  const accounts = new Accounts(context, tokens);
  const sessions = new SessionSet({ context, hub, tokens, queries, replays });
  const openSession = (sink: FrameSink, token: string | undefined) => sessions.open(sink, token);
  return { context, hub, tokens, queries, replays, accounts, sessions, openSession };
}

/** The open sessions of a gateway. */
export class SessionSet {
  readonly #services: ConstructorParameters<typeof Session>[0];
  readonly #sessions = new Set<Session>();
  #isDraining = false;

  constructor(services: ConstructorParameters<typeof Session>[0]) {
    this.#services = services;
  }

  /** Opens a session over whatever `sink` stands for. */
  open(sink: FrameSink, token: string | undefined): Session {
    const session = new Session(this.#services, sink, token, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    if (this.#isDraining) session.drain();
    return session;
  }

  /** No session takes requests any more; each ends as soon as it has answered. */
  drain(): void {
    this.#isDraining = true;
    for (const session of this.#sessions) session.drain();
  }

  /** Each session says goodbye now. */
  leave(): void {
    for (const session of this.#sessions) session.leave();
  }
}
