// One room, by id or by name, and how it stands to the one who asks. Every room of today may be
// seen by everyone; who may read in it is another question (access.ts).
import type { Room } from "../../proto/gen/chat/v1/api_pb.js";
import type { Context } from "../context.ts";
import type { RoomName } from "../queries.ts";
import { refused } from "../rejections.ts";
import type { ChatState, RoomState } from "../state.ts";
import type { Rejection, UserId } from "../types.ts";
import { toLowerAscii } from "../validation.ts";

/** SPEC.md RM9. */
export function findRoom(context: Context, asker: UserId, name: RoomName): Room | Rejection {
  const room = lookUpRoom(context, name);
  return room === undefined ? refused.unknownRoom : toRoom(context.state, room, asker);
}

/** The resident state of the room that is meant; names may be given in any case. */
export function lookUpRoom({ state }: Context, name: RoomName): RoomState | undefined {
  return "roomId" in name ? state.room(name.roomId) : state.roomByName(toLowerAscii(name.name));
}

/** A room as the API shows it to one person. */
export function toRoom(state: ChatState, room: RoomState, asker: UserId): Room {
  return {
    $typeName: "chat.v1.Room",
    roomId: room.roomId,
    name: room.name,
    kind: room.kind,
    ownerId: room.ownerId,
    memberCount: room.members.size,
    lastNumber: state.lastItem(room).number,
    joined: room.members.has(asker),
  };
}
