// Laws that hold for any run of commands: random logs, some of them nonsense, judged by what must
// be true of all.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import type { CommittedEntry } from "./log.ts";
import {
  type Body,
  close,
  commandId,
  createRoom,
  dumpTables,
  type Envelope,
  encodeCommand,
  initialize,
  join,
  leave,
  merge,
  open,
  openOnIsland,
  passwordHash,
  register,
  send,
  TestChat,
} from "./test-chat.test-support.ts";

const seeds = [1, 2, 3, 4, 5, 6];
const people = 6;
const rooms = 10;

/**
 * Makes random commands: few people, few rooms and few ids, so that all kinds of collisions happen.
 */
class Commands {
  readonly #random: Random;
  readonly #sent: { readonly body: Body; readonly envelope: Envelope }[] = [];
  #nextId = 1_000_000;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  entries(count: number): CommittedEntry[] {
    let timestampMs = 1_000;
    return Array.from({ length: count }, (_, i) => {
      // Now and then a leap of days, so that ids are forgotten, and now and then a step back.
      timestampMs += this.#random.nextBoolean(0.05) ? 5 * 24 * 3_600_000 : this.#int(-5, 50);
      const commands = Array.from({ length: this.#int(0, 8) }, () => this.#command());
      return { index: i + 1, timestampMs: Math.max(0, timestampMs), commands };
    });
  }

  #command(): Uint8Array {
    const again = this.#sent[this.#int(0, this.#sent.length)];
    if (again !== undefined && this.#random.nextBoolean(0.1)) {
      // The same once more, as it was or as an island would bring it.
      const isHeld = this.#random.nextBoolean(0.5) && again.body.case !== "mergeHeld";
      return encodeCommand(isHeld ? merge(again.body) : again.body, again.envelope);
    }
    if (this.#random.nextBoolean(0.02)) {
      return Uint8Array.from({ length: this.#int(0, 40) }, () => this.#int(0, 256));
    }
    this.#nextId += 1;
    const id = commandId(this.#random.nextBoolean(0.05) ? this.#int(0, 20) : this.#nextId);
    const body = this.#body();
    const inner = body.case === "mergeHeld" ? body.value.held : body;
    const before = ["initializeCluster", "registerUser", "openSession"].includes(inner.case ?? "");
    // Session i is mostly user i's: wrong pairs occur too.
    const userId = this.#int(1, people + 1);
    const sessionId = this.#random.nextBoolean(0.9) ? userId : this.#int(0, 3 * people);
    const envelope = before ? { id } : { id, userId, sessionId };
    this.#sent.push({ body, envelope });
    return encodeCommand(body, envelope);
  }

  #body(): Body {
    const room = this.#int(1, rooms + 1);
    const choice = this.#int(0, 100);
    if (choice < 35) return send(room, `${choice} 🦑`);
    if (choice < 43) return merge(send(room, `${choice} 🦑`), choice);
    if (choice < 45) return merge(openOnIsland(this.#int(1, people + 2), BigInt(room)), 2_000);
    if (choice < 65) return join(room);
    if (choice < 85) return leave(room);
    if (choice < 90) return createRoom(`r${this.#int(0, 8)}`);
    if (choice < 94) return register(`u${this.#int(0, 2 * people)}`);
    if (choice < 98) return open(this.#int(1, people + 2), "", passwordHash);
    if (choice < 99) return close(this.#int(0, people));
    return initialize(new Uint8Array(32).fill(choice));
  }

  #int(min: number, max: number): number {
    return this.#random.nextInteger(min, max);
  }
}

/** A log that begins with people who are logged in and rooms that they can meet in. */
function randomLog(seed: number): CommittedEntry[] {
  const start = TestChat.with(...Array.from({ length: people }, (_, i) => `u${i}`));
  for (let i = 0; i < 4; i++) start.accept(createRoom(`r${i}`), TestChat.sender(1 + i));
  start.accept(open(1));
  start.accept(close(people + 1), TestChat.sender(1));
  const random = new Commands(seed).entries(150);
  return [
    ...start.log,
    ...random.map((entry) => ({ ...entry, index: entry.index + start.log.length })),
  ];
}

function applyInCalls(test: TestChat, log: readonly CommittedEntry[], seed: number): void {
  const random = new Random(seed);
  for (let at = 0; at < log.length; ) {
    const count = random.nextInteger(1, 12);
    test.applyEntries(log.slice(at, at + count));
    at += count;
    if (random.nextBoolean(0.05)) test.reopen();
  }
}

describe.each(seeds)("a random log (seed %i)", (seed) => {
  const log = randomLog(seed);
  const test = new TestChat();
  applyInCalls(test, log, seed);

  it("is a log in which much happens", () => {
    const kinds = new Set(test.live.map(({ event }) => event.body.case));
    expect([...kinds].sort()).toEqual(["item", "roomCreated", "sessionEnded", "setAside"]);
    expect(test.live.length).toBeGreaterThan(60);
  });

  it("LG3 comes to the same state and events in calls of any number of entries", () => {
    const single = new TestChat();
    for (const entry of log) single.applyEntries([entry]);
    const whole = new TestChat();
    whole.applyEntries(log);
    expect(dumpTables(single.database)).toBe(test.dump());
    expect(dumpTables(whole.database)).toBe(test.dump());
    expect(single.live).toEqual(test.live);
    // In one call as well: an audience is looked at after the call, when later commands have
    // changed the room.
    expect(whole.live).toEqual(test.live);
  });

  it("LG3 comes to the same state on a second database", () => {
    const second = new TestChat();
    applyInCalls(second, log, seed);
    expect(dumpTables(second.database)).toBe(test.dump());
  });

  it("C5, RP1, RP3 everyone is replayed just what they were sent live, page by page", () => {
    for (let userId = 1; test.chat.person(userId) !== undefined; userId++) {
      const sent = test.sentTo(userId);
      for (const limit of [1, 7, 1_000]) expect(test.replayTo(userId, { limit })).toEqual(sent);
      // And from any position on.
      for (const event of sent.filter((_, i) => i % 10 === 0)) {
        const afterPosition = Number(event.position);
        const rest = sent.filter(({ position }) => Number(position) > afterPosition);
        expect(test.replayTo(userId, { afterPosition })).toEqual(rest);
      }
    }
  });

  it("C5 a timeline is the items that were sent to who has always been there", () => {
    let checked = 0;
    for (let roomId = 1; roomId <= people; roomId++) {
      // Nobody leaves a room of their own.
      const sent = test
        .sentTo(roomId)
        .flatMap(({ body }) => (body.case === "item" ? [body.value] : []))
        .filter((item) => item.roomId === roomId);
      expect(test.timeline(roomId, roomId)).toEqual(sent);
      checked += sent.length;
    }
    expect(checked).toBeGreaterThan(0);
  });

  it("MS3, MS4, R12 numbers are dense; positions and times rise in every room", () => {
    const rows = test.database
      .prepare("SELECT * FROM timeline_items ORDER BY room_id, position LIMIT 100000")
      .all();
    expect(rows.length).toBeGreaterThan(30);
    let last = { room_id: 0, number: 0, timestamp_ms: 0 };
    for (const row of rows) {
      if (row["room_id"] !== last.room_id) {
        last = { room_id: Number(row["room_id"]), number: 0, timestamp_ms: 0 };
      }
      expect(row["number"]).toBe(last.number + 1);
      expect(Number(row["timestamp_ms"])).toBeGreaterThanOrEqual(last.timestamp_ms);
      last = { ...last, number: last.number + 1, timestamp_ms: Number(row["timestamp_ms"]) };
    }
  });

  it("what is held in memory is what the tables say", () => {
    const fresh = new TestChat(test.database).chat;
    for (let userId = 0; userId <= people + 2; userId++) {
      const ask = { joinedOnly: false, afterName: "", limit: 200 };
      expect(test.chat.listRooms(userId, ask)).toEqual(fresh.listRooms(userId, ask));
      expect(test.chat.person(userId)).toEqual(fresh.person(userId));
      expect(test.chat.sessionOwner(userId)).toEqual(fresh.sessionOwner(userId));
      const joined = { ...ask, joinedOnly: true };
      const asTold = test.chat.listRooms(userId, ask).items.filter((room) => room.joined);
      expect(test.chat.listRooms(userId, joined).items).toEqual(asTold);
    }
  });

  it("ID2, IM4 every message is there once, however often it was sent or merged", () => {
    const rows = test.database
      .prepare(
        `SELECT author_id, hex(command_id) AS id, count(*) AS n FROM
           (SELECT author_id, command_id FROM timeline_items WHERE kind = 1
             UNION ALL SELECT author_id, command_id FROM set_aside)
         GROUP BY author_id, command_id ORDER BY author_id, command_id LIMIT 100000`,
      )
      .all();
    expect(rows.length).toBeGreaterThan(10);
    for (const row of rows) expect(row["n"]).toBe(1);
  });
});
