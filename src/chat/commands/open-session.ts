// Logs a person in on one device. The accepting server has checked the password; here only that its
// hash still holds.
import type { OpenSession } from "../../proto/gen/chat/v1/command_pb.js";
import { refused } from "../rejections.ts";
import { text } from "../rows.ts";
import { openSession as open, sessionOfIsland } from "../sessions.ts";
import { checkDevice } from "../validation.ts";
import type { CommandHandler } from "./command.ts";

/** SPEC.md SE1 to SE4, IM10. */
export const openSession: CommandHandler<OpenSession> = {
  scopeBeforeLogIn: (body) => body.userId,
  // Without the hash and the island's number: a person who tries again under the same id means the
  // same log-in.
  content: ({ device }) => ({
    kind: "other",
    fingerprint: `openSession ${JSON.stringify(device)}`,
  }),
  validate: (body) => checkDevice(body.device),
  authorize(context, _author, body) {
    const row = context.statements.passwordHash.get(body.userId);
    if (row === undefined) return refused.unknownPerson;
    if (text(row, "password_hash") !== body.passwordHash) return refused.passwordChanged;
    const known = sessionOfIsland(context, body.islandNonce);
    return known === undefined || known.userId === body.userId
      ? undefined
      : refused.islandLogInTaken;
  },
  apply(context, author, { userId, device, islandNonce }) {
    const known = sessionOfIsland(context, islandNonce);
    if (known !== undefined) {
      const { sessionId } = known;
      return { answer: { kind: "sessionOpened", sessionId, userId }, events: [] };
    }
    const { sessionId, events } = open(context, { userId, device, islandNonce }, author);
    return { answer: { kind: "sessionOpened", sessionId, userId }, events };
  },
};
