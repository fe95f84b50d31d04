// What every part of the gateway works with. Made once, in gateway.ts; nothing here decides
// anything.
import type { Logger } from "pino";
import type { ChatEvent, ChatOutcome, ChatQueries, SessionId, UserId } from "../chat/index.ts";
import type { Clock } from "../io/clock.ts";
import type { ReplicaService } from "../replica/index.ts";
import type { GatewayLimits } from "./limits.ts";
import type { Secrets } from "./secrets.ts";

/** Where the gateway writes its log lines; a pino logger fits. */
export type GatewayLogger = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** The replica as the gateway sees it. */
export type ChatReplica = ReplicaService<ChatOutcome, ChatEvent>;

/** What the parts of a gateway share. */
export interface GatewayContext {
  readonly replica: ChatReplica;
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
  readonly sessionId: SessionId;
}
