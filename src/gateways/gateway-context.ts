// What every part of the gateway works with. Made once, in gateway.ts; nothing here decides
// anything.
import type { Logger } from "pino";
import type { ChatEvent, ChatOutcome, ChatQueries, SessionId, UserId } from "../chat/index.ts";
import type { Clock } from "../io/clock.ts";
import type { IslandService, ReplicaAdmin, ReplicaService } from "../replica/index.ts";
import type { GatewayLimits } from "./limits.ts";
import type { Secrets } from "./secrets.ts";

/** Where the gateway writes its log lines; a pino logger fits. */
export type GatewayLogger = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** The replica as the gateway sees it. */
export type ChatReplica = ReplicaService<ChatOutcome, ChatEvent>;

/** What the parts of a gateway share. */
export interface GatewayContext {
  readonly replica: ChatReplica;
  /** The same replica, as operators' calls see it. */
  readonly admin: ReplicaAdmin;
  /** Island mode of the same replica. */
  readonly island: IslandService;
  readonly chat: ChatQueries;
  readonly clock: Clock;
  readonly logger: GatewayLogger;
  readonly limits: GatewayLimits;
  /** Random bytes fit for secrets. */
  readonly randomBytes: (length: number) => Uint8Array;
  readonly secrets: Secrets;
}

/** Who asks, once a token has been checked. */
export interface Caller {
  readonly userId: UserId;
  /** The constant `islandSessionId` while the session is one of an island that has not healed. */
  readonly sessionId: SessionId;
  /** Set where the session was opened on an island: what it is known by until it has an id. */
  readonly islandNonce?: bigint;
}
