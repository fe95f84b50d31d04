// Session tokens, signed under a key that is replicated state, so that every server checks every
// token by itself. A token says who; whether its session still stands is
// asked of the chat state.
import type { SessionId, UserId } from "../chat/index.ts";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { type Refusal, refuse } from "./errors.ts";
import type { Caller, GatewayContext } from "./gateway-context.ts";
import type { TokenPayload } from "./secrets.ts";
import { waitForPosition } from "./waits.ts";

/** Longer tokens are refused unread: ours have about 200 bytes. */
const tokenBytesMax = 1024;

interface Claims extends Caller {
  /** Position of the command that opened the session. */
  readonly position: number;
}

/** Issues and checks tokens. */
export class Tokens {
  readonly #context: GatewayContext;
  // Tokens whose signature has been checked, in the order of last use.
  readonly #verified = new Map<string, Claims>();

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** A token for a session that was opened at `position`. */
  async issue(caller: Caller, position: number): Promise<string | Refusal> {
    const key = this.#context.chat.tokenKey();
    if (key === undefined) return this.#notReady();
    // The registered claim names of RFC 7519 §4.1, and two of our own.
    const payload = {
      sub: String(caller.userId),
      iat: Math.floor(this.#context.clock.wallMs() / 1000),
      sid: caller.sessionId,
      pos: position,
    };
    return this.#context.secrets.signToken(payload, key);
  }

  /**
   * Who holds this token. Waits, bounded, until this server has applied the opening of its session;
   * refuses tokens that are not ours and those whose session has been ended.
   */
  async check(token: string): Promise<Caller | Refusal> {
    const claims = await this.#verify(token);
    if ("kind" in claims) return claims;
    const { position, userId, sessionId } = claims;
    const behind = await waitForPosition(this.#context, position);
    if (behind !== undefined) return behind;
    return this.checkSession({ userId, sessionId }) ?? { userId, sessionId };
  }

  /** Refuses where the caller's session has been ended; a look at local state. */
  checkSession(caller: Caller): Refusal | undefined {
    if (this.#context.chat.sessionOwner(caller.sessionId) === caller.userId) return undefined;
    return refuse(
      RejectionCode.UNAUTHENTICATED,
      "This session has been ended. Log in again to get a new token.",
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

/** The token of an authorization header, RFC 6750 §2.1; undefined where there is none. */
export function bearerToken(header: string | null | undefined): string | undefined {
  return /^bearer +([^ ]+) *$/i.exec(header ?? "")?.[1];
}

function readClaims(payload: TokenPayload): Claims | undefined {
  const userId = Number(payload["sub"]);
  const sessionId = payload["sid"];
  const position = payload["pos"];
  if (!Number.isSafeInteger(userId) || userId <= 0) return undefined;
  if (typeof sessionId !== "number" || !Number.isSafeInteger(sessionId)) return undefined;
  if (typeof position !== "number" || !Number.isSafeInteger(position)) return undefined;
  return { userId: userId as UserId, sessionId: sessionId as SessionId, position };
}
