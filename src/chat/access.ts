// Who may do what in which room: the one place where rights are decided. Pure; commands and queries
// ask here.
import { assert } from "../base/assert.ts";
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

/**
 * Putting a message that was held into its room: who may write there now (SPEC.md IM6), and unless
 * the room was opened since the separation to people whom the author could not expect (IM7). What
 * the author might do at the separation was judged when the message was accepted.
 */
export function refuseMerging(
  state: ChatState,
  room: RoomState,
  held: { readonly userId: UserId; readonly separationIndex: bigint },
): Rejection | undefined {
  // Anyone may read these rooms at any time by joining, so nobody writes there counting on who is
  // in it: no one's joining opens it further. A kind of room whose members are chosen gets its rule
  // here, and has `separationIndex` for it.
  const isOpenToAll = room.kind === roomKind.open || room.kind === roomKind.personal;
  assert(isOpenToAll, "a kind of room has no rule for what was held");
  return refusePosting(state, room.roomId, held.userId);
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
