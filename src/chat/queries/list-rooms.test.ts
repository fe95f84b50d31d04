// findRoom and listRooms: what is seen of rooms from outside (C2, C3).
import { describe, expect, it } from "vitest";
import { codeOf, createRoom, join, leave, TestChat } from "../test-chat.test-support.ts";

const ada = TestChat.sender(1);
const bob = TestChat.sender(2);

describe("findRoom and listRooms", () => {
  function testChat(): TestChat {
    const test = TestChat.with("ada", "bob");
    for (const name of ["zoo", "ops", "dev"]) test.accept(createRoom(name), ada);
    test.accept(join(1), bob);
    test.accept(join(4), bob);
    test.accept(join(5), bob);
    test.accept(leave(5), bob);
    return test;
  }
  const names = (page: { readonly items: readonly { readonly name: string }[] }) =>
    page.items.map(({ name }) => name);

  it("RM9 a room is found by id, and by name in any case", () => {
    const test = testChat();
    const found = [{ roomId: 4 }, { name: "ops" }, { name: "OPS" }].map((room) =>
      test.chat.findRoom(2, room),
    );
    for (const room of found) {
      expect(room).toMatchObject({ roomId: 4, name: "ops", memberCount: 2, joined: true });
    }
    expect(test.chat.findRoom(2, { name: "@ADA" })).toMatchObject({ roomId: 1 });
    const missing = [{ roomId: 0 }, { roomId: 6 }, { roomId: 1.5 }, { name: "" }, { name: "nope" }];
    for (const room of missing) expect(codeOf(test.chat.findRoom(2, room))).toBe("UNKNOWN_ROOM");
  });

  it("RM9 all rooms are listed by name, with how the asker stands to each", () => {
    const { chat } = testChat();
    const page = chat.listRooms(2, { joinedOnly: false, afterName: "", limit: 0 });
    expect(page.items.map(({ name, joined }) => [name, joined])).toEqual([
      ["@ada", true],
      ["@bob", true],
      ["dev", false],
      ["ops", true],
      ["zoo", false],
    ]);
    expect(page.more).toBe(false);
  });

  it("RM9 joinedOnly lists the rooms that the asker is in now", () => {
    const { chat } = testChat();
    const page = chat.listRooms(2, { joinedOnly: true, afterName: "", limit: 10 });
    expect(names(page)).toEqual(["@ada", "@bob", "ops"]);
  });

  it("RM9 pages follow each other, for all rooms and for joined ones", () => {
    const { chat } = testChat();
    const all = { joinedOnly: false, limit: 2 };
    const first = chat.listRooms(2, { ...all, afterName: "" });
    expect([names(first), first.more]).toEqual([["@ada", "@bob"], true]);
    const last = chat.listRooms(2, { ...all, afterName: "ops" });
    expect([names(last), last.more]).toEqual([["zoo"], false]);
    const joined = chat.listRooms(2, { joinedOnly: true, afterName: "@ada", limit: 1 });
    expect([names(joined), joined.more]).toEqual([["@bob"], true]);
  });

  it("RM9 a limit out of range that no gateway refused is brought into range", () => {
    const test = TestChat.with("ada");
    for (let i = 0; i < 205; i++) test.accept(createRoom(`r${i}`), ada);
    const count = (limit: number) =>
      test.chat.listRooms(1, { joinedOnly: false, afterName: "", limit }).items.length;
    expect([-1, 0, 1, 200, 201, 1e9].map(count)).toEqual([50, 50, 1, 200, 200, 200]);
  });
});
