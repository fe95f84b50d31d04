// The table of all commands: a new one is a file, its test, its line here and its rules in SPEC.md.
import { closeSession } from "./close-session.ts";
import type { BodyOf, CommandCase, CommandHandler } from "./command.ts";
import { createRoom } from "./create-room.ts";
import { initializeCluster } from "./initialize-cluster.ts";
import { joinRoom } from "./join-room.ts";
import { leaveRoom } from "./leave-room.ts";
import { openSession } from "./open-session.ts";
import { registerUser } from "./register-user.ts";
import { sendMessage } from "./send-message.ts";

/** The handler of each command that people and servers give; a missing one does not compile. */
export const commandHandlers: { readonly [Case in CommandCase]: CommandHandler<BodyOf<Case>> } = {
  initializeCluster,
  registerUser,
  openSession,
  closeSession,
  createRoom,
  joinRoom,
  leaveRoom,
  sendMessage,
};
