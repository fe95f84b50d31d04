// The one table from rejection codes to what each protocol calls them. Everything below this floor
// refuses with values; only here do they become Connect errors, gRPC statuses and WebSocket close
// codes.
import { Code, ConnectError } from "@connectrpc/connect";
import type { Rejection } from "../chat/index.ts";
import { RejectedSchema, RejectionCode } from "../proto/gen/chat/v1/api_pb.js";

/** Something was refused and nothing changed. */
export interface Refusal {
  readonly kind: "refused";
  readonly code: RejectionCode;
  /** A sentence for people: what was wrong and what would be right. */
  readonly message: string;
  /** When it may be tried again, in milliseconds; 0 where trying again is useless. */
  readonly retryAfterMs: number;
}

/** A refusal as a value. */
export function refuse(code: RejectionCode, message: string, retryAfterMs = 0): Refusal {
  return { kind: "refused", code, message, retryAfterMs };
}

/** What the chat floor refused, as this floor says it. */
export function refusalOf({ code, message }: Rejection): Refusal {
  return refuse(code, message);
}

/** Whether a result is a refusal. */
export function isRefusal(value: object | undefined): value is Refusal {
  return value !== undefined && "kind" in value && value.kind === "refused";
}

interface ErrorRow {
  /** Connect's code, which is also gRPC's. */
  readonly connect: Code;
  /** WebSocket close code (RFC 6455 §7.4.1) of a session that ends for this reason. */
  readonly close: number;
}

const policyViolation = 1008;
const tooBig = 1009;
const internalError = 1011;
const tryAgainLater = 1013;

const errorTable: Readonly<Record<RejectionCode, ErrorRow>> = {
  [RejectionCode.UNSPECIFIED]: { connect: Code.Internal, close: internalError },
  [RejectionCode.INVALID_ARGUMENT]: { connect: Code.InvalidArgument, close: policyViolation },
  [RejectionCode.UNAUTHENTICATED]: { connect: Code.Unauthenticated, close: policyViolation },
  [RejectionCode.WRONG_PASSWORD]: { connect: Code.Unauthenticated, close: policyViolation },
  [RejectionCode.NAME_TAKEN]: { connect: Code.AlreadyExists, close: policyViolation },
  [RejectionCode.UNKNOWN_ROOM]: { connect: Code.NotFound, close: policyViolation },
  [RejectionCode.UNKNOWN_PERSON]: { connect: Code.NotFound, close: policyViolation },
  [RejectionCode.NOT_A_MEMBER]: { connect: Code.PermissionDenied, close: policyViolation },
  [RejectionCode.NOT_THE_OWNER]: { connect: Code.PermissionDenied, close: policyViolation },
  [RejectionCode.OWN_ROOM]: { connect: Code.FailedPrecondition, close: policyViolation },
  [RejectionCode.ID_REUSED]: { connect: Code.AlreadyExists, close: policyViolation },
  [RejectionCode.UNKNOWN_CURSOR]: { connect: Code.OutOfRange, close: policyViolation },
  [RejectionCode.OVERLOADED]: { connect: Code.ResourceExhausted, close: tryAgainLater },
  [RejectionCode.UNAVAILABLE]: { connect: Code.Unavailable, close: tryAgainLater },
  [RejectionCode.TOO_LARGE]: { connect: Code.ResourceExhausted, close: tooBig },
  // Not Unavailable, which client libraries repeat by themselves: it may take hours.
  [RejectionCode.NEEDS_MAJORITY]: { connect: Code.FailedPrecondition, close: policyViolation },
  [RejectionCode.NOT_POSSIBLE]: { connect: Code.FailedPrecondition, close: policyViolation },
};

/** The WebSocket close code for a session that ends with this refusal. */
export function webSocketCloseCode(code: RejectionCode): number {
  return (errorTable[code] ?? errorTable[RejectionCode.UNSPECIFIED]).close;
}

/**
 * The refusal as Connect, gRPC and gRPC-Web send it: a status code, a sentence, a
 * `chat.v1.Rejected` as the machine-readable detail, and `retry-after` in seconds (RFC 9110
 * §10.2.3) where trying again helps.
 */
export function toConnectError(refusal: Refusal): ConnectError {
  const { code, message, retryAfterMs } = refusal;
  const row = errorTable[code] ?? errorTable[RejectionCode.UNSPECIFIED];
  const metadata =
    retryAfterMs > 0 ? { "retry-after": String(Math.ceil(retryAfterMs / 1000)) } : undefined;
  const detail = { desc: RejectedSchema, value: { code, message, retryAfterMs } };
  return new ConnectError(message, row.connect, metadata, [detail]);
}
