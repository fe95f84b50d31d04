// What is held and set aside in one room: order, replacement, and what becomes of it.
import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { HeldShelf, keyOf } from "./held.ts";
import { timelineHeldMax, timelineSetAsideMax } from "./limits.ts";
import type { HeldMessage, Item, SetAsideMessage, TimelinePage } from "./types.ts";

const room: TimelinePage["room"] = {
  roomId: 1,
  name: "general",
  kind: "open",
  ownerId: 1,
  memberCount: 2,
  lastNumber: 0,
  joined: true,
};

function held(n: number, hybridTime = n): HeldMessage {
  return {
    roomId: 1,
    authorId: 1,
    authorUsername: "ada",
    commandId: `id-${String(n).padStart(5, "0")}`,
    timestampMs: 0,
    body: `message ${n}`,
    hybridTime: BigInt(hybridTime),
  };
}

function itemOf({ authorId, authorUsername, commandId, body }: HeldMessage, number: number): Item {
  const content = { kind: "message", body } as const;
  const place = { roomId: 1, number, position: number, timestampMs: 0 };
  return { ...place, authorId, authorUsername, commandId, content };
}

function setAsideOf(message: HeldMessage, acceptedMs = 0): SetAsideMessage {
  const { hybridTime, timestampMs, ...rest } = message;
  return { ...rest, acceptedMs, reason: "You have left." };
}

function page(parts: Partial<TimelinePage> = {}): TimelinePage {
  return { room, items: [], held: [], setAside: [], ...parts };
}

function bodies(messages: readonly { readonly body: string }[]): string[] {
  return messages.map(({ body }) => body);
}

test("held messages stand in the order of their hybrid times, each once", () => {
  const shelf = new HeldShelf();
  expect(shelf.applyHeld(held(1, 30), [])).toBe(true);
  expect(shelf.applyHeld(held(2, 10), [])).toBe(true);
  expect(shelf.applyHeld(held(3, 10), [])).toBe(true);
  const before = shelf.held();
  expect(shelf.applyHeld(held(1, 30), [])).toBe(false);
  expect(shelf.held()).toBe(before);
  expect(bodies(before)).toEqual(["message 2", "message 3", "message 1"]);
});

test("an item of the same author and id takes the place, another author's does not", () => {
  const shelf = new HeldShelf();
  shelf.applyHeld(held(1), []);
  expect(shelf.applyItems([{ ...itemOf(held(1), 7), authorId: 2 }])).toBe(false);
  expect(shelf.applyItems([itemOf(held(1), 7)])).toBe(true);
  expect(shelf.held()).toEqual([]);
  expect(shelf.applyHeld(held(1), [itemOf(held(1), 7)])).toBe(false);
});

test("what was set aside is held no more, and stays so", () => {
  const shelf = new HeldShelf();
  shelf.applyHeld(held(1), []);
  expect(shelf.applySetAside(setAsideOf(held(1)))).toBe(true);
  expect(shelf.applySetAside(setAsideOf(held(1)))).toBe(false);
  expect(shelf.applyHeld(held(1), [])).toBe(false);
  expect(shelf.held()).toEqual([]);
  expect(shelf.setAside()).toMatchObject([{ body: "message 1", reason: "You have left." }]);
});

test("a newest page takes away what no server has named in this span, and nothing else", () => {
  const shelf = new HeldShelf();
  shelf.applyHeld(held(1), []);
  shelf.applyHeld(held(2), []);
  shelf.applyHeld(held(3), []);
  shelf.beginSpan();
  shelf.applyHeld(held(3), []);
  expect(bodies(shelf.held())).toEqual(["message 1", "message 2", "message 3"]);
  expect(shelf.applyNewest(page({ held: [held(2), held(4)] }), shelf.span, [])).toBe(true);
  expect(bodies(shelf.held())).toEqual(["message 2", "message 3", "message 4"]);
});

test("a page that was asked for in an earlier span takes nothing away", () => {
  const shelf = new HeldShelf();
  shelf.applyHeld(held(1), []);
  const { span } = shelf;
  shelf.beginSpan();
  expect(shelf.applyNewest(page(), span, [])).toBe(false);
  expect(bodies(shelf.held())).toEqual(["message 1"]);
});

test("both lists are bounded; the oldest go first", () => {
  const shelf = new HeldShelf();
  for (let n = 0; n < timelineHeldMax + 2; n++) shelf.applyHeld(held(n), []);
  expect(shelf.held().length).toBe(timelineHeldMax);
  expect(shelf.held()[0]?.body).toBe("message 2");
  expect(shelf.applyHeld(held(0), [])).toBe(false);
  for (let n = 0; n < timelineSetAsideMax + 2; n++) shelf.applySetAside(setAsideOf(held(n), n));
  expect(shelf.setAside().length).toBe(timelineSetAsideMax);
  expect(shelf.setAside()[0]?.body).toBe("message 2");
});

test("law: nothing is held that is an item or set aside, whatever comes in whatever order", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const shelf = new HeldShelf();
    const items: Item[] = [];
    for (let step = 0; step < 60; step++) {
      const message = held(random.nextInteger(0, 12), random.nextInteger(0, 100));
      const chance = random.nextFloat();
      if (chance < 0.6) {
        shelf.applyHeld(message, items);
      } else if (chance < 0.8) {
        const item = itemOf(message, items.length + 1);
        if (!items.some((one) => keyOf(one) === keyOf(item))) items.push(item);
        shelf.applyItems([item]);
      } else if (chance < 0.9) {
        shelf.applySetAside(setAsideOf(message));
      } else {
        if (random.nextBoolean(0.5)) shelf.beginSpan();
        shelf.applyNewest(page({ held: [message] }), shelf.span, items);
      }
      const keys = shelf.held().map(keyOf);
      const gone = new Set([...items, ...shelf.setAside()].map(keyOf));
      expect(keys.filter((key) => gone.has(key))).toEqual([]);
      expect(new Set(keys).size).toBe(keys.length);
      const times = shelf.held().map(({ hybridTime }) => hybridTime);
      expect(times).toEqual(times.toSorted((a, b) => Number(a - b)));
    }
  }
});
