// Reads and lists that are older than what their client was given before: by a read, by a list,
// by its stream.
import { describe, expect, it } from "vitest";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { monotonicReads } from "./monotonic-reads.ts";
import { judge, operationsOf, spoil, TestHistory } from "./test-history.test-support.ts";

/** Bob writes in two rooms; Ada sees it by her stream or a read, and reads again. */
function seeAndRead({
  by = "read" as "read" | "stream" | "list",
  behind = 0,
  in: room = "tea",
} = {}) {
  const history = new TestHistory();
  history.register("ada-1.1");
  history.register("bob-1.1");
  for (const name of ["tea", "work"]) {
    history.create("bob-1.1", name);
    history.join("ada-1.1", name);
  }
  if (by === "stream") history.connect("ada-1.1");
  history.send("bob-1.1", "work", "one");
  history.send("bob-1.1", "tea", "two");
  if (by === "read") history.read("ada-1.1", "tea");
  if (by === "list") history.listRooms("ada-1.1");
  history.read("ada-1.1", room, {}, behind);
  history.listRooms("ada-1.1");
  history.listRooms("ada-1.1", true);
  return history.finish();
}

describe("monotonic reads", () => {
  testCorruptions(
    monotonicReads,
    [
      [
        "a read older than a read",
        replaceBy({ behind: 1 }),
        /ends with item 1, .* by readTimeline/,
      ],
      [
        "a read older than a delivery",
        replaceBy({ by: "stream", behind: 1 }),
        /by the delivery of/,
      ],
      ["a read older than a list", replaceBy({ by: "list", behind: 1 }), /by listRooms/],
      [
        "a read of another room that is older",
        replaceBy({ behind: 1, in: "work" }),
        /room 4 \(work\) ends with item 1/,
      ],
      ["a list without a room", (h) => listed(h, 0).splice(2, 1), /was not told of room 3 \(tea\)/],
      ["a list of joined rooms without one", (h) => listed(h, 1).splice(1, 1), /3 \(tea\).*is in/],
    ],
    seeAndRead,
  );

  it("promises nothing to another client of the same person", () => {
    const history = spoil(seeAndRead({ behind: 1 }), (h) => {
      const read = operationsOf(h, "readTimeline").at(-1);
      if (read !== undefined) read.client = "ada-2.1";
    });
    expect(judge(monotonicReads, history)).toBeUndefined();
  });

  it("lets a live timeline lag behind", () => {
    const history = new TestHistory();
    history.register("ada-1.1");
    for (const body of ["one", "two"]) history.send("ada-1.1", "@ada", body);
    history.read("ada-1.1", "@ada");
    history.view("ada-1.1", "@ada", 5);
    const lagging = spoil(history.finish(), (h) => {
      operationsOf(h, "viewTimeline")[0]?.value.items.pop();
    });
    expect(judge(monotonicReads, lagging)).toBeUndefined();
  });
});

type Corrupted = Parameters<Parameters<typeof spoil>[1]>[0];

function replaceBy(options: Parameters<typeof seeAndRead>[0]) {
  return (history: Corrupted) => {
    history.splice(0, history.length, ...(seeAndRead(options) as unknown as Corrupted));
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a test spoils values in ways that types forbid.
function listed(history: Corrupted, list: number): any[] {
  return operationsOf(history, "listRooms")[list]?.value.rooms;
}
