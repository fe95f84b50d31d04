// When all is over the tables of every server hold what the rules say (src/chat/SPEC.md): the model
// that has followed the log from its beginning is held against them, row by row.
import type { ChatModel } from "../chat-model.ts";
import type { ModelItem } from "../chat-model-values.ts";
import { type ClusterChecker, type FinalServer, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import type { FirstApplications } from "./applied-commands.ts";
import { ContentHash } from "./content-hash.ts";

// Values that stand in the tables: src/chat/schema.ts.
const notLeft = Number.MAX_SAFE_INTEGER;
const roomKinds = { personal: 1, open: 2 } as const;
const itemKinds = { message: 1, joined: 2, left: 3 } as const;

const numbersOfItem: readonly string[] = [
  ...["room_id", "number", "position", "timestamp_ms", "author_id", "kind", "written_ms"],
];

/** Rows of the timeline that are read at once. */
const itemsAtOnce = 10_000;

type Row = Readonly<Record<string, unknown>>;
type Value = number | string | null;

/** Hashes of all items in the order of the log: what is kept of them until the end. */
export class ItemHashes {
  readonly #hashes: number[] = [];
  readonly #hash = new ContentHash();

  get count(): number {
    return this.#hashes.length;
  }

  add(item: ModelItem): void {
    const { roomId, number, position, timestampMs, authorId, writtenMs } = item;
    const { commandId, content } = item;
    const kind = itemKinds[content.kind];
    const numbers = [roomId, number, position, timestampMs, authorId, kind, writtenMs];
    const body = content.kind === "message" ? content.body : null;
    this.#hashes.push(this.#hashOf(numbers, { commandId, body }));
  }

  /**
   * Whether a row of timeline_items is the item with this place, from 0, in the order of the
   * log.
   */
  isRow(at: number, row: Row): boolean {
    const numbers = numbersOfItem.map((name) => row[name] as number);
    const commandId = row["command_id"] as Uint8Array;
    return this.#hashes[at] === this.#hashOf(numbers, { commandId, body: row["body"] as string });
  }

  #hashOf(
    numbers: readonly number[],
    { commandId, body }: { readonly commandId: Uint8Array; readonly body: string | null },
  ): number {
    const hash = this.#hash.reset();
    for (const number of numbers) hash.number(number);
    hash.bytes(commandId);
    return (body === null ? hash.number(0) : hash.number(1).text(body)).value();
  }
}

/** Judges the servers at the end, each different state once. */
export class FinalState implements ClusterChecker {
  readonly name = "final-state";
  readonly #model: ChatModel;
  readonly #items: ItemHashes;
  readonly #applications: FirstApplications;

  /** All three are those that model-conformance fills. */
  constructor(parts: {
    readonly model: ChatModel;
    readonly items: ItemHashes;
    readonly applications: FirstApplications;
  }) {
    this.#model = parts.model;
    this.#items = parts.items;
    this.#applications = parts.applications;
  }

  see(_event: ClusterEvent): void {
    // Only the end counts.
  }

  finish(servers: readonly FinalServer[]): void {
    const judged = new Set<string>();
    for (const server of servers) {
      const { appliedIndex } = this.#applications;
      if (server.appliedIndex !== appliedIndex) {
        this.#fail(server, `ends at entry ${server.appliedIndex}, the model at ${appliedIndex}`);
      }
      if (judged.has(server.stateDigest)) continue;
      judged.add(server.stateDigest);
      for (const { table, sql, expected } of tablesOf(this.#model)) {
        this.#compare(server, { table, actual: server.rows(sql), expected });
      }
      this.#compareItems(server);
    }
  }

  #compare(
    server: FinalServer,
    rows: {
      readonly table: string;
      readonly actual: readonly Row[];
      readonly expected: readonly (readonly Value[])[];
    },
  ): void {
    const { table, actual, expected } = rows;
    for (let at = 0; at < Math.max(actual.length, expected.length); at++) {
      const [row, rule] = [actual[at], expected[at]];
      const found = row === undefined ? "none" : describe(Object.values(row));
      const due = rule === undefined ? "none" : describe(rule);
      if (found !== due) {
        this.#fail(server, `row ${at + 1} of ${table} is ${found}, the rules say ${due}`);
      }
    }
  }

  #compareItems(server: FinalServer): void {
    let count = 0;
    for (;;) {
      const rows = server.rows(
        `SELECT * FROM timeline_items WHERE item_id > ${count}
          ORDER BY item_id LIMIT ${itemsAtOnce}`,
      );
      for (const row of rows) {
        if (row["item_id"] !== count + 1 || !this.#items.isRow(count, row)) {
          const found = describe(Object.values(row));
          this.#fail(server, `row ${count + 1} of timeline_items is ${found}, against the rules`);
        }
        count += 1;
      }
      if (rows.length < itemsAtOnce) break;
    }
    if (count === this.#items.count) return;
    this.#fail(server, `has ${count} items, the rules say ${this.#items.count}`);
  }

  #fail({ server }: FinalServer, message: string): never {
    throw new SafetyViolation(this.name, `server ${server} ${message}`);
  }
}

/** What must stand in each table but the timeline's, in the order of the query. */
function tablesOf(model: ChatModel) {
  const { initialized } = model;
  return [
    {
      table: "cluster",
      sql: `SELECT timestamp_ms, last_session_id, initialized_position, token_key
        FROM cluster ORDER BY one`,
      expected: [
        [
          model.timestampMs,
          model.lastSessionId,
          initialized?.position ?? null,
          initialized === undefined ? null : hex(initialized.tokenKey),
        ],
      ],
    },
    {
      table: "users",
      sql: `SELECT user_id, username, display_name, password_hash, registered_position,
        registered_ms FROM users ORDER BY user_id`,
      expected: model.people.map(({ registered: { position, timestampMs }, ...person }) => {
        const { userId, username, displayName, passwordHash } = person;
        return [userId, username, displayName, passwordHash, position, timestampMs];
      }),
    },
    {
      table: "sessions",
      sql: `SELECT session_id, user_id, device, opened_position, opened_ms, island_nonce
        FROM sessions ORDER BY session_id`,
      expected: [...model.sessions.values()].map((session) => [
        ...[session.sessionId, session.userId, session.device],
        ...[session.opened.position, session.opened.timestampMs],
        nonceOf(session.islandNonce),
      ]),
    },
    {
      table: "set_aside",
      sql: `SELECT position, room_id, author_id, owner_id, command_id, accepted_ms, body, code
        FROM set_aside ORDER BY position`,
      expected: [...model.setAside.values()].map((message) => [
        ...[message.position, message.roomId, message.authorId, message.ownerId],
        ...[hex(message.commandId), message.acceptedMs, message.body, message.code],
      ]),
    },
    {
      table: "rooms",
      sql: `SELECT room_id, name, kind, owner_id, created_position, created_ms
        FROM rooms ORDER BY room_id`,
      expected: model.rooms.map(({ roomId, name, personal, ownerId, created }) => [
        ...[roomId, name, personal ? roomKinds.personal : roomKinds.open, ownerId],
        ...[created.position, created.timestampMs],
      ]),
    },
    {
      table: "memberships",
      sql: `SELECT user_id, left_position, room_id, joined_position
        FROM memberships ORDER BY left_position, room_id, user_id`,
      expected: membershipsOf(model),
    },
    {
      table: "commands",
      sql: `SELECT position, user_id, command_id, timestamp_ms FROM commands ORDER BY position`,
      expected: model.remembered.map(({ position, userId, commandId, timestampMs }) => [
        ...[position, userId, hex(commandId), timestampMs],
      ]),
    },
  ];
}

/** Ended stays in the order of their ends, then those that go on, by room and person. */
function membershipsOf({ stays, rooms }: ChatModel): Value[][] {
  const rows: Value[][] = stays.map(({ userId, leftPosition, roomId, joinedPosition }) => [
    ...[userId, leftPosition, roomId, joinedPosition],
  ]);
  for (const { roomId, members } of rooms) {
    for (const [userId, joinedPosition] of [...members].sort(([a], [b]) => a - b)) {
      rows.push([userId, notLeft, roomId, joinedPosition]);
    }
  }
  return rows;
}

/** IM10, in eight bytes; none where no island has opened the session. */
function nonceOf(islandNonce: bigint): string | null {
  return islandNonce === 0n ? null : `x${islandNonce.toString(16).padStart(16, "0")}`;
}

function describe(values: readonly unknown[]): string {
  return JSON.stringify(values.map((value) => (value instanceof Uint8Array ? hex(value) : value)));
}

function hex(bytes: Uint8Array): string {
  return `x${Buffer.from(bytes).toString("hex")}`;
}
