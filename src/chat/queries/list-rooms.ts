// All rooms, or those that the asker is in, by name.
import { assertDefined } from "../../base/assert.ts";
import type { Context } from "../context.ts";
import { listPage } from "../limits.ts";
import type { ChatQueries, Page } from "../queries.ts";
import { integer } from "../rows.ts";
import type { RoomView, UserId } from "../types.ts";
import { toRoom } from "./find-room.ts";

/**
 * SPEC.md RM9. Ordered by name in bytes. Gateways refuse a limit out of range with `pageLimit`; one
 * that comes here all the same is brought into range.
 */
export function listRooms(
  { state, statements }: Context,
  asker: UserId,
  ask: Parameters<ChatQueries["listRooms"]>[1],
): Page<RoomView> {
  const limit = Math.min(ask.limit > 0 ? ask.limit : listPage.default, listPage.max);
  const rows = ask.joinedOnly
    ? statements.joinedRoomIdsAfterName.all(asker, ask.afterName, limit + 1)
    : statements.roomIdsAfterName.all(ask.afterName, limit + 1);
  const items = rows.slice(0, limit).map((row) => {
    const room = assertDefined(state.room(integer(row, "room_id")), "a listed room");
    return toRoom(state, room, asker);
  });
  return { items, more: rows.length > limit };
}
