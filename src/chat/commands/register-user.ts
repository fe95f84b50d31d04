// Makes an account, and with it the person's own room `@<username>`. The password's hash is made
// before the log.
import { assert } from "../../base/assert.ts";
import type { RegisterUser } from "../../proto/gen/chat/v1/command_pb.js";
import { roomsMax, usersMax } from "../limits.ts";
import { isRejection, nameTaken, refused } from "../rejections.ts";
import { createRoomWithOwner } from "../rooms.ts";
import { roomKind } from "../schema.ts";
import { checkDisplayName, checkPasswordHash, parseUsername, toLowerAscii } from "../validation.ts";
import type { CommandHandler } from "./command.ts";

/** SPEC.md AC3 to AC7, RM1. */
export const registerUser: CommandHandler<RegisterUser> = {
  scopeBeforeLogIn: () => 0,
  // Without the hash: whoever tries again hashes with a new salt.
  content: ({ username, displayName }) => ({
    kind: "other",
    fingerprint: `registerUser ${JSON.stringify([toLowerAscii(username), displayName])}`,
  }),
  validate({ username, displayName, passwordHash }) {
    const name = parseUsername(username);
    if (isRejection(name)) return name;
    return checkDisplayName(displayName) ?? checkPasswordHash(passwordHash);
  },
  authorize({ state, statements }, _author, body) {
    const name = toLowerAscii(body.username);
    if (statements.userByName.get(name) !== undefined) return nameTaken(name);
    if (state.lastUserId >= usersMax) return refused.tooManyUsers;
    return state.lastRoomId >= roomsMax ? refused.tooManyRooms : undefined;
  },
  apply(context, author, body) {
    const username = parseUsername(body.username);
    assert(!isRejection(username), "the username was checked");
    const displayName = body.displayName === "" ? username : body.displayName;
    const userId = context.state.lastUserId + 1;
    context.statements.insertUser.run(
      userId,
      username,
      displayName,
      body.passwordHash,
      author.position,
      author.timestampMs,
    );
    context.state.addUser({ userId, username, displayName });
    const created = createRoomWithOwner(context, author, {
      name: `@${username}`,
      kind: roomKind.personal,
      ownerId: userId,
    });
    return {
      answer: { kind: "registered", userId, roomId: created.roomId },
      events: [created.event],
    };
  },
};
