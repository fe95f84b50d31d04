// The tables of chat.db, and how older ones are brought up to date, version by version. Every row
// is a function of the log: tables are written by `Chat.apply` alone.
import { assert } from "../base/assert.ts";
import type { Database } from "../io/database.ts";
import { integer } from "./rows.ts";

/** The left_position of a membership that has not ended: above every position. */
export const notLeft = Number.MAX_SAFE_INTEGER;

/** What a row of timeline_items is. Stored: a number is never given another meaning. */
export const itemKind = { message: 1, joined: 2, left: 3 } as const;

/** What a row of rooms is; equal to `chat.v1.RoomKind`. Stored. */
export const roomKind = { personal: 1, open: 2 } as const;

// The migration at i leads from version i to i + 1; one that has been released is never changed.
const migrations: readonly string[] = [
  `
  -- One row. applied_index and timestamp_ms: the last entry in this state and its cluster time.
  CREATE TABLE cluster (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    applied_index INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    last_session_id INTEGER NOT NULL,
    initialized_position INTEGER,
    token_key BLOB
  ) STRICT;
  INSERT INTO cluster (one, applied_index, timestamp_ms, last_session_id) VALUES (1, 0, 0, 0);

  CREATE TABLE users (
    user_id INTEGER PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    registered_position INTEGER NOT NULL,
    registered_ms INTEGER NOT NULL
  ) STRICT;

  -- Open sessions only. A row goes when its session ends; its id is never given again.
  CREATE TABLE sessions (
    session_id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    device TEXT NOT NULL,
    opened_position INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX sessions_by_user ON sessions (user_id, session_id);

  -- room_id and created_position rise together.
  CREATE TABLE rooms (
    room_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    owner_id INTEGER NOT NULL,
    created_position INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
  ) STRICT;

  -- All stays of people in rooms, also those that have ended, for replay: one sees what has its
  -- position in [joined_position, left_position]. The key finds the stays that ended after a
  -- position, the open ones last.
  CREATE TABLE memberships (
    user_id INTEGER NOT NULL,
    left_position INTEGER NOT NULL,
    room_id INTEGER NOT NULL,
    joined_position INTEGER NOT NULL,
    PRIMARY KEY (user_id, left_position, room_id)
  ) STRICT, WITHOUT ROWID;

  -- item_id: 1, 2, 3, … in the order of the log, so that the table grows at its end. Within a room,
  -- number, position and timestamp_ms rise together. body is null for joined and left.
  CREATE TABLE timeline_items (
    item_id INTEGER PRIMARY KEY,
    room_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    position INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    command_id BLOB NOT NULL,
    body TEXT
  ) STRICT;
  CREATE UNIQUE INDEX timeline_items_by_number ON timeline_items (room_id, number);
  -- The id first: ids that begin with a time (UUIDv7) then land on neighbouring pages, whoever
  -- wrote.
  CREATE UNIQUE INDEX messages_by_command ON timeline_items (command_id, author_id) WHERE kind = 1;

  -- The ids of accepted commands other than messages, with their answers.
  CREATE TABLE commands (
    position INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    command_id BLOB NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX commands_by_id ON commands (command_id, user_id);
  `,
  `
  -- Not 0: written in island mode at this cluster time; timestamp_ms is that of its merge.
  ALTER TABLE timeline_items ADD COLUMN written_ms INTEGER NOT NULL DEFAULT 0;

  -- Eight bytes: the session was opened on an island, whose tokens carry this number.
  ALTER TABLE sessions ADD COLUMN island_nonce BLOB;
  CREATE UNIQUE INDEX sessions_by_island_nonce ON sessions (island_nonce)
    WHERE island_nonce IS NOT NULL;

  -- Held messages that could not be put into their rooms. owner_id: the room's owner as of then.
  -- code: the chat.v1.RejectionCode of what stood against it.
  CREATE TABLE set_aside (
    position INTEGER PRIMARY KEY,
    room_id INTEGER NOT NULL,
    author_id INTEGER NOT NULL,
    owner_id INTEGER NOT NULL,
    command_id BLOB NOT NULL,
    accepted_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    code INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX set_aside_by_command ON set_aside (command_id, author_id);
  CREATE INDEX set_aside_by_author ON set_aside (author_id, position);
  CREATE INDEX set_aside_by_owner ON set_aside (owner_id, position);
  CREATE INDEX set_aside_by_room ON set_aside (room_id, position);
  `,
];

/** The version of the tables that this build reads and writes. */
export const schemaVersion = migrations.length;

/**
 * Thrown by `openChat` for a chat.db that a newer build has written; the remedy is to run that
 * build.
 */
export class SchemaTooNewError extends Error {
  override name = "SchemaTooNewError";
}

/** Brings the tables to `schemaVersion`, from nothing or from any earlier version. */
export function migrateSchema(database: Database): void {
  const found = integer(database.prepare("PRAGMA user_version").get(), "user_version");
  if (found > schemaVersion) {
    throw new SchemaTooNewError(
      `The chat state has schema version ${found}, this build knows versions up to ` +
        `${schemaVersion}; run the build that wrote it, or a newer one.`,
    );
  }
  if (found === schemaVersion) return;
  database.transaction(() => {
    for (const migration of migrations.slice(found)) database.exec(migration);
    database.exec(`PRAGMA user_version = ${schemaVersion}`);
  });
  const now = integer(database.prepare("PRAGMA user_version").get(), "user_version");
  assert(now === schemaVersion, "the schema version was not stored");
}
