// What all unary calls have in common: who is at the other end, when an answer is due, and how a
// refusal becomes an error. What is asked is for the services to say (rpc.ts, admin-rpc.ts).
import { ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { type Departure, leavingRefusal } from "./departure.ts";
import { isRefusal, type Refusal, toConnectError } from "./errors.ts";
import type { GatewayContext } from "./gateway-context.ts";

/** Who is at the other end of a call. */
export interface CallPeer {
  /** IP address. */
  readonly address: string;
  /** Cuts the call without ceremony. */
  destroy(): void;
}

/** Where the HTTP side leaves the peer for the handlers. */
export const callPeerKey = createContextKey<CallPeer>(
  { address: "", destroy() {} },
  { description: "peer of the call" },
);

/** What answering needs. */
export interface CallServices {
  readonly context: GatewayContext;
  readonly departure: Departure;
}

/**
 * Answers a call with what `work` comes to. Not before its deadline, or before the server has to
 * leave: then with UNAVAILABLE, since what was begun may still come to be. A server that drains
 * begins with nothing.
 */
export async function answerCall<T extends object>(
  { context, departure }: CallServices,
  call: HandlerContext,
  work: () => Promise<T | Refusal>,
): Promise<T> {
  const leaving = leavingRefusal(context.limits.retryAfterMs);
  const result = departure.isDraining
    ? leaving
    : await beforeDeadline(call, beforeLeaving(departure, leaving, work()));
  if (isRefusal(result)) throw toConnectError(result);
  return result;
}

function beforeLeaving<T>(
  departure: Departure,
  leaving: Refusal,
  work: Promise<T>,
): Promise<T | Refusal> {
  return new Promise((resolve, reject) => {
    const stopListening = departure.onLeave(() => resolve(leaving));
    work.then(resolve, reject).finally(stopListening);
  });
}

function beforeDeadline<T>(call: HandlerContext, work: Promise<T>): Promise<T> {
  if (call.timeoutMs() === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const handleAbort = () => reject(ConnectError.from(call.signal.reason));
    if (call.signal.aborted) handleAbort();
    call.signal.addEventListener("abort", handleAbort, { once: true });
    work.then(resolve, reject).finally(() => call.signal.removeEventListener("abort", handleAbort));
  });
}
