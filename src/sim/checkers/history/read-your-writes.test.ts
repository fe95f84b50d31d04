// Reads, lists and answers that lack what their own client had written before.
// Other clients of the same person are promised nothing.
import { describe, expect, it } from "vitest";
import type { HistoryRecord } from "../../history.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { readYourWrites } from "./read-your-writes.ts";
import { judge, operationsOf, spoil, TestHistory } from "./test-history.test-support.ts";

/** Ada writes, joins and reads; `behind` items are missing where she reads. */
function writeAndRead({ behind = 0, reader = "ada-1.1", endings = "ok" as const } = {}) {
  const history = new TestHistory();
  history.register("ada-1.1");
  history.register("bob-1.1");
  history.create("bob-1.1", "tea");
  history.create("ada-1.1", "work");
  history.join("ada-1.1", "tea");
  history.send("ada-1.1", "tea", "one", endings);
  history.read(reader, "tea", { limit: 5 }, behind);
  history.listRooms("ada-1.1");
  history.listRooms("ada-1.1", true);
  return history;
}

function good(): HistoryRecord[] {
  return writeAndRead().finish();
}

describe("read your writes", () => {
  testCorruptions(
    readYourWrites,
    [
      [
        "a read without one's own message",
        replaceBy({ behind: 1 }),
        /ends with item 1, .*knew of p/,
      ],
      [
        "a list that is older than one's own message",
        (h) => Object.assign(listed(h, 0)[2], { lastNumber: 1 }),
        /listRooms .* room 3 \(tea\) ends with item 1/,
      ],
      [
        "a list without one's own room",
        (h) => listed(h, 0).splice(3, 1),
        /not told of room 4 \(work/,
      ],
      [
        "a list of joined rooms without one",
        (h) => listed(h, 1).splice(1, 1),
        /not told of room 3 \(tea\), .* and is in/,
      ],
      [
        "an answer to a join that is older than the join",
        (h) => Object.assign(operationsOf(h, "joinRoom")[0]?.value.room, { lastNumber: 0 }),
        /answered with the room after item 0, .* after item 1/,
      ],
      [
        "a refusal as a stranger after one's own join",
        (h) =>
          Object.assign(operationsOf(h, "readTimeline")[0] as object, {
            result: "refused",
            code: "NOT_A_MEMBER",
            value: undefined,
          }),
        /was in room 3 after item 2, .* nobody left since/,
      ],
    ],
    good,
  );

  it("promises nothing to another client of the same person", () => {
    const history = writeAndRead({ behind: 1, reader: "ada-2.1" }).finish();
    expect(judge(readYourWrites, history)).toBeUndefined();
  });

  it("passes a refusal as a stranger where the person had left", () => {
    const history = writeAndRead();
    history.leave("ada-2.1", "tea", "unknown");
    history.refuse("ada-1.1", "readTimeline", { room: "tea", limit: 5 }, "NOT_A_MEMBER");
    expect(judge(readYourWrites, history.finish())).toBeUndefined();
  });

  it("passes a read that was called before the write was acknowledged", () => {
    const history = spoil(writeAndRead({ behind: 1 }).finish(), (h) => {
      const read = operationsOf(h, "readTimeline")[0];
      const send = operationsOf(h, "send")[0];
      if (read !== undefined) read.callNs = send?.returnNs ?? 0;
    });
    expect(judge(readYourWrites, history)).toBeUndefined();
  });
});

type Corrupted = Parameters<Parameters<typeof spoil>[1]>[0];

function replaceBy(options: Parameters<typeof writeAndRead>[0]) {
  return (history: Corrupted) => {
    history.splice(0, history.length, ...(writeAndRead(options).finish() as unknown as Corrupted));
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a test spoils values in ways that types forbid.
function listed(history: Corrupted, list: number): any[] {
  return operationsOf(history, "listRooms")[list]?.value.rooms;
}
