// Checks a hello: whose token it is, and whether its cursor is one of this cluster. What follows
// from it is the session's matter.
import { type Hello, RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { decodeCursor } from "./cursor.ts";
import { isRefusal, type Refusal, refuse } from "./errors.ts";
import type { Caller, GatewayContext } from "./gateway-context.ts";
import type { Tokens } from "./tokens.ts";
import { waitForRead } from "./waits.ts";

/** A hello that may come in. */
export interface Greeting {
  readonly caller: Caller;
  /** Where the client resumes; undefined: from now on. */
  readonly afterPosition: number | undefined;
  /** Its cursor lies beyond what this island knows: it must load anew, and begins with now. */
  readonly isBeyondIsland: boolean;
}

/**
 * Checks token and cursor; waits, bounded, where this server may be behind the one the client comes
 * from.
 */
export async function checkHello(
  services: { readonly context: GatewayContext; readonly tokens: Tokens },
  hello: Hello,
  token: string,
): Promise<Greeting | Refusal> {
  const caller = await services.tokens.check(token);
  if (isRefusal(caller)) return caller;
  if (hello.cursor.length === 0) return { caller, afterPosition: undefined, isBeyondIsland: false };
  const from = await checkCursor(services.context, hello.cursor);
  if (typeof from === "number") return { caller, afterPosition: from, isBeyondIsland: false };
  if (from === "beyondIsland") return { caller, afterPosition: undefined, isBeyondIsland: true };
  return from;
}

async function checkCursor(
  context: GatewayContext,
  bytes: Uint8Array,
): Promise<number | "beyondIsland" | Refusal> {
  const { replica } = context;
  const cursor = decodeCursor(bytes);
  if (cursor === undefined) return unknownCursor("it is not of the form that servers give");
  if (cursor.clusterId !== replica.clusterId()) return unknownCursor("it is of another cluster");
  if (cursor.position <= replica.appliedPosition()) return cursor.position;
  // Every cursor of this cluster was committed before it was given, so after a linearizable read it
  // is not ahead.
  const isUpToDate = await waitForRead(context);
  if (cursor.position <= replica.appliedPosition()) return cursor.position;
  if (isUpToDate) return unknownCursor("it lies in the future");
  // What others have committed and this island does not know to be is shown as held.
  if (context.island.islandState().open) return "beyondIsland";
  return refuse(
    RejectionCode.UNAVAILABLE,
    "This server is behind the one that gave the cursor. Try again, or ask another server.",
    context.limits.retryAfterMs,
  );
}

function unknownCursor(why: string): Refusal {
  return refuse(
    RejectionCode.UNKNOWN_CURSOR,
    `The cursor is not one of this cluster: ${why}. Say hello without a cursor and reload.`,
  );
}
