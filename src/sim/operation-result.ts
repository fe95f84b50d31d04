// What a refusal by the SDK or by a unary call says of the operation: that it did not and never
// will happen, or only that nobody knows. The one place where this is decided.
import { RejectedError, type RejectionCodeName } from "../client/index.ts";
import type { OperationName } from "./history.ts";

/** How an operation ended without success. */
export interface Failure {
  readonly result: "refused" | "unknown";
  readonly code: string;
}

/**
 * Codes that speak of one attempt only. The SDK tries again under the same command id, and an
 * earlier attempt may have been taken: so they prove nothing where there may have been one.
 *
 * - UNAVAILABLE: no leader or no majority in time, or no server at all; it may still come to be.
 * - UNAUTHENTICATED: the gateway saw that the session was over, before it looked at the id.
 * - UNSPECIFIED: an answer that makes no sense.
 * - UNKNOWN_CURSOR: belongs to no operation.
 */
const unsure: ReadonlySet<RejectionCodeName> = new Set<RejectionCodeName>([
  "UNAVAILABLE",
  "UNAUTHENTICATED",
  "UNSPECIFIED",
  "UNKNOWN_CURSOR",
]);

/**
 * Operations that the SDK makes by unary calls and tries at one server after the other: what it
 * answers in the end is the refusal of the last of them.
 */
const triedAnywhere: ReadonlySet<OperationName> = new Set(["register", "logIn", "logOut"]);

/** What an error of the SDK says of an operation. */
export function failureOf(
  operation: OperationName,
  error: unknown,
  { passwordIsRight = true }: { readonly passwordIsRight?: boolean } = {},
): Failure {
  if (!(error instanceof RejectedError)) return { result: "unknown", code: nameOf(error) };
  const { code } = error;
  if (unsure.has(code)) return { result: "unknown", code };
  if (triedAnywhere.has(operation)) {
    // Over the session the SDK asks for ever again under OVERLOADED and says it only of its own
    // limits, before it sends anything.
    if (code === "OVERLOADED") return { result: "unknown", code };
    // A server that is behind does not know the person yet, and says so before it looks at the id.
    if (code === "WRONG_PASSWORD" && passwordIsRight) return { result: "unknown", code };
    // So does an island, of what another server may have taken.
    if (code === "NEEDS_MAJORITY") return { result: "unknown", code };
  }
  return { result: "refused", code };
}

/**
 * What the error of a single unary call says: the server's refusal is final for this attempt, but
 * not under the codes that say themselves that they know nothing.
 */
export function failureOfAttempt(code: RejectionCodeName): Failure {
  const knowsNothing = code === "UNAVAILABLE" || code === "UNSPECIFIED";
  return { result: knowsNothing ? "unknown" : "refused", code };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown";
}
