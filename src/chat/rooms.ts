// Making a room, for the commands that do: a personal one with its person, a group room by itself.
import { assertDefined } from "../base/assert.ts";
import type { Context, Moment } from "./context.ts";
import type { RoomState } from "./state.ts";
import { eventOfRoom } from "./timeline.ts";
import type { ChatEvent, RoomId, UserId } from "./types.ts";

/**
 * Makes a room whose owner is its first member. The name must be free, and there must be room for
 * one more.
 */
export function createRoomWithOwner(
  { state, statements }: Context,
  moment: Moment,
  wanted: { readonly name: string; readonly kind: number; readonly ownerId: UserId },
): { readonly roomId: RoomId; readonly event: ChatEvent } {
  const roomId = state.lastRoomId + 1;
  const { name, kind, ownerId } = wanted;
  const { position, timestampMs } = moment;
  statements.insertRoom.run(roomId, name, kind, ownerId, position, timestampMs);
  statements.insertMembership.run(ownerId, roomId, position);
  const room = state.addRoom({ roomId, name, kind, ownerId, createdPosition: position });
  state.addMember(room, ownerId);
  return { roomId, event: eventOfRoom(room) };
}

/** A room that an earlier step has found to exist. */
export function knownRoom({ state }: Context, roomId: RoomId): RoomState {
  return assertDefined(state.room(roomId), "a room that was checked to exist");
}
