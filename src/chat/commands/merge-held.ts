// Brings what an island held into the log (docs/decisions/0013), under its own author and id: once,
// however many servers propose it and whatever else comes under the id. A message becomes an item
// of its room, or is set aside where its author may not write there; what was held is not dropped.
import type { OpenSession } from "../../proto/gen/chat/v1/command_pb.js";
import { refuseMerging } from "../access.ts";
import { recallHeld, rememberRefusal } from "../command-ids.ts";
import type { Author, Context } from "../context.ts";
import { commandMemoryMs } from "../limits.ts";
import { refused } from "../rejections.ts";
import { itemKind } from "../schema.ts";
import type { RoomState } from "../state.ts";
import { addSetAside, appendItem } from "../timeline.ts";
import type { Rejection } from "../types.ts";
import { checkBody } from "../validation.ts";
import type { Applied, CommandHandler, CommandResult } from "./command.ts";
import { openSession } from "./open-session.ts";

/** A held message and how it was accepted. */
export interface HeldContent {
  readonly roomId: number;
  readonly body: string;
  /** Cluster time of acceptance; not 0. */
  readonly acceptedMs: number;
  /** The last committed entry that the accepting server knew. */
  readonly separationIndex: bigint;
}

/** SPEC.md IM4 to IM9. */
export function mergeMessage(context: Context, author: Author, held: HeldContent): CommandResult {
  const { state } = context;
  const { roomId, body } = held;
  const known = recallHeld(context, author, { kind: "message", roomId, body });
  if (known.outcome !== undefined) return { outcome: known.outcome, events: [] };
  // In the place of the session, which is not asked; spends no id, as there.
  if (state.user(author.userId) === undefined)
    return { outcome: refused.unknownPerson, events: [] };

  const room = state.room(roomId);
  const badBody = checkBody(body);
  if (badBody !== undefined || room === undefined) {
    // No server has held this; it comes from the uncommitted tail of a log, or from a bug.
    const refusal = known.refusal ?? badBody ?? refused.unknownRoom;
    if (known.refusal === undefined) rememberRefusal(context, author, refusal);
    return { outcome: refusal, events: [] };
  }
  const refusal = known.refusal ?? refuseMerging(state, room, { ...held, userId: author.userId });
  const { answer, events } =
    refusal === undefined
      ? store(context, room, { author, held })
      : setAside(context, room, { author, held, refusal });
  return {
    outcome: { kind: "accepted", answer, position: author.position, repeated: false },
    events,
  };
}

interface Merge {
  readonly author: Author;
  readonly held: HeldContent;
}

function store(context: Context, room: RoomState, { author, held }: Merge): Applied {
  const { state } = context;
  const written = { ...author, writtenMs: held.acceptedMs };
  const event = appendItem(context, room, written, { kind: itemKind.message, body: held.body });
  const { number } = state.lastItem(room);
  return {
    answer: { kind: "sent", roomId: room.roomId, number },
    events: [{ audience: state.audienceOf(room), event }],
  };
}

function setAside(
  context: Context,
  room: RoomState,
  { author, held, refusal }: Merge & { readonly refusal: Rejection },
): Applied {
  const { body, acceptedMs } = held;
  const event = addSetAside(context, room, { author, body, acceptedMs, code: refusal.code });
  // One audience with both: nobody is told twice, and nobody else is told.
  const users = new Set([author.userId, room.ownerId]);
  return {
    answer: { kind: "setAside", roomId: room.roomId },
    events: [{ audience: { kind: "users", users }, event }],
  };
}

/**
 * A log-in that was held: an OpenSession like any other (SPEC.md IM11), unless it is so old that
 * its id may have been forgotten. Otherwise one that is merged again late would open a session that
 * its person has ended.
 */
export function heldLogIn(times: {
  /** Cluster time of acceptance. */
  readonly acceptedMs: number;
  /** Cluster time of the merge. */
  readonly timestampMs: number;
}): CommandHandler<OpenSession> {
  const isTooOld = times.timestampMs - times.acceptedMs >= commandMemoryMs;
  return {
    ...openSession,
    authorize(context, author, body) {
      return isTooOld ? refused.heldTooLong : openSession.authorize(context, author, body);
    },
  };
}
