// Servers that differ in the end: in their rooms, in one item, in one field.
// Each row spoils what one server of three says.
import { describe } from "vitest";
import type { FinalTimelineRecord, HistoryRecord } from "../../history.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { sameEverywhere } from "./same-everywhere.ts";
import { drop, type Mutable, timelinesOf } from "./test-history.test-support.ts";

function second(history: Mutable<HistoryRecord>[]): Mutable<FinalTimelineRecord> {
  return timelinesOf(history, "tea")[1] as Mutable<FinalTimelineRecord>;
}

describe("same everywhere", () => {
  testCorruptions(sameEverywhere, [
    ["a server without a room", (h) => drop(h, second(h)), /server 2 has not/],
    ["a room that only one server has", (h) => drop(h, timelinesOf(h, "work")[0]), /1 has not/],
    ["a room told twice", (h) => h.push(second(h)), /server 2 told of room 4 twice/],
    ["a server that lacks the newest item", (h) => second(h).items.pop(), /only server 1 has item/],
    ["a server with one item more", (h) => timelinesOf(h, "tea")[0]?.items.pop(), /only server 2/],
    ["another order", (h) => second(h).items.reverse(), /number differs/],
    [
      "another text",
      (h) => setFirst(h, { content: { kind: "message", body: "x" } }),
      /body differs/,
    ],
    ["another kind", (h) => setFirst(h, { content: { kind: "left" } }), /kind differs/],
    ["another time", (h) => setFirst(h, { timestampMs: 1 }), /timestampMs differs/],
    ["another author", (h) => setFirst(h, { authorId: 2 }), /authorId differs/],
    ["another id", (h) => setFirst(h, { commandId: "other" }), /commandId differs/],
    ["another position", (h) => setFirst(h, { position: 1 }), /position differs/],
    [
      "another count of members",
      (h) => Object.assign(second(h), { memberCount: 9 }),
      /memberCount/,
    ],
    ["another owner", (h) => Object.assign(second(h), { ownerId: 9 }), /ownerId is 1 on server 1/],
  ]);
});

function setFirst(history: Mutable<HistoryRecord>[], change: object): void {
  Object.assign(second(history).items[0] as object, change);
}
