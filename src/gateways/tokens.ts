// Session tokens, signed under a key that is replicated state, so that every server checks every
// token by itself. A token says who; whether its session still stands is asked of the chat state. A
// token of an island carries a number in place of the session's id (island-sessions.ts).
import { concatBytes, encodeUtf8, toHex64 } from "../base/bytes.ts";
import type { SessionId, UserId } from "../chat/index.ts";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { type Refusal, refuse } from "./errors.ts";
import type { Caller, GatewayContext } from "./gateway-context.ts";
import { IslandSessions } from "./island-sessions.ts";
import type { TokenPayload } from "./secrets.ts";
import { waitForPosition, waitForRead } from "./waits.ts";

/** Longer tokens are refused unread: ours have about 200 bytes. */
const tokenBytesMax = 1024;
/** How often it is looked for a log-in of an island that is being merged. */
const islandPollMs = 50;

type Claims = OrdinaryClaims | IslandClaims;

interface OrdinaryClaims {
  readonly kind: "ordinary";
  readonly userId: UserId;
  readonly sessionId: SessionId;
  /** Position of the command that opened the session. */
  readonly position: number;
}

interface IslandClaims {
  readonly kind: "island";
  readonly userId: UserId;
  readonly islandNonce: bigint;
}

/** Issues and checks tokens. */
export class Tokens {
  readonly #context: GatewayContext;
  // Tokens whose signature has been checked, in the order of last use.
  readonly #verified = new Map<string, Claims>();
  readonly #islandSessions: IslandSessions;

  constructor(context: GatewayContext) {
    this.#context = context;
    this.#islandSessions = new IslandSessions(context);
  }

  /** Stops hearing of islands. */
  close(): void {
    this.#islandSessions.close();
  }

  /** A token for a session that was opened at `position`. */
  issue(caller: Caller, position: number): Promise<string | Refusal> {
    return this.#sign(caller.userId, { sid: caller.sessionId, pos: position });
  }

  /** A token for a session that an island has opened under this number. */
  issueIsland(userId: UserId, islandNonce: bigint): Promise<string | Refusal> {
    return this.#sign(userId, { isl: toHex64(islandNonce) });
  }

  /**
   * The number for a log-in on an island. Made from the command's id, so that a repeated log-in is
   * the same to the byte and its token is good whichever answer arrives.
   */
  islandNonceOf(commandId: Uint8Array): bigint {
    const { chat, secrets } = this.#context;
    const content = concatBytes([encodeUtf8("holdfast island log-in 1"), commandId]);
    const mac = secrets.mac(chat.tokenKey() ?? new Uint8Array(32), content);
    // 0 would stand for none.
    return Buffer.from(mac).readBigUInt64BE() || 1n;
  }

  async #sign(userId: UserId, own: TokenPayload): Promise<string | Refusal> {
    const key = this.#context.chat.tokenKey();
    if (key === undefined) return this.#notReady();
    // The registered claim names of RFC 7519 §4.1, and some of our own.
    const iat = Math.floor(this.#context.clock.wallMs() / 1000);
    return this.#context.secrets.signToken({ sub: String(userId), iat, ...own }, key);
  }

  /**
   * Who holds this token. Waits, bounded, until this server has applied the opening of its session;
   * refuses tokens that are not ours and those whose session has been ended.
   */
  async check(token: string): Promise<Caller | Refusal> {
    const claims = await this.#verify(token);
    if (claims.kind === "refused") return claims;
    if (claims.kind === "island") return this.#checkIsland(claims);
    const { position, userId, sessionId } = claims;
    const behind = await waitForPosition(this.#context, position);
    if (behind !== undefined) return behind;
    return this.currentCaller({ userId, sessionId });
  }

  /**
   * The caller under the session id that counts now, or a refusal where the session has been ended;
   * a look at local state.
   */
  currentCaller(caller: Caller): Caller | Refusal {
    const { userId, sessionId, islandNonce } = caller;
    if (islandNonce !== undefined) {
      return this.#islandSessions.find({ userId, islandNonce }) ?? sessionEnded;
    }
    return this.#context.chat.sessionOwner(sessionId) === userId ? caller : sessionEnded;
  }

  /**
   * A log-in of an island that is not known here may be on its way: from another server of the
   * island, or by the log. So it is waited for, and it only counts as ended where this server is
   * sure to know what the others know.
   */
  async #checkIsland({ userId, islandNonce }: IslandClaims): Promise<Caller | Refusal> {
    const { clock, limits, island } = this.#context;
    const endMs = clock.monotonicMs() + limits.positionWaitMs;
    const known = this.#islandSessions.find({ userId, islandNonce });
    if (known !== undefined) return known;
    for (;;) {
      const isUpToDate = await waitForRead(this.#context);
      const caller = this.#islandSessions.find({ userId, islandNonce });
      if (caller !== undefined) return caller;
      if (clock.monotonicMs() >= endMs) {
        return isUpToDate && !island.islandState().open ? sessionEnded : this.#unknownIsland();
      }
      await new Promise<void>((resolve) => clock.setTimer(islandPollMs, resolve));
    }
  }

  #unknownIsland(): Refusal {
    return refuse(
      RejectionCode.UNAVAILABLE,
      "You logged in while servers were apart, at one that this server cannot ask. Try that one, " +
        "or log in here.",
      this.#context.limits.retryAfterMs,
    );
  }

  async #verify(token: string): Promise<Claims | Refusal> {
    const known = this.#verified.get(token);
    if (known !== undefined) {
      this.#verified.delete(token);
      this.#verified.set(token, known);
      return known;
    }
    if (token === "") return this.#refused("No token was given.");
    if (token.length > tokenBytesMax) return this.#refused("This is no token of this cluster.");
    const key = this.#context.chat.tokenKey();
    if (key === undefined) return this.#notReady();
    const payload = await this.#context.secrets.readToken(token, key);
    const claims = payload && readClaims(payload);
    if (claims === undefined) return this.#refused("This is no token of this cluster.");
    this.#remember(token, claims);
    return claims;
  }

  #remember(token: string, claims: Claims): void {
    this.#verified.set(token, claims);
    if (this.#verified.size <= this.#context.limits.tokensRememberedMax) return;
    const oldest = this.#verified.keys().next();
    if (!oldest.done) this.#verified.delete(oldest.value);
  }

  #refused(problem: string): Refusal {
    return refuse(
      RejectionCode.UNAUTHENTICATED,
      `${problem} Log in, then send "authorization: Bearer <token>".`,
    );
  }

  #notReady(): Refusal {
    return refuse(
      RejectionCode.UNAVAILABLE,
      "The cluster has not been formed yet, so nobody can be known. Try again soon.",
      this.#context.limits.retryAfterMs,
    );
  }
}

const sessionEnded = refuse(
  RejectionCode.UNAUTHENTICATED,
  "This session has been ended. Log in again to get a new token.",
);

/** The token of an authorization header, RFC 6750 §2.1; undefined where there is none. */
export function bearerToken(header: string | null | undefined): string | undefined {
  return /^bearer +([^ ]+) *$/i.exec(header ?? "")?.[1];
}

function readClaims(payload: TokenPayload): Claims | undefined {
  const userId = Number(payload["sub"]);
  const sessionId = payload["sid"];
  const position = payload["pos"];
  if (!Number.isSafeInteger(userId) || userId <= 0) return undefined;
  const nonce = payload["isl"];
  if (typeof nonce === "string" && /^[0-9a-f]{16}$/.test(nonce)) {
    return { kind: "island", userId: userId as UserId, islandNonce: BigInt(`0x${nonce}`) };
  }
  if (typeof sessionId !== "number" || !Number.isSafeInteger(sessionId)) return undefined;
  if (typeof position !== "number" || !Number.isSafeInteger(position)) return undefined;
  return {
    kind: "ordinary",
    userId: userId as UserId,
    sessionId: sessionId as SessionId,
    position,
  };
}
