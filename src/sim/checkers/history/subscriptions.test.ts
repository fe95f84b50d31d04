// Streams with a gap, a double, a wrong order or a changed item, within a room and over rooms;
// and what a reload, another person or a stay in between permit.
import { describe, expect, it } from "vitest";
import type { DeliveryRecord } from "../../history.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { subscriptions } from "./subscriptions.ts";
import {
  deliveriesTo,
  drop,
  goodHistory,
  judge,
  type Mutable,
  spoil,
  TestHistory,
} from "./test-history.test-support.ts";

type Corrupted = Parameters<Parameters<typeof spoil>[1]>[0];

describe("subscriptions", () => {
  testCorruptions(subscriptions, [
    [
      "a missing item",
      (h) => drop(h, deliveriesTo(h, "bob-1.1")[2]),
      /missing is item 4 of room 4/,
    ],
    ["a missing item of another room", (h) => drop(h, inRoom(h, 5)), /missing is item 1 of room 5/],
    ["an item twice", (h) => repeat(h, 2, 3), /after item 4 of that room: twice/],
    ["an item twice, later", (h) => repeat(h, 0, 4), /twice, or back in time/],
    ["two items in the wrong order", (h) => exchange(h, 1, 2), /missing is item 3|twice/],
    ["two items of two rooms in the wrong order", (h) => exchange(h, 2, 3), /missing is item 4/],
    ["an item missed while away", (h) => drop(h, missedByBob(h)), /missing is item 6 of room 4/],
    ["another text", (h) => change(h, { content: { kind: "message", body: "x" } }), /body is not/],
    ["another number", (h) => change(h, { number: 9 }), /number is not as in the end/],
    ["another time", (h) => change(h, { timestampMs: 9 }), /timestampMs is not as in the end/],
    [
      "an item that is nowhere",
      (h) => change(h, { position: 9 }),
      /not among what person 2 is sent/,
    ],
    ["an item of a stranger's room", (h) => giveEve(h), /not among what person 3 is sent/],
    ["a skip without a word", (h) => drop(h, reloadOfAda(h)), /missing is item 8 of room 4/],
    ["an item again after a reload", (h) => repeatAfterReload(h), /twice, or back in time/],
  ]);

  it("needs the word of the client or of the connection for a skip", () => {
    const byConnection = spoil(goodHistory(), (h) => {
      drop(
        h,
        h.find((record) => record.kind === "reloaded"),
      );
    });
    expect(judge(subscriptions, byConnection)).toBeUndefined();
  });

  it("lets a run end anywhere", () => {
    const history = spoil(goodHistory(), (h) => drop(h, deliveriesTo(h, "bob-1.1").at(-1)));
    expect(judge(subscriptions, history)).toBeUndefined();
  });

  it("begins anew with another person", () => {
    const history = new TestHistory();
    for (const client of ["ada-1.1", "bob-1.1"]) history.register(client);
    history.connect("ada-1.1");
    for (const body of ["one", "two"]) history.send("ada-1.1", "@ada", body);
    history.connect("bob-1.1");
    history.send("bob-1.1", "@bob", "three");
    const shared = spoil(history.finish(), (h) => {
      for (const delivery of deliveriesTo(h, "bob-1.1")) delivery.client = "ada-1.1";
    });
    expect(judge(subscriptions, shared)).toBeUndefined();
  });

  it("leaves out what happened in a room between leaving and joining", () => {
    const history = new TestHistory();
    for (const client of ["ada-1.1", "bob-1.1"]) history.register(client);
    history.create("ada-1.1", "tea");
    history.connect("bob-1.1");
    history.join("bob-1.1", "tea");
    history.leave("bob-1.1", "tea");
    history.send("ada-1.1", "tea", "one");
    history.join("bob-1.1", "tea");
    history.send("ada-1.1", "tea", "two");
    expect(judge(subscriptions, history.finish())).toBeUndefined();
  });
});

function inRoom(history: Corrupted, roomId: number): Mutable<DeliveryRecord> | undefined {
  return deliveriesTo(history, "bob-1.1").find(({ item }) => item.roomId === roomId);
}

function missedByBob(history: Corrupted): Mutable<DeliveryRecord> | undefined {
  return deliveriesTo(history, "bob-1.1").find(({ item }) => item.commandId === "id-five");
}

/** Gives Bob his item `which` again, before his delivery `before`. */
function repeat(history: Corrupted, which: number, before: number): void {
  const deliveries = deliveriesTo(history, "bob-1.1");
  const again = structuredClone(deliveries[which]) as Mutable<DeliveryRecord>;
  history.splice(history.indexOf(deliveries[before] as Mutable<DeliveryRecord>), 0, again);
}

function exchange(history: Corrupted, a: number, b: number): void {
  const deliveries = deliveriesTo(history, "bob-1.1");
  const [one, other] = [deliveries[a], deliveries[b]];
  if (one === undefined || other === undefined) return;
  [one.item, other.item] = [other.item, one.item];
}

function change(history: Corrupted, fields: object): void {
  const delivery = deliveriesTo(history, "bob-1.1")[2];
  if (delivery !== undefined) delivery.item = { ...delivery.item, ...fields };
}

function giveEve(history: Corrupted): void {
  const delivery = deliveriesTo(history, "ada-1.1").at(-1) as Mutable<DeliveryRecord>;
  history.push({ ...delivery, client: "eve-1.1", userId: 3 });
}

function reloadOfAda(history: Corrupted): Corrupted[number] | undefined {
  const connected = history.find((record) => record.kind === "connected" && !record.recovered);
  drop(history, connected);
  return history.find((record) => record.kind === "reloaded");
}

function repeatAfterReload(history: Corrupted): void {
  const first = deliveriesTo(history, "ada-1.1")[0] as Mutable<DeliveryRecord>;
  const reloaded = history.findIndex((record) => record.kind === "reloaded");
  history.splice(reloaded + 1, 0, structuredClone(first));
}
