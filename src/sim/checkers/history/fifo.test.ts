// One device's messages in another order than it sent them, and what excuses that.
// The good history has one message at a time, so nothing in it is excused.
import { describe, expect, it } from "vitest";
import type { HistoryRecord } from "../../history.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { createFifo, fifo } from "./fifo.ts";
import {
  judge,
  type Mutable,
  type MutableOperation,
  operationsOf,
  spoil,
  TestHistory,
  timelinesOf,
} from "./test-history.test-support.ts";

type Spoilt = Mutable<HistoryRecord>[];

function sentInOrder(): HistoryRecord[] {
  const history = new TestHistory();
  history.register("ada-1.1");
  history.register("bob-1.1");
  history.create("ada-1.1", "tea");
  history.join("bob-1.1", "tea");
  for (const body of ["one", "two", "three"]) history.send("ada-1.1", "tea", body);
  history.send("ada-1.2", "@ada", "four");
  history.send("bob-1.1", "tea", "five");
  return history.finish();
}

describe("fifo", () => {
  testCorruptions(
    fifo,
    [
      ["a later message before an earlier one", (h) => swap(h, "one", "two"), /but stands before/],
      [
        "one in another room, of the device's next program",
        (h) => swap(h, "one", "four"),
        /before/,
      ],
    ],
    sentInOrder,
  );

  it("does not compare devices", () => {
    expect(
      judge(
        fifo,
        spoil(sentInOrder(), (h) => swap(h, "four", "five")),
      ),
    ).toBeUndefined();
  });

  it("excuses what took so long that it may have been refused for now", () => {
    const history = spoil(sentInOrder(), (h) => {
      swap(h, "one", "two");
      sendOf(h, "one").returnNs = sendOf(h, "one").callNs + 100e6;
    });
    expect(judge(fifo, history)).toBeUndefined();
    expect(judge(createFifo({ refusedForNowMs: 1_000 }), history)).toMatch(/but stands before/);
  });

  it("excuses what was never answered: it may have been forgotten by its device", () => {
    const history = spoil(sentInOrder(), (h) => {
      swap(h, "one", "two");
      Object.assign(sendOf(h, "one"), { result: "unknown", returnNs: null, value: undefined });
    });
    expect(judge(fifo, history)).toBeUndefined();
  });

  it("excuses what was given past the outbox", () => {
    const history = spoil(sentInOrder(), (h) => {
      swap(h, "one", "two");
      const two = sendOf(h, "two");
      const args = { ...two.arguments, command: "sendMessage", content: "same", first: "open" };
      const resend = { ...two, id: 99, client: "ada-1.1u", operation: "resend", arguments: args };
      h.push(resend as MutableOperation);
    });
    expect(judge(fifo, history)).toBeUndefined();
  });
});

function sendOf(history: Spoilt, body: string): MutableOperation {
  const sends = operationsOf(history, "send");
  return sends.find((one) => one.arguments.body === body) as MutableOperation;
}

/** Exchanges the positions of two messages in the final timelines. */
function swap(history: Spoilt, a: string, b: string): void {
  const all = ["tea", "@ada"].flatMap((room) => timelinesOf(history, room));
  const find = (body: string) =>
    all.flatMap(({ items }) => items.filter((item) => item.commandId === `id-${body}`));
  const [ofA, ofB] = [find(a), find(b)];
  const [positionA, positionB] = [ofA[0]?.position ?? 0, ofB[0]?.position ?? 0];
  for (const item of ofA) item.position = positionB;
  for (const item of ofB) item.position = positionA;
}
