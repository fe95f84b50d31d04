// Writes a message in a room: the hot path. Two statements: one looks for the id, one inserts the
// item.
import type { SendMessage } from "../../proto/gen/chat/v1/command_pb.js";
import { refusePosting } from "../access.ts";
import { knownRoom } from "../rooms.ts";
import { itemKind } from "../schema.ts";
import { appendItem } from "../timeline.ts";
import { checkBody } from "../validation.ts";
import type { CommandHandler } from "./command.ts";

/** SPEC.md MS1 to MS5. */
export const sendMessage: CommandHandler<SendMessage> = {
  content: ({ roomId, body }) => ({ kind: "message", roomId, body }),
  validate: ({ body }) => checkBody(body),
  authorize: ({ state }, author, { roomId }) => refusePosting(state, roomId, author.userId),
  apply(context, author, { roomId, body }) {
    const room = knownRoom(context, roomId);
    const event = appendItem(context, room, author, { kind: itemKind.message, body });
    const { number } = context.state.lastItem(room);
    return {
      answer: { kind: "sent", roomId, number },
      events: [{ audience: context.state.audienceOf(room), event }],
    };
  },
};
