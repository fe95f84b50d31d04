// Items and stamps by hand.
import { describe, expect, it } from "vitest";
import type { ChatEvent } from "../../chat/index.ts";
import { ChatRig, chatter } from "./chat-rig.test-support.ts";
import { applied, judge } from "./cluster-events.test-support.ts";
import { NumbersAndStamps } from "./numbers-and-stamps.ts";

const item = (roomId: number, number: number, timestampMs: number) =>
  ({
    audience: { kind: "everyone" },
    event: { body: { case: "item", value: { roomId, number, timestampMs: BigInt(timestampMs) } } },
  }) as ChatEvent;

/** Entries by what they tell; the n-th is stamped n. */
const entries = (...items: readonly ChatEvent[][]) =>
  items.map((events, at) => applied(1, { index: at + 1, results: [{ events }] }));

describe("numbers and stamps", () => {
  const check = (events: ReturnType<typeof entries>) => judge(() => new NumbersAndStamps(), events);

  it("MS3, MS4 passes rooms that count each for itself, told by several servers", () => {
    const good = entries([item(1, 1, 5)], [item(2, 1, 6)], [item(1, 2, 5)]);
    const again = good.map((event) => ({ ...event, server: 2 }));
    expect(check([...good.slice(0, 2), ...again, good[2]!])).toBeUndefined();
    expect(check(chatter(new ChatRig()))).toBeUndefined();
  });

  it("MS3 catches a gap and a number given twice", () => {
    expect(check(entries([item(1, 1, 5)], [item(1, 3, 5)]))).toMatch("item 3 after item 1");
    expect(check(entries([item(1, 1, 5)], [item(1, 1, 5)]))).toMatch("item 1 after item 1");
  });

  it("MS4 catches time that goes back in a room", () => {
    expect(check(entries([item(1, 1, 5)], [item(1, 2, 4)]))).toMatch("goes back from 5 to 4");
  });

  it("R12 catches an entry that is stamped before an earlier one", () => {
    const stamped = (index: number, timestampMs: number) =>
      applied(1, { index, timestampMs, results: [{}] });
    expect(check([stamped(1, 9), applied(1, { index: 2, timestampMs: 0 })])).toBeUndefined();
    expect(check([stamped(1, 9), stamped(2, 8)])).toMatch("entry 2 is stamped 8, an earlier one 9");
  });
});
