// Leaves a room, or stops to follow a person. The room is told, and so is whoever left: it is the
// last they see of it.
import { assert } from "../../base/assert.ts";
import type { LeaveRoom } from "../../proto/gen/chat/v1/command_pb.js";
import { refuseLeaving } from "../access.ts";
import { knownRoom } from "../rooms.ts";
import { itemKind } from "../schema.ts";
import { appendItem } from "../timeline.ts";
import type { CommandHandler } from "./command.ts";

/** SPEC.md RM6 to RM8. */
export const leaveRoom: CommandHandler<LeaveRoom> = {
  content: ({ roomId }) => ({ kind: "other", fingerprint: `leaveRoom ${roomId}` }),
  validate: () => undefined,
  authorize: ({ state }, author, { roomId }) => refuseLeaving(state, roomId, author.userId),
  apply(context, author, { roomId }) {
    const { state, statements } = context;
    const { userId, position } = author;
    const room = knownRoom(context, roomId);
    const event = appendItem(context, room, author, { kind: itemKind.left });
    // Lent out before the leaver is taken out: the leaver's devices must learn of it too.
    const audience = state.audienceOf(room);
    const { changes } = statements.endMembership.run(position, userId, roomId);
    assert(changes === 1, "a member's row is missing");
    state.removeMember(room, userId);
    return { answer: { kind: "left", roomId }, events: [{ audience, event }] };
  },
};
