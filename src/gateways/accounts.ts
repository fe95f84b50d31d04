// Accounts at the door: register, log in, log out. Limits their rate, hashes and checks passwords,
// hands out tokens. What an account is and which names are free is decided by the state machine.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { assert } from "../base/assert.ts";
import {
  checkDevice,
  checkDisplayName,
  checkPassword,
  islandSessionId,
  parseUsername,
  type UserId,
} from "../chat/index.ts";
import {
  type LogInRequest,
  type LogInResponseSchema,
  type LogOutRequest,
  type LogOutResponseSchema,
  type RegisterRequest,
  type RegisterResponseSchema,
  RejectionCode,
} from "../proto/gen/chat/v1/api_pb.js";
import type { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { addressKey } from "./address-key.ts";
import { RateLimiter } from "./admission.ts";
import { commandIdOf, propose, type WriteResult } from "./commands.ts";
import { isRefusal, type Refusal, refusalOf, refuse } from "./errors.ts";
import type { Caller, GatewayContext } from "./gateway-context.ts";
import { Passwords } from "./passwords.ts";
import type { Tokens } from "./tokens.ts";
import { waitForRead } from "./waits.ts";

const wrongPassword = refuse(RejectionCode.WRONG_PASSWORD, "Username or password is wrong.");

/** Serves the three calls on accounts. */
export class Accounts {
  readonly #context: GatewayContext;
  readonly #tokens: Tokens;
  readonly #passwords: Passwords;
  readonly #ratePerAddress: RateLimiter;
  readonly #ratePerUsername: RateLimiter;

  constructor(context: GatewayContext, tokens: Tokens) {
    this.#context = context;
    this.#tokens = tokens;
    this.#passwords = new Passwords(context);
    const { clock, limits } = context;
    this.#ratePerAddress = new RateLimiter({
      clock,
      burst: limits.accountBurstPerAddress,
      perSecond: limits.accountPerSecondPerAddress,
      keysMax: limits.rateKeysMax,
    });
    this.#ratePerUsername = new RateLimiter({
      clock,
      burst: limits.accountBurstPerUsername,
      perSecond: limits.accountPerSecondPerUsername,
      keysMax: limits.rateKeysMax,
    });
  }

  /** Makes an account. `address` is the client's, for the rate limit. */
  async register(
    request: RegisterRequest,
    address: string,
  ): Promise<MessageInitShape<typeof RegisterResponseSchema> | Refusal> {
    const { password, displayName } = request;
    const username = parseUsername(request.username);
    if (typeof username !== "string") return refusalOf(username);
    const malformed = checkDisplayName(displayName) ?? checkPassword(password);
    if (malformed !== undefined) return refusalOf(malformed);
    const id = commandIdOf(this.#context, request.commandId);
    if (isRefusal(id)) return id;
    const tooOften = this.#limitRate(address, username);
    if (tooOften !== undefined) return tooOften;

    const hashing = this.#passwords.hash(password);
    if (hashing === undefined) return this.#overloaded();
    const value = { username, displayName, passwordHash: await hashing };
    const result = await this.#propose({ id, body: { case: "registerUser", value } });
    if (result.kind === "refused") return result;
    assert(result.kind !== "held", "an island holds a registration");
    assert(result.answer.kind === "registered", "a registration was answered with something else");
    const person = this.#context.chat.person(result.answer.userId);
    return { receipt: result.receipt, ...(person && { person }) };
  }

  /**
   * Opens a session. Unknown username and wrong password are not told apart, by answer or by time.
   */
  async logIn(
    request: LogInRequest,
    address: string,
  ): Promise<MessageInitShape<typeof LogInResponseSchema> | Refusal> {
    const { device, password } = request;
    const username = parseUsername(request.username);
    if (typeof username !== "string") return refusalOf(username);
    const malformed = checkDevice(device);
    if (malformed !== undefined) return refusalOf(malformed);
    // No password has such a form; checking it would only cost.
    if (checkPassword(password) !== undefined) return wrongPassword;
    const id = commandIdOf(this.#context, request.commandId);
    if (isRefusal(id)) return id;
    const tooOften = this.#limitRate(address, username);
    if (tooOften !== undefined) return tooOften;

    // An account made or a password changed a moment ago on another server. Where nobody leads,
    // what fits here counts, but that nothing fits is not known.
    const isUpToDate = await waitForRead(this.#context);
    const credentials = this.#context.chat.credentials(username);
    const checking = this.#passwords.verify(credentials?.passwordHash, password);
    if (checking === undefined) return this.#overloaded();
    if (!(await checking) || credentials === undefined) {
      return isUpToDate ? wrongPassword : this.#unsure();
    }
    const { userId, passwordHash } = credentials;
    // Always with the number that an island's token would carry: whether an island holds this
    // log-in or a majority stores it, or both after a repetition, it is the same log-in.
    const islandNonce = this.#tokens.islandNonceOf(id);
    const value = { userId, passwordHash, device, islandNonce };
    const result = await this.#propose({ id, body: { case: "openSession", value } });
    if (result.kind === "refused") return result;
    const token = await this.#issueToken(userId, islandNonce, result);
    if (typeof token !== "string") return token;
    const person = this.#context.chat.person(userId);
    return { token, receipt: result.receipt, ...(person && { person }) };
  }

  #issueToken(
    userId: UserId,
    islandNonce: bigint,
    result: Exclude<WriteResult, Refusal>,
  ): Promise<string | Refusal> {
    if (result.kind === "held") return this.#tokens.issueIsland(userId, islandNonce);
    const { answer, position } = result;
    assert(answer.kind === "sessionOpened", "a log-in was answered with something else");
    return this.#tokens.issue({ userId, sessionId: answer.sessionId }, position);
  }

  /** Ends the caller's session, or all of the person's. */
  async logOut(
    request: LogOutRequest,
    caller: Caller,
  ): Promise<MessageInitShape<typeof LogOutResponseSchema> | Refusal> {
    const id = commandIdOf(this.#context, request.commandId);
    if (isRefusal(id)) return id;
    const { userId, sessionId } = caller;
    const value = { sessionId: request.everywhere ? 0 : sessionId };
    const body = { case: "closeSession", value } as const;
    const result = await this.#propose({ id, userId, sessionId, body });
    const isTooEarly = result.kind === "refused" && result.code === RejectionCode.UNAUTHENTICATED;
    if (isTooEarly && sessionId === islandSessionId) {
      const message = "Your log-in is still being merged. Try again.";
      return refuse(RejectionCode.UNAVAILABLE, message, this.#context.limits.retryAfterMs);
    }
    assert(result.kind !== "held", "an island holds a log-out");
    return result.kind === "refused" ? result : { receipt: result.receipt };
  }

  #propose(command: MessageInitShape<typeof CommandSchema>): Promise<WriteResult> {
    return new Promise((resolve) => propose(this.#context, command, resolve));
  }

  #limitRate(address: string, username: string): Refusal | undefined {
    const waitMs = Math.max(
      this.#ratePerAddress.take(addressKey(address)),
      this.#ratePerUsername.take(username),
    );
    if (waitMs === 0) return undefined;
    return refuse(
      RejectionCode.OVERLOADED,
      `Too many attempts. Try again in ${Math.ceil(waitMs / 1000)} s.`,
      waitMs,
    );
  }

  #unsure(): Refusal {
    return refuse(
      RejectionCode.UNAVAILABLE,
      "Username or password do not fit what this server knows, and it cannot reach the others to " +
        "be sure. Try again.",
      this.#context.limits.retryAfterMs,
    );
  }

  #overloaded(): Refusal {
    return refuse(
      RejectionCode.OVERLOADED,
      "Too many people are registering or logging in at this server. Try again in a moment.",
      this.#context.limits.retryAfterMs * 5,
    );
  }
}
