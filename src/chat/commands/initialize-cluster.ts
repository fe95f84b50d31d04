// The first leader's first command: gives the cluster the key that signs session tokens. Later ones
// change nothing.
import type { InitializeCluster } from "../../proto/gen/chat/v1/command_pb.js";
import { tokenKeyBytes } from "../limits.ts";
import { refused } from "../rejections.ts";
import { integer } from "../rows.ts";
import type { CommandHandler } from "./command.ts";

/** SPEC.md AC1, AC2. */
export const initializeCluster: CommandHandler<InitializeCluster> = {
  scopeBeforeLogIn: () => 0,
  // The key is no part of the content: who proposes again may have drawn another one.
  content: () => ({ kind: "other", fingerprint: "initializeCluster" }),
  validate: (body) => (body.tokenKey.length === tokenKeyBytes ? undefined : refused.badTokenKey),
  authorize: () => undefined,
  apply({ statements }, author, body) {
    const answer = { kind: "initialized" } as const;
    const row = statements.cluster.get();
    if (row?.["initialized_position"] !== null) {
      return { answer, events: [], doneBefore: integer(row, "initialized_position") };
    }
    statements.setInitialized.run(author.position, body.tokenKey);
    return { answer, events: [] };
  },
};
