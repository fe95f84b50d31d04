// Enters a room, or follows a person: both are joining. The room is told.
import { assertDefined } from "../../base/assert.ts";
import type { JoinRoom } from "../../proto/gen/chat/v1/command_pb.js";
import { refuseJoining } from "../access.ts";
import { knownRoom } from "../rooms.ts";
import { itemKind } from "../schema.ts";
import { appendItem } from "../timeline.ts";
import type { CommandHandler } from "./command.ts";

/** SPEC.md RM4, RM5. */
export const joinRoom: CommandHandler<JoinRoom> = {
  content: ({ roomId }) => ({ kind: "other", fingerprint: `joinRoom ${roomId}` }),
  validate: () => undefined,
  authorize({ state }, author, { roomId }) {
    const user = assertDefined(state.user(author.userId), "the user of an open session");
    return refuseJoining(state, roomId, user);
  },
  apply(context, author, { roomId }) {
    const { state, statements } = context;
    const { userId, position } = author;
    const answer = { kind: "joined", roomId } as const;
    const room = knownRoom(context, roomId);
    if (room.members.has(userId)) return { answer, events: [] };
    statements.insertMembership.run(userId, roomId, position);
    state.addMember(room, userId);
    const event = appendItem(context, room, author, { kind: itemKind.joined });
    return { answer, events: [{ audience: state.audienceOf(room), event }] };
  },
};
