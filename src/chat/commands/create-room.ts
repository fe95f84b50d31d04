// Makes a group room that everyone may join. Personal rooms are made by register-user.ts.
import type { CreateRoom } from "../../proto/gen/chat/v1/command_pb.js";
import { roomsMax, roomsPerUserMax } from "../limits.ts";
import { nameTaken, refused } from "../rejections.ts";
import { createRoomWithOwner } from "../rooms.ts";
import { roomKind } from "../schema.ts";
import { checkRoomName } from "../validation.ts";
import type { CommandHandler } from "./command.ts";

/** SPEC.md RM2, RM3. */
export const createRoom: CommandHandler<CreateRoom> = {
  content: ({ name }) => ({ kind: "other", fingerprint: `createRoom ${JSON.stringify(name)}` }),
  validate: (body) => checkRoomName(body.name),
  authorize({ state }, author, { name }) {
    if (state.roomByName(name) !== undefined) return nameTaken(name);
    if (state.lastRoomId >= roomsMax) return refused.tooManyRooms;
    const roomCount = state.user(author.userId)?.roomCount ?? 0;
    return roomCount >= roomsPerUserMax ? refused.inTooManyRooms : undefined;
  },
  apply(context, author, { name }) {
    const wanted = { name, kind: roomKind.open, ownerId: author.userId };
    const { roomId, event } = createRoomWithOwner(context, author, wanted);
    return { answer: { kind: "roomCreated", roomId }, events: [event] };
  },
};
