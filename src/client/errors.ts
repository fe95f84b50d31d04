// What a caller gets when something is refused or cannot be had, from frames and from unary calls
// alike. It decides nothing: who retries is the outbox's, the requests' and the calls' own
// business.
import { Code, ConnectError } from "@connectrpc/connect";
import { type Rejected, RejectedSchema, RejectionCode } from "../proto/gen/chat/v1/api_pb.js";

/** The names of `chat.v1.RejectionCode`, without their prefix: "NOT_A_MEMBER", "OVERLOADED", … */
export type RejectionCodeName = keyof typeof RejectionCode;

/**
 * Refused, with a code. Nothing has changed, except under "UNAVAILABLE": there a write may still
 * come to be, and the message says so. The client's own limits use the same codes.
 */
export class RejectedError extends Error {
  override name = "RejectedError";
  readonly code: RejectionCodeName;
  /** When it may be tried again; 0 where trying again is useless. */
  readonly retryAfterMs: number;

  constructor(refusal: { code: RejectionCodeName; message: string; retryAfterMs?: number }) {
    super(refusal.message);
    this.code = refusal.code;
    this.retryAfterMs = refusal.retryAfterMs ?? 0;
  }
}

/** The name of a code as it came over the wire; a code of a newer server reads as "UNSPECIFIED". */
export function codeName(code: RejectionCode): RejectionCodeName {
  return (RejectionCode[code] as RejectionCodeName | undefined) ?? "UNSPECIFIED";
}

/** The error for a refusal as frames and unary calls carry it. */
export function rejectedError(
  rejected: Pick<Rejected, "code" | "message" | "retryAfterMs">,
): RejectedError {
  return new RejectedError({
    code: codeName(rejected.code),
    message: rejected.message === "" ? "The server refused it." : rejected.message,
    retryAfterMs: rejected.retryAfterMs,
  });
}

/**
 * Whether the same thing, under the same id, may be accepted shortly, here or by another server.
 * NEEDS_MAJORITY is not: it lasts as long as an island does.
 */
export function isRetryable(error: RejectedError): boolean {
  return error.code === "OVERLOADED" || error.code === "UNAVAILABLE" || error.retryAfterMs > 0;
}

/**
 * The error for a failed unary call: the server's own refusal where it sent one, otherwise by
 * Connect's code.
 */
export function rejectedErrorOfCall(reason: unknown): RejectedError {
  if (reason instanceof RejectedError) return reason;
  const failure = ConnectError.from(reason);
  const detail = failure.findDetails(RejectedSchema)[0];
  if (detail !== undefined) return rejectedError(detail);
  return new RejectedError({
    code: codeByConnectCode.get(failure.code) ?? "UNAVAILABLE",
    message: failure.rawMessage === "" ? "The server could not be reached." : failure.rawMessage,
  });
}

// Codes that are absent here speak of transport or server trouble: another server may do better.
const codeByConnectCode = new Map<Code, RejectionCodeName>([
  [Code.InvalidArgument, "INVALID_ARGUMENT"],
  [Code.OutOfRange, "INVALID_ARGUMENT"],
  [Code.Unimplemented, "INVALID_ARGUMENT"],
  [Code.Unauthenticated, "UNAUTHENTICATED"],
  [Code.AlreadyExists, "NAME_TAKEN"],
  [Code.PermissionDenied, "NOT_A_MEMBER"],
  [Code.ResourceExhausted, "OVERLOADED"],
  [Code.FailedPrecondition, "NOT_POSSIBLE"],
]);
