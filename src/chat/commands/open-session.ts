// Logs a person in on one device. The accepting server has checked the password; here only that its
// hash still holds.
import type { OpenSession } from "../../proto/gen/chat/v1/command_pb.js";
import { refused } from "../rejections.ts";
import { text } from "../rows.ts";
import { openSession as open } from "../sessions.ts";
import { checkDevice } from "../validation.ts";
import type { CommandHandler } from "./command.ts";

/** SPEC.md SE1 to SE4. */
export const openSession: CommandHandler<OpenSession> = {
  scopeBeforeLogIn: (body) => body.userId,
  // Without the hash: a person who tries again under the same id means the same log-in.
  content: ({ device }) => ({
    kind: "other",
    fingerprint: `openSession ${JSON.stringify(device)}`,
  }),
  validate: (body) => checkDevice(body.device),
  authorize({ statements }, _author, body) {
    const row = statements.passwordHash.get(body.userId);
    if (row === undefined) return refused.unknownPerson;
    return text(row, "password_hash") === body.passwordHash ? undefined : refused.passwordChanged;
  },
  apply(context, author, { userId, device }) {
    const { sessionId, events } = open(context, { userId, device }, author);
    return { answer: { kind: "sessionOpened", sessionId, userId }, events };
  },
};
