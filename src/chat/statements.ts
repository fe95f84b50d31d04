// All SQL that runs after the start, prepared once and named. Every SELECT has an ORDER BY and a
// LIMIT, so that its answer and its cost are defined; nothing here knows time or chance.
import type { Database, Statement } from "../io/database.ts";
import { itemKind, notLeft } from "./schema.ts";

const itemColumns =
  "room_id, number, position, timestamp_ms, author_id, kind, command_id, body, written_ms " +
  "FROM timeline_items";
const setAsideColumns =
  "position, room_id, author_id, command_id, accepted_ms, body, code FROM set_aside";

/** (user, id): one of the rows that stand for the id. */
const use = (
  direction: "ASC" | "DESC",
) => `SELECT position, fingerprint, answer, NULL AS room_id, NULL AS number, NULL AS body,
      NULL AS code
    FROM commands WHERE command_id = ?2 AND user_id = ?1
  UNION ALL SELECT position, NULL, NULL, room_id, number, body, NULL
    FROM timeline_items
    WHERE command_id = ?2 AND author_id = ?1 AND kind = ${itemKind.message}
  UNION ALL SELECT position, NULL, NULL, room_id, NULL, body, code
    FROM set_aside WHERE command_id = ?2 AND author_id = ?1
  ORDER BY position ${direction} LIMIT 1`;

const sql = {
  // ---- The cluster row ----
  cluster: `SELECT applied_index, timestamp_ms, last_session_id, initialized_position, token_key
    FROM cluster ORDER BY one LIMIT 1`,
  setApplied: "UPDATE cluster SET applied_index = ?, timestamp_ms = ? WHERE one = 1",
  setInitialized: "UPDATE cluster SET initialized_position = ?, token_key = ? WHERE one = 1",
  setLastSessionId: "UPDATE cluster SET last_session_id = ? WHERE one = 1",

  // ---- People and sessions ----
  insertUser: `INSERT INTO users
    (user_id, username, display_name, password_hash, registered_position, registered_ms)
    VALUES (?, ?, ?, ?, ?, ?)`,
  usersAfterId: `SELECT user_id, username, display_name FROM users
    WHERE user_id > ? ORDER BY user_id LIMIT ?`,
  userByName: `SELECT user_id, username, display_name, password_hash FROM users
    WHERE username = ? ORDER BY user_id LIMIT 1`,
  passwordHash: "SELECT password_hash FROM users WHERE user_id = ? ORDER BY user_id LIMIT 1",
  /** (after, first possible, end of possible, GLOB pattern, limit) */
  usersLike: `SELECT user_id, username, display_name FROM users
    WHERE username > ? AND username >= ? AND username < ? AND username GLOB ?
    ORDER BY username LIMIT ?`,
  insertSession: `INSERT INTO sessions
    (session_id, user_id, device, opened_position, opened_ms, island_nonce)
    VALUES (?, ?, ?, ?, ?, ?)`,
  sessionByIslandNonce: `SELECT session_id, user_id FROM sessions WHERE island_nonce = ?
    ORDER BY session_id LIMIT 1`,
  sessionOwner: "SELECT user_id FROM sessions WHERE session_id = ? ORDER BY session_id LIMIT 1",
  sessionsOfUser: "SELECT session_id FROM sessions WHERE user_id = ? ORDER BY session_id LIMIT ?",
  deleteSession: "DELETE FROM sessions WHERE session_id = ?",

  // ---- Rooms and who is in them ----
  insertRoom: `INSERT INTO rooms (room_id, name, kind, owner_id, created_position, created_ms)
    VALUES (?, ?, ?, ?, ?, ?)`,
  roomsAfterId: `SELECT room_id, name, kind, owner_id, created_position FROM rooms
    WHERE room_id > ? ORDER BY room_id LIMIT ?`,
  roomIdsAfterName: "SELECT room_id FROM rooms WHERE name > ? ORDER BY name LIMIT ?",
  /** (user, after name, limit) */
  joinedRoomIdsAfterName: `SELECT rooms.room_id FROM memberships
    JOIN rooms ON rooms.room_id = memberships.room_id
    WHERE user_id = ? AND left_position = ${notLeft} AND name > ? ORDER BY name LIMIT ?`,
  insertMembership: `INSERT INTO memberships (user_id, left_position, room_id, joined_position)
    VALUES (?, ${notLeft}, ?, ?)`,
  /** (left position, user, room) */
  endMembership: `UPDATE memberships SET left_position = ?
    WHERE user_id = ? AND left_position = ${notLeft} AND room_id = ?`,
  roomIdsOfUser: `SELECT room_id FROM memberships
    WHERE user_id = ? AND left_position = ${notLeft} ORDER BY room_id LIMIT ?`,
  /** (user, after, until, how many are skipped): where the one after those ended. */
  endedMembership: `SELECT left_position FROM memberships
    WHERE user_id = ? AND left_position > ? AND left_position <= ?
    ORDER BY left_position, room_id LIMIT 1 OFFSET ?`,
  /** (user, after, until, limit): stays that overlap (after, until]. */
  membershipsWithin: `SELECT room_id, joined_position, left_position FROM memberships
    WHERE user_id = ? AND left_position > ? AND joined_position <= ?
    ORDER BY left_position, room_id LIMIT ?`,

  // ---- Timelines ----
  insertItem: `INSERT INTO timeline_items
    (room_id, number, position, timestamp_ms, author_id, kind, command_id, body, written_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  lastItem: `SELECT number, position FROM timeline_items
    WHERE room_id = ? ORDER BY number DESC LIMIT 1`,
  itemPosition: `SELECT position FROM timeline_items
    WHERE room_id = ? AND number = ? ORDER BY number LIMIT 1`,
  itemsAfter: `SELECT ${itemColumns}
    WHERE room_id = ? AND number > ? ORDER BY number LIMIT ?`,
  itemsBefore: `SELECT ${itemColumns}
    WHERE room_id = ? AND number < ? ORDER BY number DESC LIMIT ?`,

  // ---- Held messages that were set aside ----
  insertSetAside: `INSERT INTO set_aside
    (position, room_id, author_id, owner_id, command_id, accepted_ms, body, code)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  /** (author, after, until, limit) */
  setAsideByAuthor: `SELECT ${setAsideColumns}
    WHERE author_id = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?`,
  /** (owner, after, until, limit): without the owner's own. */
  setAsideByOthers: `SELECT ${setAsideColumns}
    WHERE owner_id = ?1 AND author_id <> ?1 AND position > ?2 AND position <= ?3
    ORDER BY position LIMIT ?4`,
  /** (room, limit): the newest first. */
  setAsideInRoom: `SELECT ${setAsideColumns}
    WHERE room_id = ? ORDER BY position DESC LIMIT ?`,
  /** (author, room, limit): the newest first. */
  setAsideByAuthorInRoom: `SELECT ${setAsideColumns}
    WHERE author_id = ? AND room_id = ? ORDER BY position DESC LIMIT ?`,

  // ---- Ids of commands ----
  /** (user, id): what came under the id first: a command, a message, a message set aside. */
  firstUse: use("ASC"),
  /** The same, and where a held message was set aside after a refusal, that. */
  lastUse: use("DESC"),
  insertCommand: `INSERT INTO commands
    (position, user_id, command_id, timestamp_ms, fingerprint, answer) VALUES (?, ?, ?, ?, ?, ?)`,
  /** (how many at most, those before this time) */
  forgetCommands: `DELETE FROM commands WHERE position IN
    (SELECT position FROM commands ORDER BY position LIMIT ?) AND timestamp_ms < ?`,
} as const;

/** The prepared statements by name. */
export type Statements = { readonly [Name in keyof typeof sql]: Statement };

/** Prepares all statements; a mistake in any of them shows here, at the start. */
export function prepareStatements(database: Database): Statements {
  const prepared: Record<string, Statement> = {};
  for (const [name, source] of Object.entries(sql)) prepared[name] = database.prepare(source);
  return prepared as Statements;
}
