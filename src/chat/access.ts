// Who may do what in which room: the one place where rights are decided. Pure; commands and queries
// ask here.
import { itemsPerRoomMax, roomsPerUserMax } from "./limits.ts";
import { refused } from "./rejections.ts";
import { roomKind } from "./schema.ts";
import type { ChatState, RoomState, UserState } from "./state.ts";
import type { Rejection, RoomId, UserId } from "./types.ts";

/** Reading a room's timeline: members only (S7). */
export function refuseReading(room: RoomState, userId: UserId): Rejection | undefined {
  return room.members.has(userId) ? undefined : refused.notAMember;
}

/** Writing in a room: members of an open one, the owner of a personal one. */
export function refusePosting(
  state: ChatState,
  roomId: RoomId,
  userId: UserId,
): Rejection | undefined {
  const room = state.room(roomId);
  if (room === undefined) return refused.unknownRoom;
  if (room.kind === roomKind.personal && room.ownerId !== userId) return refused.notTheOwner;
  if (!room.members.has(userId)) return refused.notAMember;
  if (state.lastItem(room).number >= itemsPerRoomMax) return refused.roomFull;
  return undefined;
}

/** Joining a room: anyone, any room; being in it already is no fault. */
export function refuseJoining(
  state: ChatState,
  roomId: RoomId,
  user: UserState,
): Rejection | undefined {
  const room = state.room(roomId);
  if (room === undefined) return refused.unknownRoom;
  if (room.members.has(user.userId)) return undefined;
  if (user.roomCount >= roomsPerUserMax) return refused.inTooManyRooms;
  if (state.lastItem(room).number >= itemsPerRoomMax) return refused.roomFull;
  return undefined;
}

/** Leaving a room: members, but not one's own personal room. */
export function refuseLeaving(
  state: ChatState,
  roomId: RoomId,
  userId: UserId,
): Rejection | undefined {
  const room = state.room(roomId);
  if (room === undefined) return refused.unknownRoom;
  if (room.kind === roomKind.personal && room.ownerId === userId) return refused.ownRoom;
  if (!room.members.has(userId)) return refused.notAMember;
  if (state.lastItem(room).number >= itemsPerRoomMax) return refused.roomFull;
  return undefined;
}
