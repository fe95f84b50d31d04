// Gaps, doubles and wrong ends in a room's numbers, on one server of three.
// Whether servers differ is another checker's matter.
import { describe } from "vitest";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { denseNumbers } from "./dense-numbers.ts";
import { timelinesOf } from "./test-history.test-support.ts";

describe("dense numbers", () => {
  testCorruptions(denseNumbers, [
    ["a gap", (h) => timelinesOf(h, "tea")[2]?.items.splice(2, 1), /server 3.*expected item 3/],
    ["a first item missing", (h) => timelinesOf(h, "tea")[0]?.items.shift(), /expected item 1/],
    ["a number twice", (h) => double(timelinesOf(h, "tea")[1]?.items), /expected item 2/],
    ["a last number too high", (h) => setLast(timelinesOf(h, "tea")[0], 99), /last number is 99/],
    ["a last number too low", (h) => setLast(timelinesOf(h, "tea")[0], 1), /last number is 1/],
    ["an item missing at the end", (h) => timelinesOf(h, "work")[0]?.items.pop(), /last number/],
    [
      "an item of another room",
      (h) => Object.assign(timelinesOf(h, "tea")[0]?.items[3] as object, { roomId: 5 }),
      /expected item 4, found item 4 of room 5/,
    ],
  ]);
});

function double<T>(items: T[] | undefined): void {
  if (items !== undefined) items.splice(1, 0, items[0] as T);
}

function setLast(timeline: { lastNumber: number } | undefined, lastNumber: number): void {
  if (timeline !== undefined) timeline.lastNumber = lastNumber;
}
