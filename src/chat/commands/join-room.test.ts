// JoinRoom: entering a group room, following a person (C2, C3).
import { describe, expect, it } from "vitest";
import {
  audienceOf,
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
const eve = TestChat.sender(3);

describe("JoinRoom", () => {
  it("C2, RM4 following a person is announced to all in the room, the newcomer included", () => {
    const test = TestChat.with("ada", "bob", "eve");
    const first = test.accept(join(1), bob);
    const second = test.accept(join(1), eve);
    expect(first.answer).toEqual({ kind: "joined", roomId: 1 });
    expect([first, second].flatMap(({ events }) => events.map(audienceOf))).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(test.live.slice(-2).map(({ users, event }) => [users, describeEvent(event)])).toEqual([
      [[1, 2], "room 1 #1 bob joined"],
      [[1, 2, 3], "room 1 #2 eve joined"],
    ]);
    expect(test.chat.findRoom(2, { roomId: 1 })).toMatchObject({ memberCount: 3, joined: true });
  });

  it("MS6 an audience is that of its event, whatever the same call does to the room later", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(join(1), bob);
    const sent = test.applyBytes(
      encodeCommand(send(1, "one"), { id: test.newId(), ...ada }),
      encodeCommand(leave(1), { id: test.newId(), ...bob }),
      encodeCommand(send(1, "two"), { id: test.newId(), ...ada }),
      encodeCommand(join(1), { id: test.newId(), ...bob }),
      encodeCommand(send(1, "three"), { id: test.newId(), ...ada }),
    );
    expect(sent.flatMap(({ events }) => events).map(audienceOf)).toEqual([
      [1, 2],
      [1, 2],
      [1],
      [1, 2],
      [1, 2],
    ]);
  });

  it("RM5 joining again is accepted without an item or an event", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(join(1), bob);
    for (const [sender, roomId] of [
      [bob, 1],
      [ada, 1],
    ] as const) {
      const { answer, events, outcome, position } = test.accept(join(roomId), sender);
      expect(answer).toEqual({ kind: "joined", roomId });
      expect(events).toEqual([]);
      expect(outcome).toMatchObject({ position, repeated: false });
    }
    expect(test.timeline(1, 1).map(describeItem)).toEqual(["room 1 #1 bob joined"]);
  });

  it("RM5 refuses a room that does not exist", () => {
    const test = TestChat.with("ada");
    for (const roomId of [0, 2, 4_294_967_295]) {
      expect(summary(test.apply(join(roomId), ada).outcome)).toBe("UNKNOWN_ROOM");
    }
  });

  it("C3, RM4 whoever left may come back, and reads what was said meanwhile", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    test.accept(join(3), bob);
    test.accept(leave(3), bob);
    test.accept(send(3, "meanwhile"), ada);
    test.accept(join(3), bob);
    expect(test.timeline(2, 3).map(describeItem)).toEqual([
      "room 3 #1 bob joined",
      "room 3 #2 bob left",
      'room 3 #3 ada: "meanwhile"',
      "room 3 #4 bob joined",
    ]);
  });
});
