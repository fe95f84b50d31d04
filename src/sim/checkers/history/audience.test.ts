// Who is shown what, and who writes where: in a history of coming and going, everything that must
// not be shown is shown once.
import { describe, expect, it } from "vitest";
import type { HistoryRecord } from "../../history.ts";
import { audience } from "./audience.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import {
  deliveriesTo,
  judge,
  type Mutable,
  operationsOf,
  spoil,
  TestHistory,
  timelinesOf,
} from "./test-history.test-support.ts";

type Spoilt = Mutable<HistoryRecord>[];

/** Bob comes to Ada's room after its first message and leaves before its last; Eve never comes. */
function comeAndGo(): HistoryRecord[] {
  const history = new TestHistory();
  for (const client of ["ada-1.1", "bob-1.1", "eve-1.1"]) history.register(client);
  history.create("ada-1.1", "tea");
  for (const client of ["ada-1.1", "bob-1.1"]) history.connect(client);
  history.send("ada-1.1", "tea", "one");
  history.join("bob-1.1", "tea");
  history.join("bob-1.1", "@ada");
  history.send("ada-1.1", "@ada", "two");
  history.read("bob-1.1", "tea");
  history.read("bob-1.1", "@ada");
  history.view("bob-1.1", "tea", 5);
  history.leave("bob-1.1", "tea");
  history.send("ada-1.1", "tea", "three");
  history.send("eve-1.1", "@eve", "four");
  return history.finish();
}

describe("audience", () => {
  testCorruptions(
    audience,
    [
      [
        "a delivery after leaving",
        (h) => giveBob(h, "three"),
        /bob-1.1, person 2, was given item 4/,
      ],
      [
        "a delivery before joining",
        (h) => giveBob(h, "one"),
        /was given item 1 .* not in that room/,
      ],
      ["a delivery of a stranger's room", (h) => giveBob(h, "four"), /was given item 1 of room 3/],
      [
        "a delivery to another person than the client's",
        (h) => Object.assign(deliveriesTo(h, "bob-1.1")[0] as object, { userId: 1 }),
        /logged in as person 1 .* but is person 2/,
      ],
      [
        "a read by a stranger",
        (h) => readAs(h, "eve-1.1"),
        /person 3 was shown room 4 as of item 2/,
      ],
      ["a read by nobody known", (h) => readAs(h, "joe-1.1"), /person unknown was shown room 4/],
      ["a read after leaving", (h) => tellRead(h, 4), /person 2 was shown room 4 as of item 4/],
      ["a view by a stranger", (h) => viewAs(h, "eve-1.1"), /person 3 was shown item 2 of room 4/],
      [
        "a view of what came after leaving",
        (h) => viewAll(h),
        /person 2 was shown item 4 of room 4/,
      ],
      ["a message by a stranger", (h) => author(h, "tea", 3, 3), /its author was not in the room/],
      [
        "a follower's message in a personal room",
        (h) => author(h, "@ada", 1, 2),
        /is not the owner/,
      ],
      ["joining twice", (h) => repeatItem(h, 1), /was in the room already/],
      ["leaving twice", (h) => repeatItem(h, 2), /item 4 .*left by bob.* not in the room/],
      ["leaving one's own room", (h) => leaveOwn(h), /left their own personal room/],
      [
        "a log-in with a wrong password",
        (h) => Object.assign(operationsOf(h, "logIn")[0]?.arguments, { rightPassword: false }),
        /had a wrong password/,
      ],
      [
        "a log-in as somebody else",
        (h) => Object.assign(operationsOf(h, "logIn")[0]?.value, { username: "bob" }),
        /as ada became bob/,
      ],
    ],
    comeAndGo,
  );

  it("passes a view that stays open after leaving", () => {
    const history = spoil(comeAndGo(), (h) => {
      const left = timelinesOf(h, "tea")[0]?.items[2];
      operationsOf(h, "viewTimeline")[0]?.value.items.push(left);
    });
    expect(judge(audience, history)).toBeUndefined();
  });
});

function giveBob(history: Spoilt, body: string): void {
  const items = ["tea", "@eve"].flatMap((room) => timelinesOf(history, room)[0]?.items ?? []);
  const item = items.find((one) => one.commandId === `id-${body}`);
  history.push({ ...deliveriesTo(history, "bob-1.1")[0], item } as Spoilt[number]);
}

function readAs(history: Spoilt, client: string): void {
  Object.assign(operationsOf(history, "readTimeline")[0] as object, { client });
}

function tellRead(history: Spoilt, lastNumber: number): void {
  Object.assign(operationsOf(history, "readTimeline")[0]?.value.room, { lastNumber });
}

function viewAs(history: Spoilt, client: string): void {
  Object.assign(operationsOf(history, "viewTimeline")[0] as object, { client });
}

function viewAll(history: Spoilt): void {
  const { items = [] } = timelinesOf(history, "tea")[0] ?? {};
  Object.assign(operationsOf(history, "viewTimeline")[0]?.value, { items });
}

function author(history: Spoilt, room: string, place: number, authorId: number): void {
  for (const { items } of timelinesOf(history, room)) {
    Object.assign(items[place] as object, { authorId });
  }
}

/** Item `place` of the room stands there once more, right behind itself. */
function repeatItem(history: Spoilt, place: number): void {
  for (const { items } of timelinesOf(history, "tea")) {
    const twin = structuredClone(items[place]) as (typeof items)[number];
    items.splice(place + 1, 0, twin);
    for (const [index, item] of items.entries()) item.number = index + 1;
  }
}

function leaveOwn(history: Spoilt): void {
  for (const { items } of timelinesOf(history, "@eve")) {
    for (const item of items) item.content = { kind: "left" };
  }
}
