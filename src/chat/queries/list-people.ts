// People by username, with wildcards. The part of the pattern before the first wildcard is looked
// up in the index; what begins with a wildcard looks at every username after the page before.
import type { Person } from "../../proto/gen/chat/v1/api_pb.js";
import type { Context } from "../context.ts";
import { listPage } from "../limits.ts";
import type { ChatQueries, Page } from "../queries.ts";
import { isRejection } from "../rejections.ts";
import { integer, text } from "../rows.ts";
import type { Rejection } from "../types.ts";
import { checkPattern, pageLimit, toLowerAscii } from "../validation.ts";
import { toPerson } from "./people.ts";

// Sorts after every username: these are ASCII.
const afterAllNames = "\u007f";

/** SPEC.md AC8. Ordered by username. */
export function listPeople(
  { statements }: Context,
  ask: Parameters<ChatQueries["listPeople"]>[0],
): Page<Person> | Rejection {
  const limit = pageLimit(ask.limit, listPage);
  if (isRejection(limit)) return limit;
  const bad = checkPattern(ask.pattern);
  if (bad !== undefined) return bad;
  const pattern = ask.pattern === "" ? "*" : toLowerAscii(ask.pattern);
  const prefix = pattern.slice(0, pattern.search(/[*?]|$/));
  const rows = statements.usersLike.all(
    ask.afterUsername,
    prefix,
    prefix + afterAllNames,
    toGlob(pattern),
    limit + 1,
  );
  const items = rows.slice(0, limit).map((row) =>
    toPerson({
      userId: integer(row, "user_id"),
      username: text(row, "username"),
      displayName: text(row, "display_name"),
    }),
  );
  return { items, more: rows.length > limit };
}

/**
 * SQLite's GLOB knows one more special character, `[`; as a class of its own it stands for itself.
 */
function toGlob(pattern: string): string {
  return pattern.replaceAll("[", "[[]");
}
