// CreateRoom: an open group room (C3).
import { describe, expect, it } from "vitest";
import { RoomKind } from "../../proto/gen/chat/v1/api_pb.js";
import { roomsMax, roomsPerUserMax } from "../limits.ts";
import {
  audienceOf,
  createRoom,
  describeEvent,
  join,
  register,
  summary,
  TestChat,
} from "../test-chat.test-support.ts";

const ada = TestChat.sender(1);
const bob = TestChat.sender(2);

describe("CreateRoom", () => {
  it("C3, RM2 makes an open room that everyone is told of, with the author in it", () => {
    const test = TestChat.with("ada", "bob");
    const { answer, events } = test.accept(createRoom("ops"), bob);
    expect(answer).toEqual({ kind: "roomCreated", roomId: 3 });
    expect(events.map(({ event }) => describeEvent(event))).toEqual([
      "room 3 ops created, owner 2",
    ]);
    expect(events.map(audienceOf)).toEqual(["everyone"]);
    expect(test.chat.findRoom(1, { roomId: 3 })).toMatchObject({
      name: "ops",
      kind: RoomKind.OPEN,
      ownerId: 2,
      memberCount: 1,
      lastNumber: 0,
      joined: false,
    });
    expect(test.timeline(2, 3)).toEqual([]);
  });

  it("RM2 refuses a bad name", () => {
    const test = TestChat.with("ada");
    for (const name of ["", "Ops", "@ops", "a b", "x".repeat(65), "ö"]) {
      expect(summary(test.apply(createRoom(name), ada).outcome)).toBe("INVALID_ARGUMENT");
    }
  });

  it("RM3 refuses a taken name with the name in the sentence", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    const { outcome } = test.apply(createRoom("ops"), bob);
    expect(summary(outcome)).toBe("NAME_TAKEN");
    expect(outcome).toMatchObject({ message: expect.stringContaining('"ops"') });
  });

  it("RM3, RM4 refuses one room too many for the cluster or for the person", () => {
    const test = TestChat.with("ada", "bob");
    // Rooms up to the last but one, and the first ones joined by ada, set up at once: one by one
    // would take long.
    test.database.exec(`
      WITH RECURSIVE ids (id) AS
        (SELECT 3 UNION ALL SELECT id + 1 FROM ids WHERE id < ${roomsMax - 1})
      INSERT INTO rooms SELECT id, 'r' || id, ${RoomKind.OPEN}, 2, id, 1 FROM ids ORDER BY id;
      INSERT INTO memberships
        SELECT 1, ${Number.MAX_SAFE_INTEGER}, room_id, created_position FROM rooms
        WHERE room_id > 2 ORDER BY room_id LIMIT ${roomsPerUserMax - 1}`);
    test.reopen();
    expect(summary(test.apply(createRoom("mine"), ada).outcome)).toBe("TOO_LARGE");
    expect(summary(test.apply(join(roomsMax - 1), ada).outcome)).toBe("TOO_LARGE");
    expect(summary(test.apply(join(3), ada).outcome)).toBe("accepted");
    expect(summary(test.apply(createRoom("last"), bob).outcome)).toBe("accepted");
    expect(summary(test.apply(createRoom("late"), bob).outcome)).toBe("TOO_LARGE");
    expect(summary(test.apply(register("eve")).outcome)).toBe("TOO_LARGE");
  });
});
