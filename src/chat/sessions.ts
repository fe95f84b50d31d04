// Log-in sessions in the replicated state: opening, ending, and the check that every command of a
// person passes. The token that a client holds is the gateways' matter; it names a session, and
// counts only while that is open.
import type { Event } from "../proto/gen/chat/v1/event_pb.js";
import type { Author, Context } from "./context.ts";
import { islandSessionId, sessionsPerUserMax } from "./limits.ts";
import { refused } from "./rejections.ts";
import { integer } from "./rows.ts";
import type { ChatState } from "./state.ts";
import type { ChatEvent, Rejection, SessionId, UserId } from "./types.ts";

/**
 * Refuses unless the session is open and the user's own. One that was opened on an island is known
 * here by an id of its own or not at all.
 */
export function refuseSession(
  state: ChatState,
  claim: { readonly userId: UserId; readonly sessionId: SessionId },
): Rejection | undefined {
  const { userId, sessionId } = claim;
  if (userId === 0 || sessionId === islandSessionId) return refused.sessionEnded;
  return state.sessionOwner(sessionId) === userId ? undefined : refused.sessionEnded;
}

/** Opens a session. Ends the oldest ones over the limit and answers their events. */
export function openSession(
  context: Context,
  session: {
    readonly userId: UserId;
    readonly device: string;
    /** 0: it was not opened on an island. */
    readonly islandNonce: bigint;
  },
  author: Author,
): { readonly sessionId: SessionId; readonly events: ChatEvent[] } {
  const { statements } = context;
  const sessionId = integer(statements.cluster.get(), "last_session_id") + 1;
  statements.setLastSessionId.run(sessionId);
  const { userId, device, islandNonce } = session;
  const { position, timestampMs } = author;
  const nonce = islandNonce === 0n ? null : bytesOfNonce(islandNonce);
  statements.insertSession.run(sessionId, userId, device, position, timestampMs, nonce);
  const open = openSessions(context, userId);
  const surplus = open.slice(0, Math.max(0, open.length - sessionsPerUserMax));
  return { sessionId, events: endSessions(context, surplus, { userId, author }) };
}

/** The open session that an island has opened under a number; of 0 there is none. */
export function sessionOfIsland(
  { statements }: Context,
  islandNonce: bigint,
): { readonly sessionId: SessionId; readonly userId: UserId } | undefined {
  const row = statements.sessionByIslandNonce.get(bytesOfNonce(islandNonce));
  if (row === undefined) return undefined;
  return { sessionId: integer(row, "session_id"), userId: integer(row, "user_id") };
}

/** Eight bytes, the highest first: columns hold no integers of 64 bits. */
function bytesOfNonce(nonce: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, nonce);
  return bytes;
}

/** The open sessions of a user, oldest first. */
export function openSessions({ statements }: Context, userId: UserId): SessionId[] {
  const rows = statements.sessionsOfUser.all(userId, sessionsPerUserMax + 1);
  return rows.map((row) => integer(row, "session_id"));
}

/** Ends sessions of one user; one event each, for that user only. */
export function endSessions(
  { statements, state }: Context,
  sessionIds: readonly SessionId[],
  by: { readonly userId: UserId; readonly author: Author },
): ChatEvent[] {
  const users = new Set([by.userId]);
  return sessionIds.map((sessionId) => {
    statements.deleteSession.run(sessionId);
    state.forgetSession(sessionId);
    const event: Event = {
      $typeName: "chat.v1.Event",
      position: BigInt(by.author.position),
      body: {
        case: "sessionEnded",
        value: { $typeName: "chat.v1.SessionEnded", sessionId },
      },
    };
    return { audience: { kind: "users", users }, event };
  });
}
