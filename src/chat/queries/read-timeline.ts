// A page of a room's timeline: the newest items, those before a number, or those after one. Members
// only.
import type { SetAside } from "../../proto/gen/chat/v1/event_pb.js";
import { refuseReading } from "../access.ts";
import type { Context } from "../context.ts";
import { setAsideShownMax, timelinePage } from "../limits.ts";
import type { ChatQueries, TimelineView } from "../queries.ts";
import { isRejection, refused } from "../rejections.ts";
import type { RoomState } from "../state.ts";
import { itemOfRow, setAsideOfRow } from "../timeline.ts";
import type { Rejection, UserId } from "../types.ts";
import { pageLimit } from "../validation.ts";
import { lookUpRoom, toRoom } from "./find-room.ts";

/** SPEC.md RM10, IM12. Items are answered oldest first, whichever end they were asked from. */
export function readTimeline(
  context: Context,
  asker: UserId,
  ask: Parameters<ChatQueries["readTimeline"]>[1],
): TimelineView | Rejection {
  const { state, statements } = context;
  const { beforeNumber, afterNumber } = ask;
  const limit = pageLimit(ask.limit, timelinePage);
  if (isRejection(limit)) return limit;
  if (!isNumber(beforeNumber) || !isNumber(afterNumber)) return refused.badNumber;
  if (beforeNumber > 0 && afterNumber > 0) return refused.twoDirections;
  const room = lookUpRoom(context, ask.room);
  if (room === undefined) return refused.unknownRoom;
  const refusal = refuseReading(room, asker);
  if (refusal !== undefined) return refusal;
  const before = beforeNumber > 0 ? beforeNumber : state.lastItem(room).number + 1;
  const rows =
    afterNumber > 0
      ? statements.itemsAfter.all(room.roomId, afterNumber, limit)
      : statements.itemsBefore.all(room.roomId, before, limit).reverse();
  return {
    room: toRoom(state, room, asker),
    items: rows.map((row) => itemOfRow(state, row)),
    setAside: beforeNumber === 0 && afterNumber === 0 ? setAsideFor(context, room, asker) : [],
  };
}

/** The owner sees all that were set aside in the room, an author the own ones. */
function setAsideFor(
  { state, statements }: Context,
  { roomId, ownerId }: RoomState,
  asker: UserId,
): SetAside[] {
  const rows =
    asker === ownerId
      ? statements.setAsideInRoom.all(roomId, setAsideShownMax)
      : statements.setAsideByAuthorInRoom.all(asker, roomId, setAsideShownMax);
  return rows.reverse().map((row) => setAsideOfRow(state, row));
}

function isNumber(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
