// readTimeline: what is read in a room, page by page, and by whom (C5, S7).
import { describe, expect, it } from "vitest";
import { isRejection } from "../rejections.ts";
import {
  codeOf,
  createRoom,
  describeItem,
  join,
  leave,
  send,
  TestChat,
} from "../test-chat.test-support.ts";

const ada = TestChat.sender(1);
const bob = TestChat.sender(2);

describe("readTimeline", () => {
  function testChat(): TestChat {
    const test = TestChat.with("ada", "bob");
    for (let number = 1; number <= 25; number++) test.accept(send(1, `m${number}`), ada);
    return test;
  }
  function read(
    test: TestChat,
    ask: { beforeNumber?: number; afterNumber?: number; limit?: number } = {},
  ) {
    const room = { roomId: 1 };
    return test.chat.readTimeline(1, {
      room,
      beforeNumber: 0,
      afterNumber: 0,
      limit: 0,
      ...ask,
    });
  }
  function numbers(answer: ReturnType<typeof read>): number[] {
    if (isRejection(answer)) throw new Error(answer.message);
    return answer.items.map(({ number }) => number);
  }
  const range = (first: number, last: number) =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i);

  it("C5, RM10 the last 20 items are read where nothing else is asked, oldest first", () => {
    const test = testChat();
    const answer = read(test);
    expect(numbers(answer)).toEqual(range(6, 25));
    expect(answer).toMatchObject({ room: { roomId: 1, lastNumber: 25, joined: true } });
    expect(test.timeline(1, 1).map(describeItem)[24]).toBe('room 1 #25 ada: "m25"');
  });

  it("C5, RM10 scrolling up reads those before a number, down to the first", () => {
    const test = testChat();
    expect(numbers(read(test, { beforeNumber: 6, limit: 3 }))).toEqual([3, 4, 5]);
    expect(numbers(read(test, { beforeNumber: 3, limit: 500 }))).toEqual([1, 2]);
    expect(numbers(read(test, { beforeNumber: 1 }))).toEqual([]);
    expect(numbers(read(test, { beforeNumber: 4_294_967_295, limit: 1 }))).toEqual([25]);
  });

  it("C5, RM10 going down reads those after a number", () => {
    const test = testChat();
    expect(numbers(read(test, { afterNumber: 3, limit: 4 }))).toEqual([4, 5, 6, 7]);
    expect(numbers(read(test, { afterNumber: 23 }))).toEqual([24, 25]);
    expect(numbers(read(test, { afterNumber: 25 }))).toEqual([]);
  });

  it("S7, RM10 nobody reads a room that they are not in, whatever they ask", () => {
    const test = testChat();
    test.accept(createRoom("ops"), ada);
    test.accept(join(3), bob);
    test.accept(leave(3), bob);
    const room = { roomId: 3 };
    for (const asker of [0, 2, 99]) {
      for (const ask of [{ beforeNumber: 0 }, { beforeNumber: 2 }, { afterNumber: 1 }]) {
        const whole = { room, beforeNumber: 0, afterNumber: 0, limit: 1, ...ask };
        expect(codeOf(test.chat.readTimeline(asker, whole))).toBe("NOT_A_MEMBER");
      }
    }
  });

  it("S6, RM10 refuses bad pages and unknown rooms", () => {
    const test = testChat();
    expect(codeOf(read(test, { limit: 501 }))).toBe("TOO_LARGE");
    expect(codeOf(read(test, { limit: -1 }))).toBe("INVALID_ARGUMENT");
    expect(codeOf(read(test, { beforeNumber: 5, afterNumber: 3 }))).toBe("INVALID_ARGUMENT");
    expect(codeOf(read(test, { beforeNumber: -1 }))).toBe("INVALID_ARGUMENT");
    expect(codeOf(read(test, { afterNumber: 0.5 }))).toBe("INVALID_ARGUMENT");
    const ask = { room: { name: "nope" }, beforeNumber: 0, afterNumber: 0, limit: 0 };
    expect(codeOf(test.chat.readTimeline(1, ask))).toBe("UNKNOWN_ROOM");
  });
});
