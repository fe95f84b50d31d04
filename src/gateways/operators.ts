// Who may change the cluster: checks operator tokens, and counts wrong tokens of every kind by
// address, as wrong passwords are. A right token is never refused for the wrong ones that came
// before it: an operator must get in while somebody guesses from the same address.
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { addressKey } from "./address-key.ts";
import { RateLimiter } from "./admission.ts";
import { type Refusal, refuse } from "./errors.ts";
import type { GatewayContext } from "./gateway-context.ts";
import { isSameSecret, operatorToken } from "./operator-token.ts";

/** Checks operators. One for each gateway. */
export class Operators {
  readonly #context: GatewayContext;
  readonly #wrongTokens: RateLimiter;

  constructor(context: GatewayContext) {
    this.#context = context;
    const { clock, limits } = context;
    this.#wrongTokens = new RateLimiter({
      clock,
      burst: limits.accountBurstPerAddress,
      perSecond: limits.accountPerSecondPerAddress,
      keysMax: limits.rateKeysMax,
    });
  }

  /** Undefined where the token is the operators'. */
  check(token: string | undefined, address: string): Refusal | undefined {
    const { chat, secrets } = this.#context;
    const key = chat.tokenKey();
    if (key === undefined) return notFormed(this.#context);
    const right = operatorToken(key, secrets.mac);
    if (token !== undefined && isSameSecret(token, right)) return undefined;
    const problem = token === undefined ? "This needs the operator token." : "That is not it.";
    return this.refuseToken(
      `${problem} It stands in the file \`operator-token\` in each server's data folder; send it ` +
        `as "authorization: Bearer <token>".`,
      address,
    );
  }

  /** Refuses a wrong token, the sooner the more of them came from this address. */
  refuseToken(sentence: string, address: string): Refusal {
    const waitMs = this.#wrongTokens.take(addressKey(address));
    if (waitMs === 0) return refuse(RejectionCode.UNAUTHENTICATED, sentence);
    return refuse(
      RejectionCode.OVERLOADED,
      `Too many wrong tokens. Try again in ${Math.ceil(waitMs / 1000)} s.`,
      waitMs,
    );
  }
}

/** For what makes sense in a cluster only. */
export function notFormed(context: GatewayContext): Refusal {
  return refuse(
    RejectionCode.UNAVAILABLE,
    "The cluster has not been formed yet. Try again when `holdfast status` shows a leader.",
    context.limits.retryAfterMs,
  );
}
