// A chat state machine over SQLite in memory, for tests: speaks in names, keeps the log it has
// written, and collects what each person would have been sent live. Holds no expectations of its
// own.
import { create, toBinary } from "@bufbuild/protobuf";
import { HostDatabase } from "../host/index.ts";
import type { Database } from "../io/database.ts";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { type Command, CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import type { Event, SetAside, TimelineItem } from "../proto/gen/chat/v1/event_pb.js";
import { type Chat, openChat } from "./chat.ts";
import type { AppliedCommand, CommittedEntry } from "./log.ts";
import { isRejection } from "./rejections.ts";
import type { Accepted, ChatEvent, ChatOutcome } from "./types.ts";

/** A hash in the right form; of no password. */
export const passwordHash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g";
/** Above every position that a test reaches. */
export const farPosition = 2 ** 50;

/** A command's body. */
export type Body = Command["body"];
/** What one command came to. */
export type Result = AppliedCommand<ChatOutcome, ChatEvent>;
/** Who gives a command; zeros before log-in. */
export interface Sender {
  readonly userId: number;
  readonly sessionId: number;
}
/** What is not told is chosen: a new id, and before log-in. */
export interface Envelope extends Partial<Sender> {
  readonly id?: Uint8Array;
}

/** A database in memory. */
export function memoryDatabase(): Database {
  return new HostDatabase({
    path: ":memory:",
    onFailure: (error) => {
      throw error;
    },
  });
}

/** A command id that differs for each number. */
export function commandId(number: number): Uint8Array {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(12, number);
  return id;
}

/** A command as it stands in the log. */
export function encodeCommand(body: Body, envelope: Envelope = {}): Uint8Array {
  const { id = commandId(0), userId = 0, sessionId = 0 } = envelope;
  return toBinary(CommandSchema, create(CommandSchema, { id, userId, sessionId, body }));
}

// Makers of bodies.
export const initialize = (tokenKey: Uint8Array) =>
  ({ case: "initializeCluster", value: { tokenKey } }) as Body;
export const register = (username: string, displayName = "", hash = passwordHash) =>
  ({ case: "registerUser", value: { username, displayName, passwordHash: hash } }) as Body;
export const open = (userId: number, device = "", hash = passwordHash) =>
  ({ case: "openSession", value: { userId, device, passwordHash: hash } }) as Body;
/** A log-in on an island with this number. */
export const openOnIsland = (userId: number, islandNonce: bigint, device = "") =>
  ({ case: "openSession", value: { userId, device, passwordHash, islandNonce } }) as Body;
export const close = (sessionId: number) =>
  ({ case: "closeSession", value: { sessionId } }) as Body;
export const createRoom = (name: string) => ({ case: "createRoom", value: { name } }) as Body;
export const join = (roomId: number) => ({ case: "joinRoom", value: { roomId } }) as Body;
export const leave = (roomId: number) => ({ case: "leaveRoom", value: { roomId } }) as Body;
export const send = (roomId: number, body: string) =>
  ({ case: "sendMessage", value: { roomId, body } }) as Body;

/** What brings a held body into the log. */
export const merge = (held: Body, acceptedMs = 500, separationIndex = 1) => {
  const times = { acceptedMs: BigInt(acceptedMs), separationIndex: BigInt(separationIndex) };
  return { case: "mergeHeld", value: { held, ...times } } as Body;
};

/** A chat and its log. */
export class TestChat {
  readonly database: Database;
  chat: Chat;
  /** Everything that was applied. */
  readonly log: CommittedEntry[] = [];
  /** All events in order, with the audience as it was when they came out. */
  readonly live: { readonly users: "everyone" | readonly number[]; readonly event: Event }[] = [];
  /** Cluster time of the next entry. */
  nowMs = 1_000;
  #lastId = 0;

  constructor(database = memoryDatabase()) {
    this.database = database;
    this.chat = openChat(database);
  }

  /**
   * A chat with people who are logged in; user i and session i are the i-th name's, and so is room
   * i.
   */
  static with(...usernames: string[]): TestChat {
    const test = new TestChat();
    for (const username of usernames) test.accept(register(username));
    for (const [order] of usernames.entries()) test.accept(open(order + 1));
    return test;
  }

  /** The sender for the i-th name given to `with`. */
  static sender(i: number): Sender {
    return { userId: i, sessionId: i };
  }

  newId(): Uint8Array {
    this.#lastId += 1;
    return commandId(this.#lastId);
  }

  /** Applies encoded commands as one entry. */
  applyBytes(...commands: Uint8Array[]): Result[] {
    return this.applyEntries([this.entry(commands)]);
  }

  /** The next entry of the log. */
  entry(commands: readonly Uint8Array[]): CommittedEntry {
    this.nowMs += 1;
    return { index: this.chat.appliedIndex() + 1, timestampMs: this.nowMs, commands };
  }

  applyEntries(entries: readonly CommittedEntry[]): Result[] {
    const results = this.chat.apply(entries);
    this.log.push(...entries);
    for (const { events } of results) {
      for (const { audience, event } of events) {
        const users =
          audience.kind === "everyone" ? "everyone" : [...audience.users].sort(byNumber);
        this.live.push({ users, event });
      }
    }
    return results;
  }

  /** Applies one command as one entry. */
  apply(body: Body, envelope: Envelope = {}): Result {
    const [result] = this.applyBytes(encodeCommand(body, { id: this.newId(), ...envelope }));
    if (result === undefined) throw new Error("no result");
    return result;
  }

  /** As `apply`, for a command that must be accepted. */
  accept(body: Body, envelope: Envelope = {}): Result & { readonly answer: Accepted } {
    const result = this.apply(body, envelope);
    if (result.outcome.kind === "rejected") throw new Error(result.outcome.message);
    return { ...result, answer: result.outcome.answer };
  }

  /** Opens the chat anew over the same tables. */
  reopen(): void {
    this.chat = openChat(this.database);
  }

  /** What a person has been sent live; ended sessions apart, which are not replayed. */
  sentTo(userId: number): Event[] {
    return this.live
      .filter(({ users }) => users === "everyone" || users.includes(userId))
      .map(({ event }) => event)
      .filter((event) => event.body.case !== "sessionEnded");
  }

  /** Everything that a person would be replayed, page by page. */
  replayTo(userId: number, page: { afterPosition?: number; limit?: number } = {}): Event[] {
    const events: Event[] = [];
    let afterPosition = page.afterPosition ?? 0;
    for (;;) {
      const ask = { afterPosition, untilPosition: farPosition, limit: page.limit ?? 1_000 };
      const { items, more } = this.chat.eventsSince(userId, ask);
      events.push(...items.map(({ event }) => event));
      const last = items.at(-1);
      if (!more) return events;
      if (last === undefined) throw new Error("a page without events says that there are more");
      afterPosition = Number(last.event.position);
    }
  }

  /** A room's newest items, as its member sees them. */
  timeline(userId: number, roomId: number): readonly TimelineItem[] {
    const ask = { room: { roomId }, beforeNumber: 0, afterNumber: 0, limit: 500 };
    const page = this.chat.readTimeline(userId, ask);
    if (isRejection(page)) throw new Error(page.message);
    return page.items;
  }

  /** All rows of all tables, in the order of their keys, as text. */
  dump(): string {
    return dumpTables(this.database);
  }
}

/** All rows of all tables, in the order of their keys, as text: equal states give equal texts. */
export function dumpTables(database: Database): string {
  const keys = {
    cluster: "one",
    users: "user_id",
    sessions: "session_id",
    rooms: "room_id",
    memberships: "user_id, left_position, room_id",
    timeline_items: "item_id",
    commands: "position",
    set_aside: "position",
  };
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name LIMIT 100")
    .all()
    .map((row) => String(row["name"]));
  if (tables.join() !== Object.keys(keys).sort().join()) throw new Error("a table is not dumped");
  return Object.entries(keys)
    .map(([table, key]) => {
      const rows = database.prepare(`SELECT * FROM ${table} ORDER BY ${key} LIMIT 1000000`).all();
      const lines = rows.map((row) =>
        JSON.stringify(row, (_name, value) =>
          value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
        ),
      );
      return [`-- ${table}`, ...lines].join("\n");
    })
    .join("\n");
}

/**
 * What an outcome comes to in one word or two: the code of a refusal, or "accepted", or "repeated".
 */
export function summary(outcome: ChatOutcome): string {
  if (outcome.kind === "rejected") return codeName(outcome.code);
  return outcome.repeated ? "repeated" : "accepted";
}

/** A refusal's code by name, or "none" where something else was answered. */
export function codeOf(answer: unknown): string {
  return isRejection(answer) ? codeName(answer.code) : "none";
}

/** One line that says what an event tells; positions and times apart. */
export function describeEvent(event: Event): string {
  switch (event.body.case) {
    case "item":
      return describeItem(event.body.value);
    case "roomCreated": {
      const { roomId, name, ownerId, personal } = event.body.value;
      return `room ${roomId} ${name} created, owner ${ownerId}${personal ? ", personal" : ""}`;
    }
    case "sessionEnded":
      return `session ${event.body.value.sessionId} ended`;
    case "setAside":
      return describeSetAside(event.body.value);
    default:
      throw new Error("an event without body");
  }
}

/** One line that says what an item holds; positions and times apart. */
export function describeItem(item: TimelineItem): string {
  const { content } = item;
  const what = content.case === "body" ? `: ${JSON.stringify(content.value)}` : ` ${content.case}`;
  const written = item.writtenMs === 0n ? "" : ` (written at ${item.writtenMs})`;
  return `room ${item.roomId} #${item.number} ${item.authorUsername}${what}${written}`;
}

/** One line that says what was set aside, and why. */
export function describeSetAside(message: SetAside): string {
  const { roomId, authorUsername, acceptedMs, body, reason } = message;
  return `room ${roomId}, set aside of ${authorUsername} at ${acceptedMs}: "${body}". ${reason}`;
}

/** The audience of an event, sorted. */
export function audienceOf(event: ChatEvent): "everyone" | number[] {
  return event.audience.kind === "everyone" ? "everyone" : [...event.audience.users].sort(byNumber);
}

function codeName(code: RejectionCode): string {
  return RejectionCode[code];
}

function byNumber(a: number, b: number): number {
  return a - b;
}
