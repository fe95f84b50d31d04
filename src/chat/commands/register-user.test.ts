// RegisterUser: an account and a room of one's own (C1, C2).
import { describe, expect, it } from "vitest";
import { RoomKind } from "../../proto/gen/chat/v1/api_pb.js";
import { usersMax } from "../limits.ts";
import {
  audienceOf,
  describeEvent,
  passwordHash,
  register,
  summary,
  TestChat,
} from "../test-chat.test-support.ts";

describe("RegisterUser", () => {
  it("C1, AC7 makes people 1, 2, 3, … with what was given", () => {
    const test = new TestChat();
    const answers = ["ada", "bob", "eve"].map((name) => test.accept(register(name)).answer);
    expect(answers).toEqual(
      [1, 2, 3].map((id) => ({ kind: "registered", userId: id, roomId: id })),
    );
    expect(test.chat.credentials("bob")).toEqual({
      userId: 2,
      username: "bob",
      displayName: "bob",
      passwordHash,
    });
  });

  it("C2, RM1 makes the person's own room, with that person as owner and first member", () => {
    const test = new TestChat();
    const { events } = test.accept(register("ada"));
    expect(events.map(({ event }) => describeEvent(event))).toEqual([
      "room 1 @ada created, owner 1, personal",
    ]);
    expect(events.map(audienceOf)).toEqual(["everyone"]);
    expect(test.chat.findRoom(1, { name: "@ada" })).toMatchObject({
      roomId: 1,
      kind: RoomKind.PERSONAL,
      ownerId: 1,
      memberCount: 1,
      lastNumber: 0,
      joined: true,
    });
  });

  it("AC3, AC4 stores the name in lower case and refuses it in any case from then on", () => {
    const test = new TestChat();
    test.accept(register("Ada"));
    expect(test.chat.person(1)).toMatchObject({ username: "ada", displayName: "ada" });
    for (const name of ["ada", "ADA", "Ada"]) {
      const { outcome } = test.apply(register(name));
      expect(summary(outcome)).toBe("NAME_TAKEN");
      expect(outcome).toMatchObject({ message: expect.stringContaining('"ada"') });
    }
    expect(test.chat.person(2)).toBeUndefined();
  });

  it("AC5 keeps a display name, and takes the username where it is empty", () => {
    const test = new TestChat();
    test.accept(register("ada", "Ada Lovelace 🦑"));
    test.accept(register("bob", ""));
    expect(test.chat.person(1)?.displayName).toBe("Ada Lovelace 🦑");
    expect(test.chat.person(2)?.displayName).toBe("bob");
  });

  it("AC3, AC5, AC6 refuses what has a bad form, whatever the gateway let through", () => {
    const test = new TestChat();
    const bodies = [
      register("no spaces"),
      register("@ada"),
      register("\u212aelvin"),
      register("ada", "two\nlines"),
      register("ada", "x".repeat(65)),
      register("ada", "", "correct horse battery staple"),
      register("ada", "", ""),
    ];
    for (const body of bodies) expect(summary(test.apply(body).outcome)).toBe("INVALID_ARGUMENT");
    expect(test.live).toEqual([]);
    expect(test.chat.credentials("ada")).toBeUndefined();
  });

  it("AC7 is refused where the cluster is full", () => {
    const test = new TestChat();
    // The person and the room before the last possible ones would take a long test to make one by
    // one.
    test.accept(register("ada"));
    test.database.exec(`
      WITH RECURSIVE ids (id) AS
        (SELECT 2 UNION ALL SELECT id + 1 FROM ids WHERE id < ${usersMax - 1})
      INSERT INTO users SELECT id, 'u' || id, '', 'x', 1, 1 FROM ids ORDER BY id`);
    test.reopen();
    expect(summary(test.apply(register("last")).outcome)).toBe("accepted");
    const { outcome } = test.apply(register("late"));
    expect(summary(outcome)).toBe("TOO_LARGE");
    expect(outcome).toMatchObject({ message: expect.stringContaining(String(usersMax)) });
  });

  it("SE8 is done before log-in", () => {
    const test = TestChat.with("ada");
    for (const sender of [{ userId: 1 }, { sessionId: 1 }, TestChat.sender(1)]) {
      expect(summary(test.apply(register("bob"), sender).outcome)).toBe("INVALID_ARGUMENT");
    }
  });
});
