// Positions that contradict real time, over rooms and clients, by answers and by deliveries;
// and overlapping writes, which may stand in either order.
import { describe, expect, it } from "vitest";
import type { HistoryRecord } from "../../history.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { linearizability } from "./linearizability.ts";
import {
  deliveriesTo,
  goodHistory,
  judge,
  type Mutable,
  type MutableOperation,
  operationsOf,
  spoil,
  timelinesOf,
} from "./test-history.test-support.ts";

type Spoilt = Mutable<HistoryRecord>[];

describe("linearizability", () => {
  testCorruptions(linearizability, [
    [
      "positions that fall within a room",
      (h) => setPosition(h, "tea", "five", 1),
      /item 6 of room 4 .* stands behind item 5/,
    ],
    [
      "one position for items of two rooms",
      (h) => setPosition(h, "work", "four", positionOf(h, "tea", "two")),
      /one position, two items/,
    ],
    [
      "a write before one that was acknowledged earlier, in another room",
      (h) => {
        setPosition(h, "work", "four", positionOf(h, "tea", "one") - 1);
        forgetDeliveries(h);
      },
      /send #15 of bob-1.1 .* position \d+ was known by send #12/,
    ],
    [
      "a write before one that was only seen by a delivery",
      (h) => {
        setPosition(h, "work", "four", positionOf(h, "tea", "three") - 1);
        for (const resend of operationsOf(h, "resend")) h.splice(h.indexOf(resend as never), 1);
      },
      /was known by the delivery of item 4 of room 4/,
    ],
    [
      "a join that changed nothing, before what was known",
      (h) => {
        Object.assign(operationsOf(h, "joinRoom", "bob-1.1").at(-1)?.value, { position: 5 });
      },
      /stands at position 5: joinRoom #.* of bob-1.1/,
    ],
    [
      "a repetition told another position",
      (h) => Object.assign(operationsOf(h, "resend")[0]?.value, { position: 7 }),
      /one command, two positions/,
    ],
    [
      "a repetition that is not told so",
      (h) => Object.assign(operationsOf(h, "resend")[0]?.value, { repeated: false }),
      /is not told that it repeats send/,
    ],
    [
      "an item seen before it was sent",
      (h) => {
        const delivery = deliveriesTo(h, "ada-1.1").at(-1);
        if (delivery !== undefined) delivery.atNs = 1_000;
      },
      /ada-1.1 was given item .* at 0.001 ms, before it was sent/,
    ],
  ]);

  it("passes two writes in either order where they overlap in time", () => {
    const history = spoil(goodHistory(), (h) => {
      forgetDeliveries(h);
      const four = sendOf(h, "four");
      four.callNs = (sendOf(h, "two").returnNs ?? 0) - 1;
      setPosition(h, "work", "four", positionOf(h, "tea", "two") - 1);
    });
    expect(judge(linearizability, history)).toBeUndefined();
  });

  it("does not take a moment for an order: called when another was answered", () => {
    const history = spoil(goodHistory(), (h) => {
      forgetDeliveries(h);
      sendOf(h, "four").callNs = sendOf(h, "two").returnNs ?? 0;
      setPosition(h, "work", "four", positionOf(h, "tea", "two") - 1);
    });
    expect(judge(linearizability, history)).toBeUndefined();
  });
});

function sendOf(history: Spoilt, body: string): MutableOperation {
  const sends = operationsOf(history, "send");
  return sends.find((one) => one.arguments.body === body) as MutableOperation;
}

/** So that only answers bound what is known. */
function forgetDeliveries(history: Spoilt): void {
  const rest = history.filter((record) => record.kind !== "delivery");
  history.splice(0, history.length, ...rest);
}

function positionOf(history: Spoilt, room: string, body: string): number {
  const items = timelinesOf(history, room)[0]?.items ?? [];
  return items.find((item) => item.commandId === `id-${body}`)?.position ?? 0;
}

/** On all servers, and in every answer and delivery. */
function setPosition(history: Spoilt, room: string, body: string, position: number): void {
  const commandId = `id-${body}`;
  for (const { items } of timelinesOf(history, room)) {
    for (const item of items) if (item.commandId === commandId) item.position = position;
  }
  for (const record of history) {
    if (record.kind === "delivery" && record.item.commandId === commandId) {
      record.item.position = position;
    }
  }
  for (const one of [...operationsOf(history, "send"), ...operationsOf(history, "resend")]) {
    if (one.value?.commandId === commandId) one.value.position = position;
  }
}
