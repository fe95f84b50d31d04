// Pages with a wrong end, a hole, a double or a changed item, asked for in every way;
// and pages that servers cut short, rightly and wrongly.
import { describe, expect, it } from "vitest";
import type { HistoryRecord } from "../../history.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { pages } from "./pages.ts";
import {
  judge,
  type Mutable,
  type MutableOperation,
  operationsOf,
  spoil,
  TestHistory,
} from "./test-history.test-support.ts";

type Spoilt = Mutable<HistoryRecord>[];

/** In this order: newest, before, after, from the first, older than the room, empty, one of all. */
function readInAllWays(bodyBytes = 1): HistoryRecord[] {
  const history = new TestHistory();
  history.register("ada-1.1");
  history.create("ada-1.1", "tea");
  for (let number = 1; number <= 40; number++) {
    history.send("ada-1.1", "tea", `${number} ${"x".repeat(bodyBytes)}`);
  }
  history.read("ada-1.1", "tea", { limit: 5 });
  history.read("ada-1.1", "tea", { before: 20, limit: 5 });
  history.read("ada-1.1", "tea", { after: 20, limit: 5 });
  history.read("ada-1.1", "tea", { after: 0, limit: 5 });
  history.read("ada-1.1", "tea", { limit: 5 }, 3);
  history.read("ada-1.1", "tea", { after: 100, limit: 5 });
  history.read("ada-1.1", "tea", { limit: 100 });
  history.view("ada-1.1", "tea", 10);
  history.view("ada-1.1", "tea", 100);
  return history.finish();
}

describe("pages", () => {
  testCorruptions(
    pages,
    [
      ["a page whose newest item is missing", (h) => itemsOf(h, 0).pop(), /36 to 40 .* 36 to 39/],
      ["a page whose oldest item is missing", (h) => itemsOf(h, 0).shift(), /was given 37 to 40/],
      ["a page with a hole", (h) => itemsOf(h, 1).splice(2, 1), /where item 17 belongs/],
      ["a page in the wrong order", (h) => itemsOf(h, 1).reverse(), /where item 20 belongs/],
      ["an item twice", (h) => itemsOf(h, 2).push(itemsOf(h, 2)[0]), /where item 26 belongs/],
      ["a page before that ends too early", (h) => itemsOf(h, 1).pop(), /15 to 19 .* 15 to 18/],
      ["a page after that begins too late", (h) => itemsOf(h, 2).shift(), /21 to 25 .* 22 to 25/],
      ["a page after that ends too early", (h) => itemsOf(h, 2).pop(), /21 to 25 .* 21 to 24/],
      ["a first page that is not the first", (h) => itemsOf(h, 3).shift(), /1 to 5 .* 2 to 5/],
      ["more than was asked for", (h) => itemsOf(h, 4).unshift(itemsOf(h, 6)[31]), /32 to 37/],
      ["nothing where there is something", (h) => itemsOf(h, 0).splice(0), /wanted items 36 to 40/],
      ["something where there is nothing", (h) => itemsOf(h, 5).push(itemsOf(h, 0)[4]), /40 to 40/],
      ["an item that came after the state", (h) => itemsOf(h, 4).push(itemsOf(h, 0)[3]), /38/],
      ["another text", (h) => setBody(itemsOf(h, 0)[2], "x"), /whose body is not as in the end/],
      ["another time", (h) => Object.assign(itemsOf(h, 0)[2], { timestampMs: 1 }), /timestampMs/],
      ["more items than there are", (h) => tellRoom(h, 0, { lastNumber: 41 }), /told of 41 items/],
      ["another room", (h) => tellRoom(h, 0, { roomId: 1 }), /answered with room 1/],
      ["a view with a hole", (h) => viewOf(h, 0).items.splice(3, 1), /where item 34 belongs/],
      ["a view that claims to be whole", (h) => setNothingOlder(h), /nothing older than item 31/],
    ],
    readInAllWays,
  );

  it("passes pages that are cut where the next item would not fit", () => {
    const cut = spoil(readInAllWays(16_000), (h) => itemsOf(h, 6).splice(0, 40 - 32));
    expect(judge(pages, cut)).toBeUndefined();
  });

  it("catches pages that are cut sooner, or at the wrong end, or wholly", () => {
    const good = readInAllWays(16_000);
    const sooner = spoil(good, (h) => itemsOf(h, 6).splice(0, 40 - 31));
    expect(judge(pages, sooner)).toMatch(/wanted items 1 to 40 .* was given 10 to 40/);
    const wrongEnd = spoil(good, (h) => itemsOf(h, 6).splice(32));
    expect(judge(pages, wrongEnd)).toMatch(/was given 1 to 32/);
    const wholly = spoil(good, (h) => itemsOf(h, 6).splice(0));
    expect(judge(pages, wholly)).toMatch(/wanted items 1 to 40/);
  });
});

function answerOfRead(history: Spoilt, read: number): MutableOperation["value"] {
  return operationsOf(history, "readTimeline")[read]?.value;
}

// biome-ignore lint/suspicious/noExplicitAny: a test spoils values in ways that types forbid.
function itemsOf(history: Spoilt, read: number): any[] {
  return answerOfRead(history, read).items;
}

function viewOf(history: Spoilt, view: number): MutableOperation["value"] {
  return operationsOf(history, "viewTimeline")[view]?.value;
}

function setNothingOlder(history: Spoilt): void {
  viewOf(history, 0).hasOlder = false;
}

function tellRoom(history: Spoilt, read: number, change: object): void {
  Object.assign(answerOfRead(history, read).room, change);
}

function setBody(item: object, body: string): void {
  Object.assign(item, { content: { kind: "message", body } });
}
