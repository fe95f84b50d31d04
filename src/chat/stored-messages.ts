// Everything that is written in a chat state, for whoever holds its database and serves nobody:
// what a lost disk had, what a backup has. Rights are not asked. Not here: what a person may read
// (queries/).
import { create, toBinary } from "@bufbuild/protobuf";
import type { Database, SqlRow } from "../io/database.ts";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { bytes, integer, text } from "./rows.ts";
import { itemKind } from "./schema.ts";

/** One message, in its room or set aside. */
export interface StoredMessage {
  readonly position: number;
  readonly roomName: string;
  readonly authorUsername: string;
  readonly commandId: Uint8Array;
  readonly body: string;
  /** Cluster time at which it was written, also where it was merged later. */
  readonly writtenMs: number;
  /** The encoded `SendMessage` that it comes from, under its author and id. */
  readonly command: Uint8Array;
}

/** How much a state holds. */
export interface StoredCounts {
  readonly people: number;
  readonly rooms: number;
  /** In rooms or set aside. */
  readonly messages: number;
}

/** Rows that are read at a time. */
const pageRows = 500;

const names = `JOIN users AS u ON u.user_id = m.author_id
  JOIN rooms AS r ON r.room_id = m.room_id`;
const columns = "m.position, m.room_id, m.author_id, m.command_id, m.body, r.name, u.username";
const itemsQuery = `SELECT m.item_id AS place, ${columns},
    CASE WHEN m.written_ms = 0 THEN m.timestamp_ms ELSE m.written_ms END AS written_ms
  FROM timeline_items AS m ${names}
  WHERE m.kind = ${itemKind.message} AND m.item_id > ? ORDER BY m.item_id LIMIT ${pageRows}`;
const setAsideQuery = `SELECT m.position AS place, ${columns}, m.accepted_ms AS written_ms
  FROM set_aside AS m ${names} WHERE m.position > ? ORDER BY m.position LIMIT ${pageRows}`;
const countQueries = {
  people: "SELECT count(*) AS count FROM users",
  rooms: "SELECT count(*) AS count FROM rooms",
  items: `SELECT count(*) AS count FROM timeline_items WHERE kind = ${itemKind.message}`,
  setAside: "SELECT count(*) AS count FROM set_aside",
};

/**
 * All messages of a chat state, in the order of the log; those that were set aside follow. The
 * database has been opened by `openChat`.
 */
export function* storedMessages(database: Database): Generator<StoredMessage, void> {
  for (const query of [itemsQuery, setAsideQuery]) {
    const statement = database.prepare(query);
    for (let place = 0; ; ) {
      const rows = statement.all(place);
      for (const row of rows) {
        place = integer(row, "place");
        yield toMessage(row);
      }
      if (rows.length < pageRows) break;
    }
  }
}

/** Counts what a chat state holds. The database has been opened by `openChat`. */
export function countStored(database: Database): StoredCounts {
  const count = (sql: string) => integer(database.prepare(sql).get(), "count");
  const { people, rooms, items, setAside } = countQueries;
  return { people: count(people), rooms: count(rooms), messages: count(items) + count(setAside) };
}

function toMessage(row: SqlRow): StoredMessage {
  const id = bytes(row, "command_id");
  const userId = integer(row, "author_id");
  const value = { roomId: integer(row, "room_id"), body: text(row, "body") };
  const body = { case: "sendMessage", value } as const;
  return {
    position: integer(row, "position"),
    roomName: text(row, "name"),
    authorUsername: text(row, "username"),
    commandId: id,
    body: value.body,
    writtenMs: integer(row, "written_ms"),
    command: toBinary(CommandSchema, create(CommandSchema, { id, userId, sessionId: 0, body })),
  };
}
