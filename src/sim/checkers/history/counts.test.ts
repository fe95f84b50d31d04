// What servers say of rooms, made wrong one field at a time, in every kind of answer.
// What is right is shown by the good history.
import { describe } from "vitest";
import type { HistoryRecord } from "../../history.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { counts } from "./counts.ts";
import { type Mutable, operationsOf, timelinesOf } from "./test-history.test-support.ts";

type Spoilt = Mutable<HistoryRecord>[];

describe("counts", () => {
  testCorruptions(counts, [
    [
      "a last number on one server",
      (h) => setFinal(h, { lastNumber: 2 }),
      /server 3.*last number 2/,
    ],
    [
      "a count of members on one server",
      (h) => setFinal(h, { memberCount: 7 }),
      /7 members, recou/,
    ],
    [
      "a count in a read",
      (h) => tell(h, { memberCount: 7 }),
      /readTimeline .* 7 members, recounted/,
    ],
    [
      "a count that belongs to another moment",
      (h) => tell(h, { lastNumber: 1 }),
      /with 1 items and/,
    ],
    [
      "a last number beyond the end",
      (h) => tell(h, { lastNumber: 99 }),
      /99 items .*recounted NaN/,
    ],
    [
      "a membership that is told wrongly",
      (h) => tell(h, { joined: false }),
      /not in it, which is wr/,
    ],
    [
      "a membership that is not",
      (h) => listed(h, 0, "@eve", { joined: true }),
      /is in it, which is/,
    ],
    ["another name", (h) => tell(h, { name: "coffee" }), /in the end it is tea of person 1/],
    ["another kind", (h) => tell(h, { kind: "personal" }), /personal, of person 1; in the end/],
    ["another owner", (h) => tell(h, { ownerId: 2 }), /of person 2; in the end it is tea/],
    ["a room that is nowhere", (h) => tell(h, { roomId: 77 }), /is on no server in the end/],
    ["a count in a list", (h) => listed(h, 0, "tea", { memberCount: 0 }), /listRooms .* 0 members/],
    [
      "a count in an answer to a join",
      (h) => Object.assign(operationsOf(h, "joinRoom")[0]?.value.room, { memberCount: 9 }),
      /joinRoom .* 9 members, recounted 2/,
    ],
    [
      "a count in a new room",
      (h) => Object.assign(operationsOf(h, "createRoom")[0]?.value.room, { memberCount: 0 }),
      /createRoom .* 0 members, recounted 1/,
    ],
    ["a room that was not asked for", (h) => joinedOnly(h), /only such were asked for/],
  ]);
});

function setFinal(history: Spoilt, change: object): void {
  Object.assign(timelinesOf(history, "tea")[2] as object, change);
}

function tell(history: Spoilt, change: object): void {
  Object.assign(operationsOf(history, "readTimeline", "ada-1.1")[0]?.value.room, change);
}

function listed(history: Spoilt, list: number, name: string, change: object): void {
  const { rooms } = operationsOf(history, "listRooms")[list]?.value ?? {};
  Object.assign(
    rooms.find((room: { readonly name: string }) => room.name === name),
    change,
  );
}

function joinedOnly(history: Spoilt): void {
  Object.assign(operationsOf(history, "listRooms")[0]?.arguments, { joinedOnly: true });
}
