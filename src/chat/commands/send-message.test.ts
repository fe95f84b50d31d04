// SendMessage: who writes where, what, and under which number and time.
import { describe, expect, it } from "vitest";
import { itemsPerRoomMax } from "../limits.ts";
import {
  createRoom,
  describeEvent,
  describeItem,
  encodeCommand,
  join,
  leave,
  send,
  summary,
  TestChat,
} from "../test-chat.test-support.ts";

const ada = TestChat.sender(1);
const bob = TestChat.sender(2);

describe("SendMessage", () => {
  it("C3, MS1, MS6 a member's message goes to all members, with all that tells of it", () => {
    const test = TestChat.with("ada", "bob", "eve");
    test.accept(createRoom("ops"), ada);
    test.accept(join(4), bob);
    const id = test.newId();
    const { answer, events, position } = test.accept(send(4, "hello\n🦑"), { ...bob, id });
    expect(answer).toEqual({ kind: "sent", roomId: 4, number: 2 });
    expect(test.live.at(-1)?.users).toEqual([1, 2]);
    expect(events[0]?.event).toEqual({
      $typeName: "chat.v1.Event",
      position: BigInt(position),
      body: {
        case: "item",
        value: {
          $typeName: "chat.v1.TimelineItem",
          roomId: 4,
          number: 2,
          position: BigInt(position),
          timestampMs: BigInt(test.nowMs),
          authorId: 2,
          authorUsername: "bob",
          commandId: id,
          content: { case: "body", value: "hello\n🦑" },
          writtenMs: 0n,
        },
      },
    });
  });

  it("MS1 refuses someone who is not in the room, and a room that does not exist", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    expect(summary(test.apply(send(3, "x"), bob).outcome)).toBe("NOT_A_MEMBER");
    expect(summary(test.apply(send(4, "x"), bob).outcome)).toBe("UNKNOWN_ROOM");
    expect(summary(test.apply(send(0, "x"), bob).outcome)).toBe("UNKNOWN_ROOM");
    expect(test.timeline(1, 3)).toEqual([]);
  });

  it("C2, MS2 in a personal room the owner writes, a follower does not", () => {
    const test = TestChat.with("ada", "bob");
    expect(summary(test.apply(send(1, "x"), bob).outcome)).toBe("NOT_THE_OWNER");
    test.accept(join(1), bob);
    expect(summary(test.apply(send(1, "x"), bob).outcome)).toBe("NOT_THE_OWNER");
    test.accept(send(1, "an update"), ada);
    expect(describeEvent(test.live.at(-1)!.event)).toBe('room 1 #2 ada: "an update"');
    expect(test.live.at(-1)?.users).toEqual([1, 2]);
  });

  it("MS3 items of all kinds are numbered together without a gap, refusals or not", () => {
    const test = TestChat.with("ada", "bob");
    test.applyBytes(
      ...[
        { body: createRoom("ops"), by: ada },
        { body: send(3, "a"), by: ada },
        { body: send(3, "refused"), by: bob },
        { body: join(3), by: bob },
        { body: send(3, ""), by: ada },
        { body: send(1, "elsewhere"), by: ada },
        { body: send(3, "b"), by: bob },
        { body: leave(3), by: bob },
        { body: send(3, "refused"), by: bob },
        { body: send(3, "c"), by: ada },
      ].map(({ body, by }) => encodeCommand(body, { id: test.newId(), ...by })),
    );
    expect(test.timeline(1, 3).map(describeItem)).toEqual([
      'room 3 #1 ada: "a"',
      "room 3 #2 bob joined",
      'room 3 #3 bob: "b"',
      "room 3 #4 bob left",
      'room 3 #5 ada: "c"',
    ]);
    test.reopen();
    expect(test.accept(send(3, "d"), ada).answer).toMatchObject({ number: 6 });
  });

  it("R12, MS4 times never run backwards, also over opening anew", () => {
    const test = TestChat.with("ada");
    const times = [5_000, 4_000, 6_000, 5_999, 0, 7_000];
    for (const [i, time] of times.entries()) {
      if (i === 4) test.reopen();
      test.nowMs = time - 1;
      test.accept(send(1, String(i)), ada);
    }
    expect(test.timeline(1, 1).map(({ timestampMs }) => Number(timestampMs))).toEqual([
      5_000, 5_000, 6_000, 6_000, 6_000, 7_000,
    ]);
  });

  it("S6, MS5 refuses what has a bad form, whatever the gateway let through", () => {
    const test = TestChat.with("ada");
    const bodies = ["", "\u0000", "a\r\nb", "\u001b[2J", "x".repeat(16_385)];
    expect(bodies.map((body) => summary(test.apply(send(1, body), ada).outcome))).toEqual([
      "INVALID_ARGUMENT",
      "INVALID_ARGUMENT",
      "INVALID_ARGUMENT",
      "INVALID_ARGUMENT",
      "TOO_LARGE",
    ]);
    test.accept(send(1, "x".repeat(16_384)), ada);
    expect(test.timeline(1, 1)).toHaveLength(1);
  });

  it("MS3 a room that has numbered all it can is full", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    test.accept(join(3), bob);
    test.accept(send(3, "first"), ada);
    test.database.exec(
      `UPDATE timeline_items SET number = ${itemsPerRoomMax - 1} WHERE number = 2`,
    );
    test.reopen();
    expect(test.accept(send(3, "last"), ada).answer).toMatchObject({ number: itemsPerRoomMax });
    for (const body of [send(3, "late"), leave(3)]) {
      expect(summary(test.apply(body, bob).outcome)).toBe("TOO_LARGE");
    }
  });
});
