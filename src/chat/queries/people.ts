// Reads about single people and about the cluster: what log-in and the check of tokens need.
import type { Person } from "../../proto/gen/chat/v1/api_pb.js";
import type { Context } from "../context.ts";
import { isRejection } from "../rejections.ts";
import { bytes, integer, text } from "../rows.ts";
import type { Credentials, UserId } from "../types.ts";
import { parseUsername } from "../validation.ts";

/** The key that signs session tokens; undefined before InitializeCluster. */
export function tokenKey({ statements }: Context): Uint8Array | undefined {
  const row = statements.cluster.get();
  return row?.["token_key"] === null ? undefined : bytes(row, "token_key");
}

/** What log-in needs of a person, by a username in any case. */
export function credentials({ statements }: Context, username: string): Credentials | undefined {
  const name = parseUsername(username);
  if (isRejection(name)) return undefined;
  const row = statements.userByName.get(name);
  if (row === undefined) return undefined;
  return {
    userId: integer(row, "user_id"),
    username: name,
    displayName: text(row, "display_name"),
    passwordHash: text(row, "password_hash"),
  };
}

/** A person by id. */
export function person({ state }: Context, userId: UserId): Person | undefined {
  const user = state.user(userId);
  if (user === undefined) return undefined;
  return toPerson(user);
}

/** A person as the API shows one. */
export function toPerson(user: {
  readonly userId: UserId;
  readonly username: string;
  readonly displayName: string;
}): Person {
  const { userId, username, displayName } = user;
  return { $typeName: "chat.v1.Person", userId, username, displayName };
}
