// Logs a person out: one session, or all of them. What comes through an ended session is refused
// from here on.
import type { CloseSession } from "../../proto/gen/chat/v1/command_pb.js";
import { refused } from "../rejections.ts";
import { endSessions, openSessions } from "../sessions.ts";
import type { CommandHandler } from "./command.ts";

/** SPEC.md SE5 to SE7. */
export const closeSession: CommandHandler<CloseSession> = {
  content: ({ sessionId }) => ({ kind: "other", fingerprint: `closeSession ${sessionId}` }),
  validate: () => undefined,
  authorize({ state }, author, { sessionId }) {
    if (sessionId === 0 || state.sessionOwner(sessionId) === author.userId) return undefined;
    return refused.notYourSession;
  },
  apply(context, author, { sessionId }) {
    const { userId } = author;
    const ended = sessionId === 0 ? openSessions(context, userId) : [sessionId];
    const events = endSessions(context, ended, { userId, author });
    return { answer: { kind: "sessionClosed" }, events };
  },
};
