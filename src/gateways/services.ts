// What serves clients behind any door: sessions, calls, replays, all over one replica. gateway.ts
// puts a port in front of it, in-process.ts none. Knows no sockets.
import { randomBytes as secureRandomBytes } from "node:crypto";
import type { ChatQueries } from "../chat/index.ts";
import type { Clock } from "../io/clock.ts";
import type { IslandService, ReplicaAdmin } from "../replica/index.ts";
import { Accounts } from "./accounts.ts";
import { AdminDesk } from "./admin.ts";
import { BackupDesk } from "./backups.ts";
import { Departure } from "./departure.ts";
import { encodeNotice } from "./frames.ts";
import type { ChatReplica, GatewayContext, GatewayLogger } from "./gateway-context.ts";
import { HeldBoard } from "./held-board.ts";
import { Hub } from "./hub.ts";
import { ImportDesk } from "./importing.ts";
import { JoinDesk } from "./joining.ts";
import { defaultGatewayLimits, type GatewayLimits } from "./limits.ts";
import { Operators } from "./operators.ts";
import { QueryDesk } from "./queries.ts";
import { ReplayDesk } from "./replay.ts";
import type { RpcServices } from "./rpc.ts";
import { createSecrets, type Secrets } from "./secrets.ts";
import { watchServers } from "./servers-watch.ts";
import { type FrameSink, Session } from "./session.ts";
import { Tokens } from "./tokens.ts";

/** What a gateway is made of. */
export interface GatewayOptions {
  readonly replica: ChatReplica;
  /** The same replica, as operators' calls see it. */
  readonly admin: ReplicaAdmin;
  /** Island mode of the same replica. */
  readonly island: IslandService;
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

/** The services of a gateway. */
export interface GatewayServices extends RpcServices {
  /** Hears of nothing any more. */
  close(): void;
}

/** Makes them. They hear of applied commands from now on. */
export function createServices(options: GatewayOptions): GatewayServices {
  const context: GatewayContext = {
    replica: options.replica,
    admin: options.admin,
    island: options.island,
    chat: options.chat,
    clock: options.clock,
    logger: options.logger,
    limits: { ...defaultGatewayLimits, ...options.limits },
    randomBytes: options.randomBytes ?? secureRandomBytes,
    secrets: options.secrets ?? createSecrets(),
  };
  const departure = new Departure();
  const board = new HeldBoard(context);
  const hub = new Hub(context, board);
  const tokens = new Tokens(context);
  const queries = new QueryDesk(context, board);
  const replays = new ReplayDesk(context);
  const operators = new Operators(context);
  const sessions = new SessionSet({ context, hub, tokens, queries, replays }, departure);
  const stopWatching = watchServers(context, (addresses) =>
    hub.notifyAll(encodeNotice({ case: "servers", value: { addresses: [...addresses] } })),
  );
  return {
    ...{ context, departure, hub, tokens, queries, replays, operators },
    accounts: new Accounts(context, tokens),
    adminDesk: new AdminDesk(context),
    joinDesk: new JoinDesk(context, operators),
    backups: new BackupDesk(context, departure),
    imports: new ImportDesk(context),
    openSession: (sink: FrameSink, token: string | undefined) => sessions.open(sink, token),
    close: () => {
      stopWatching();
      tokens.close();
      hub.close();
    },
  };
}

/** The open sessions of a gateway; they go as it goes. */
class SessionSet {
  readonly #services: ConstructorParameters<typeof Session>[0];
  readonly #departure: Departure;
  readonly #sessions = new Set<Session>();

  constructor(services: ConstructorParameters<typeof Session>[0], departure: Departure) {
    this.#services = services;
    this.#departure = departure;
    departure.onDrain(() => {
      for (const session of this.#sessions) session.drain();
    });
    departure.onLeave(() => {
      for (const session of this.#sessions) session.leave();
    });
  }

  /** Opens a session over whatever `sink` stands for. */
  open(sink: FrameSink, token: string | undefined): Session {
    const session = new Session(this.#services, sink, token, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    if (this.#departure.isDraining) session.drain();
    return session;
  }
}
