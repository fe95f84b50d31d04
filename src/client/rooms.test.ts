// What events change in the rooms that are shown.
import { expect, test } from "vitest";
import { RoomDirectory } from "./rooms.ts";
import type { Item, ItemContent, Room } from "./types.ts";

const general: Room = {
  roomId: 1,
  name: "general",
  kind: "open",
  ownerId: 1,
  memberCount: 2,
  lastNumber: 5,
  joined: true,
};

function item(number: number, authorId: number, content: ItemContent): Item {
  const fixed = { roomId: 1, position: 0, timestampMs: 0, authorUsername: "", commandId: "" };
  return { ...fixed, number, authorId, content };
}

test.each([
  ["a message", item(6, 2, { kind: "message", body: "" }), { lastNumber: 6 }],
  ["another's joining", item(6, 3, { kind: "joined" }), { lastNumber: 6, memberCount: 3 }],
  ["another's leaving", item(6, 2, { kind: "left" }), { lastNumber: 6, memberCount: 1 }],
  [
    "one's own leaving",
    item(6, 1, { kind: "left" }),
    { lastNumber: 6, memberCount: 1, joined: false },
  ],
  ["an item that is known", item(5, 2, { kind: "left" }), {}],
])("%s changes a room accordingly", (_, change, expected) => {
  const rooms = new RoomDirectory();
  rooms.put(general);
  rooms.applyItem(change, 1);
  expect(rooms.find("general")).toEqual({ ...general, ...expected });
});

test("the owner's own joining is counted once", () => {
  const rooms = new RoomDirectory();
  rooms.applyCreated({ roomId: 1, name: "general", ownerId: 1, personal: false }, 1);
  rooms.applyItem(item(1, 1, { kind: "joined" }), 1);
  expect(rooms.find(1)).toEqual({ ...general, memberCount: 1, lastNumber: 1 });
});

test("an answer that is older than an event does not take its number back", () => {
  const rooms = new RoomDirectory();
  rooms.put(general);
  rooms.applyItem(item(6, 2, { kind: "message", body: "" }), 1);
  rooms.put({ ...general, name: "renamed" });
  expect(rooms.find(1)).toMatchObject({ name: "renamed", lastNumber: 6 });
});

test("the map stays the same until something changes", () => {
  const rooms = new RoomDirectory();
  rooms.put(general);
  const before = rooms.all();
  rooms.applyItem(item(3, 2, { kind: "left" }), 1);
  expect(rooms.all()).toBe(before);
  rooms.applyLeft(1);
  expect(rooms.all()).not.toBe(before);
});
