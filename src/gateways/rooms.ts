// Which room a request means. Looks here first; a name that is not known here may stand for a room
// that was made a moment ago on another server, so the answer "unknown" is only given after a
// linearizable read.
import type { RoomName } from "../chat/index.ts";
import { RejectionCode, type RoomRef } from "../proto/gen/chat/v1/api_pb.js";
import { type Refusal, refusalOf, refuse } from "./errors.ts";
import type { Caller, GatewayContext } from "./gateway-context.ts";
import { waitForRead } from "./waits.ts";

/** The room that a reference names, or a refusal where it names none. */
export function roomNameOf(room: RoomRef | undefined): RoomName | Refusal {
  if (room?.room.case === "roomId" && room.room.value > 0) return { roomId: room.room.value };
  if (room?.room.case === "name" && room.room.value !== "") return { name: room.room.value };
  return refuse(RejectionCode.INVALID_ARGUMENT, "The request names no room: give room_id or name.");
}

/**
 * The id of the room, as far as it is known here. An id is taken as it is: whether there is such a
 * room is found when the command is applied.
 */
export function findRoomHere(
  context: GatewayContext,
  caller: Caller,
  room: RoomRef | undefined,
): number | "perhapsElsewhere" | Refusal {
  const named = roomNameOf(room);
  if ("kind" in named) return named;
  if ("roomId" in named) return named.roomId;
  const found = context.chat.findRoom(caller.userId, named);
  if (found.kind !== "rejected") return found.roomId;
  if (found.code === RejectionCode.UNKNOWN_ROOM) return "perhapsElsewhere";
  return refusalOf(found);
}

/** The id of the room, after this server has learned what the others know. */
export async function findRoomAnywhere(
  context: GatewayContext,
  caller: Caller,
  room: RoomRef | undefined,
): Promise<number | Refusal> {
  const isUpToDate = await waitForRead(context);
  const named = roomNameOf(room);
  if ("kind" in named) return named;
  const found = context.chat.findRoom(caller.userId, named);
  if (found.kind !== "rejected") return found.roomId;
  if (isUpToDate) return refusalOf(found);
  return refuseUnsure(context);
}

/** For what is not known here while nobody can tell whether it exists. */
export function refuseUnsure(context: GatewayContext): Refusal {
  return refuse(
    RejectionCode.UNAVAILABLE,
    "This server does not know that room and cannot reach the others to be sure. Try again.",
    context.limits.retryAfterMs,
  );
}
