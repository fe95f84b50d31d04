// Laws of merging: whatever islands held, in whatever order and however often it is brought, and
// whatever else happens in between, each message is there exactly once, and only for whom it is.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import {
  type Body,
  commandId,
  createRoom,
  dumpTables,
  join,
  leave,
  memoryDatabase,
  merge,
  type Sender,
  send,
  summary,
  TestChat,
} from "./test-chat.test-support.ts";

const seeds = [1, 2, 3, 4, 5];
const people = 5;
const groupRooms = [people + 1, people + 2];
const messages = 60;

/** A message that a device has made, and wherever it was sent it bears this id. */
interface Message extends Sender {
  readonly id: Uint8Array;
  readonly roomId: number;
  readonly body: string;
}

/** People, each with an own room, who are all in two group rooms. */
function town(): TestChat {
  const test = TestChat.with(...Array.from({ length: people }, (_, i) => `u${i + 1}`));
  for (const roomId of groupRooms) {
    test.accept(createRoom(`r${roomId}`), TestChat.sender(roomId - people));
    for (let i = 1; i <= people; i++) test.accept(join(roomId), TestChat.sender(i));
  }
  return test;
}

function draw<T>(random: Random, values: readonly T[]): T {
  return values[random.nextInteger(0, values.length)]!;
}

/** Messages, each held by one island or two, of which some were sent to the majority too. */
function drawMessages(random: Random): Message[] {
  return Array.from({ length: messages }, (_, i) => {
    const sender = TestChat.sender(random.nextInteger(1, people + 1));
    const roomId = draw(random, [...groupRooms, sender.userId]);
    // Ids differ between people only: two authors share most of them.
    return { ...sender, id: commandId(500_000 + Math.floor(i / 2)), roomId, body: `m${i}` };
  }).filter(isFirstOfItsKey());
}

function isFirstOfItsKey(): (message: Message) => boolean {
  const keys = new Set<string>();
  return (message) => keys.size < keys.add(keyOf(message.userId, message.id)).size;
}

function keyOf(userId: number, id: Uint8Array): string {
  return `${userId} ${Buffer.from(id).toString("hex")}`;
}

function shuffled<T>(random: Random, values: readonly T[]): T[] {
  const left = [...values];
  return values.map(() => left.splice(random.nextInteger(0, left.length), 1)[0]!);
}

/** What brings a message to the log: each a body, given by its author under its id. */
function bringings(random: Random, all: readonly Message[], alsoPlain: boolean) {
  return all.flatMap((message) => {
    const { roomId, body } = message;
    const times = random.nextInteger(1, 4);
    const steps: { readonly message: Message; readonly body: Body }[] = [];
    // Several servers propose it, which accepted it at several times.
    for (let i = 0; i < times; i++) {
      steps.push({ message, body: merge(send(roomId, body), 100 + i, i) });
    }
    if (alsoPlain && random.nextBoolean(0.4)) steps.push({ message, body: send(roomId, body) });
    return steps;
  });
}

/** Every message by author and id: where it is and what it says. Fails where one is there twice. */
function found(test: TestChat): Map<string, string> {
  const rows = test.database
    .prepare(
      `SELECT author_id, command_id, room_id, body, 'item' AS place FROM timeline_items
         WHERE kind = 1
       UNION ALL SELECT author_id, command_id, room_id, body, 'set aside' FROM set_aside
       ORDER BY author_id, command_id LIMIT 100000`,
    )
    .all();
  const all = rows.map((row): [string, string] => [
    keyOf(Number(row["author_id"]), row["command_id"] as Uint8Array),
    `${row["place"]} in ${row["room_id"]}: ${row["body"]}`,
  ]);
  const byKey = new Map(all);
  expect(byKey.size).toBe(all.length);
  return byKey;
}

function expectDense(test: TestChat): void {
  const rows = test.database
    .prepare(
      `SELECT room_id, count(*) AS n, max(number) AS last, min(number) AS first
       FROM timeline_items GROUP BY room_id ORDER BY room_id LIMIT 1000`,
    )
    .all();
  expect(rows.length).toBeGreaterThan(groupRooms.length);
  for (const { n, last, first } of rows) expect([first, last]).toEqual([1, n]);
}

describe.each(seeds)("merging (seed %i)", (seed) => {
  it("IM4 in any order, any number of times, with the plain ones: each message once", () => {
    const random = new Random(seed);
    const all = drawMessages(random);
    const test = town();
    for (const { message, body } of shuffled(random, bringings(random, all, true))) {
      expect(summary(test.apply(body, message).outcome)).toMatch(/^(accepted|repeated)$/);
    }
    const due = all.map(({ userId, id, roomId, body }): [string, string] => [
      keyOf(userId, id),
      `item in ${roomId}: ${body}`,
    ]);
    expect(found(test)).toEqual(new Map(due.sort(([a], [b]) => (a < b ? -1 : 1))));
    expectDense(test);
    for (let userId = 1; userId <= people; userId++) {
      expect(test.replayTo(userId)).toEqual(test.sentTo(userId));
    }
  });

  it("IM4 islands merged in different orders come to the same set", () => {
    const random = new Random(seed);
    const all = drawMessages(random);
    const half = Math.floor(all.length / 2);
    // Some are on both, as when a device has tried both.
    const [one, other] = [all.slice(0, half + 10), all.slice(half - 10)];
    const states = [
      [one, other],
      [other, one],
    ].map((islands) => {
      const test = town();
      // Some have left since, the same in both.
      for (const roomId of groupRooms) test.accept(leave(roomId), TestChat.sender(roomId - 3));
      for (const island of islands) {
        for (const { message, body } of bringings(random, shuffled(random, island), false)) {
          test.apply(body, message);
        }
      }
      return test;
    });
    const [first, second] = states.map(found);
    expect(first).toEqual(second);
    expect(first?.size).toBe(all.length);
    expect([...(first?.values() ?? [])].some((where) => where.startsWith("set aside"))).toBe(true);
    for (const test of states) expectDense(test);
  });

  it("IM6, IM9 with people coming and going nothing is lost, and nobody else sees it", () => {
    const random = new Random(seed);
    const all = drawMessages(random);
    const test = town();
    const refused = new Set<string>();
    const stored = new Map<string, string>();
    for (const { message, body } of shuffled(random, bringings(random, all, true))) {
      const mover = TestChat.sender(random.nextInteger(1, people + 1));
      const roomId = draw(random, groupRooms);
      test.apply(random.nextBoolean(0.5) ? leave(roomId) : join(roomId), mover);
      const { outcome } = test.apply(body, message);
      const key = keyOf(message.userId, message.id);
      if (outcome.kind === "rejected") {
        // Only the plain one can be refused, and once it is nothing makes an item of it any more.
        expect(body.case).toBe("sendMessage");
        refused.add(key);
        expect(stored.get(key)).not.toBe("sent");
      } else {
        const { kind } = outcome.answer;
        expect(stored.get(key) ?? kind).toBe(kind);
        if (refused.has(key)) expect(kind).toBe("setAside");
        expect(outcome.repeated).toBe(stored.has(key));
        stored.set(key, kind);
      }
    }
    const there = found(test);
    // All of them came as held at least once, so none is missing.
    expect(there.size).toBe(all.length);
    expect(new Set(stored.values())).toEqual(new Set(["sent", "setAside"]));
    expectDense(test);
    expectSeenBySetAsideOwners(test);
    const again = new TestChat(memoryDatabase());
    again.applyEntries(test.log);
    expect(dumpTables(again.database)).toBe(test.dump());
  });
});

/** Live and in the replay: author and owner see what was set aside, and nobody else. */
function expectSeenBySetAsideOwners(test: TestChat): void {
  let count = 0;
  for (const { users, event } of test.live) {
    if (event.body.case !== "setAside") continue;
    count += 1;
    const { authorId, roomId } = event.body.value;
    // A person's own room has the person's number; group rooms were made in that order.
    const owner = roomId > people ? roomId - people : roomId;
    expect(users).toEqual([...new Set([authorId, owner])].sort((a, b) => a - b));
  }
  expect(count).toBeGreaterThan(0);
  for (let userId = 1; userId <= people; userId++) {
    expect(test.replayTo(userId)).toEqual(test.sentTo(userId));
  }
}
