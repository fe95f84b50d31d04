// LeaveRoom: leaving a group room, no longer following a person (C2, C3).
import { describe, expect, it } from "vitest";
import {
  createRoom,
  describeEvent,
  describeItem,
  join,
  leave,
  send,
  summary,
  TestChat,
} from "../test-chat.test-support.ts";

const ada = TestChat.sender(1);
const bob = TestChat.sender(2);
const eve = TestChat.sender(3);

describe("LeaveRoom", () => {
  it("C2, RM6 is announced to all who stay and to who leaves, who sees nothing after it", () => {
    const test = TestChat.with("ada", "bob", "eve");
    test.accept(join(1), bob);
    test.accept(join(1), eve);
    expect(test.accept(leave(1), bob).answer).toEqual({ kind: "left", roomId: 1 });
    test.accept(send(1, "gone?"), ada);
    expect(test.live.slice(-2).map(({ users, event }) => [users, describeEvent(event)])).toEqual([
      [[1, 2, 3], "room 1 #3 bob left"],
      [[1, 3], 'room 1 #4 ada: "gone?"'],
    ]);
    expect(test.chat.findRoom(2, { roomId: 1 })).toMatchObject({ memberCount: 2, joined: false });
    test.reopen();
    expect(test.chat.findRoom(2, { roomId: 1 })).toMatchObject({ memberCount: 2, joined: false });
  });

  it("RM7 refuses someone who is not in the room", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    expect(summary(test.apply(leave(3), bob).outcome)).toBe("NOT_A_MEMBER");
    test.accept(join(3), bob);
    test.accept(leave(3), bob);
    expect(summary(test.apply(leave(3), bob).outcome)).toBe("NOT_A_MEMBER");
    expect(summary(test.apply(leave(4), bob).outcome)).toBe("UNKNOWN_ROOM");
    expect(test.timeline(1, 3)).toHaveLength(2);
  });

  it("RM8 one cannot leave one's own room", () => {
    const test = TestChat.with("ada");
    expect(summary(test.apply(leave(1), ada).outcome)).toBe("OWN_ROOM");
    expect(test.timeline(1, 1)).toEqual([]);
  });

  it("RM8 the owner of an open room may leave it, and writes again after joining again", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    test.accept(leave(3), ada);
    expect(summary(test.apply(send(3, "hello"), ada).outcome)).toBe("NOT_A_MEMBER");
    expect(test.chat.findRoom(1, { roomId: 3 })).toMatchObject({ ownerId: 1, memberCount: 0 });
    test.accept(join(3), ada);
    test.accept(send(3, "hello"), ada);
    expect(test.timeline(1, 3).map(describeItem)).toEqual([
      "room 3 #1 ada left",
      "room 3 #2 ada joined",
      'room 3 #3 ada: "hello"',
    ]);
  });
});
