// Which operations of the workload bring which command of the state machine into the log. A new
// command does not compile until it stands here; workload.test.ts sees that what stands here is
// applied.
import type { Command } from "../proto/gen/chat/v1/command_pb.js";
import type { OperationName } from "./history.ts";

/**
 * The commands of the state machine, as proto/chat/v1/command.proto names them; but for MergeHeld,
 * which carries one of them: servers give it when an island has healed.
 */
export type CommandCase = Exclude<Command["body"]["case"], undefined | "mergeHeld">;

/** The operations that produce each command; none where no client can give it. */
export const operationsByCommand: Readonly<Record<CommandCase, readonly OperationName[]>> = {
  // The first leader gives it when a cluster begins; no client can. So every run has it.
  initializeCluster: [],
  registerUser: ["register", "resend"],
  openSession: ["logIn"],
  closeSession: ["logOut"],
  createRoom: ["createRoom", "resend"],
  joinRoom: ["joinRoom", "resend"],
  leaveRoom: ["leaveRoom", "resend"],
  sendMessage: ["send", "resend"],
};
