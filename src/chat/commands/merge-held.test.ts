// MergeHeld: what an island held comes into the log once, or is set aside.
import { describe, expect, it } from "vitest";
import { commandMemoryMs, islandSessionId, itemsPerRoomMax, setAsideShownMax } from "../limits.ts";
import { isRejection } from "../rejections.ts";
import {
  audienceOf,
  close,
  createRoom,
  describeEvent,
  describeItem,
  describeSetAside,
  encodeCommand,
  join,
  leave,
  merge,
  open,
  openOnIsland,
  register,
  type Sender,
  send,
  summary,
  TestChat,
} from "../test-chat.test-support.ts";

const ada = TestChat.sender(1);
const bob = TestChat.sender(2);
const eve = TestChat.sender(3);
/** Bob, through a session that an island has opened. */
const bobOnIsland = { userId: 2, sessionId: islandSessionId };

/** Ada's room ops, 4, with bob in it; eve knows of it. */
function roomWithBob(): TestChat {
  const test = TestChat.with("ada", "bob", "eve");
  test.accept(createRoom("ops"), ada);
  test.accept(join(4), bob);
  return test;
}

/** What is set aside in a room, as one sees it who reads there. */
function setAsideFor(test: TestChat, { userId }: Sender, roomId: number): string[] {
  const ask = { room: { roomId }, beforeNumber: 0, afterNumber: 0, limit: 10 };
  const page = test.chat.readTimeline(userId, ask);
  if (isRejection(page)) throw new Error(page.message);
  return page.setAside.map(describeSetAside);
}

describe("MergeHeld of a message", () => {
  it("IM8, MS4 makes an item of its room, with the time of the merge and that of writing", () => {
    const test = roomWithBob();
    const id = test.newId();
    const { answer, events, position } = test.accept(merge(send(4, "hi"), 777), { ...bob, id });
    expect(answer).toEqual({ kind: "sent", roomId: 4, number: 2 });
    expect(events.map(audienceOf)).toEqual([[1, 2]]);
    const item = {
      $typeName: "chat.v1.TimelineItem",
      roomId: 4,
      number: 2,
      position: BigInt(position),
      timestampMs: BigInt(test.nowMs),
      authorId: 2,
      authorUsername: "bob",
      commandId: id,
      content: { case: "body", value: "hi" },
      writtenMs: 777n,
    };
    expect(events[0]?.event.body).toEqual({ case: "item", value: item });
    expect(test.timeline(1, 4).at(-1)).toEqual(item);
    expect(test.replayTo(1)).toEqual(test.sentTo(1));
    expect(setAsideFor(test, ada, 4)).toEqual([]);
  });

  it("IM8 a time of any kind can be stored, and is not taken for none", () => {
    const test = TestChat.with("ada");
    for (const ms of [0, -5, Number.MAX_SAFE_INTEGER]) {
      test.accept(merge(send(1, "x"), ms), ada);
    }
    const far = { held: send(1, "far"), acceptedMs: 2n ** 62n, separationIndex: 2n ** 64n - 1n };
    test.accept({ case: "mergeHeld", value: far } as never, ada);
    const written = test.timeline(1, 1).map(({ writtenMs }) => writtenMs);
    const max = BigInt(Number.MAX_SAFE_INTEGER);
    expect(written).toEqual([1n, 1n, max, max]);
  });

  it("IM4 the plain message after it is answered as it was, and it after the plain one", () => {
    const test = roomWithBob();
    const [first, second] = [test.newId(), test.newId()];
    const merged = test.accept(merge(send(4, "a")), { ...bob, id: first });
    const plain = test.accept(send(4, "b"), { ...bob, id: second });
    const before = test.dump().replace(/-- cluster\n.*\n/, "");
    for (const { body, id, outcome } of [
      { body: send(4, "a"), id: first, outcome: merged.outcome },
      { body: merge(send(4, "a"), 901), id: first, outcome: merged.outcome },
      { body: merge(send(4, "b")), id: second, outcome: plain.outcome },
      { body: send(4, "b"), id: second, outcome: plain.outcome },
    ]) {
      const again = test.apply(body, { ...bob, id });
      expect(again.outcome).toEqual({ ...outcome, repeated: true });
      expect(again.events).toEqual([]);
    }
    expect(test.dump().replace(/-- cluster\n.*\n/, "")).toBe(before);
  });

  it("IM4, ID4 another content under the id is refused, whichever came first", () => {
    const test = roomWithBob();
    const [first, second, third] = [test.newId(), test.newId(), test.newId()];
    test.accept(merge(send(4, "a")), { ...bob, id: first });
    test.accept(send(4, "b"), { ...bob, id: second });
    test.accept(join(1), { ...bob, id: third });
    const before = test.dump().replace(/-- cluster\n.*\n/, "");
    for (const { body, id } of [
      { body: send(4, "b"), id: first },
      { body: merge(send(4, "b")), id: first },
      { body: join(1), id: first },
      { body: merge(send(4, "a")), id: second },
      { body: merge(send(2, "b")), id: second },
      { body: merge(send(4, "c")), id: third },
    ]) {
      expect(summary(test.apply(body, { ...bob, id }).outcome)).toBe("ID_REUSED");
    }
    expect(test.dump().replace(/-- cluster\n.*\n/, "")).toBe(before);
  });

  it("IM5 asks for no session: one that was ended since, or that an island has opened", () => {
    const test = roomWithBob();
    test.accept(close(0), bob);
    test.accept(merge(send(4, "ended")), bob);
    test.accept(merge(send(4, "island")), bobOnIsland);
    expect(test.timeline(1, 4).slice(1).map(describeItem)).toEqual([
      'room 4 #2 bob: "ended" (written at 500)',
      'room 4 #3 bob: "island" (written at 500)',
    ]);
  });

  it("IM5 a person who does not exist is refused, and spends no id", () => {
    const test = TestChat.with("ada");
    const id = test.newId();
    for (const userId of [0, 2]) {
      const { outcome } = test.apply(merge(send(1, "x")), { userId, id });
      expect(summary(outcome)).toBe("UNKNOWN_PERSON");
    }
    test.accept(register("bob"));
    expect(summary(test.apply(merge(send(2, "x")), { userId: 2, id }).outcome)).toBe("accepted");
  });

  it("IM5, ID7 a body or room that no server can have held is refused for good", () => {
    const test = TestChat.with("ada");
    for (const [body, code] of [
      [send(1, ""), "INVALID_ARGUMENT"],
      [send(1, "x".repeat(16_385)), "TOO_LARGE"],
      [send(2, "x"), "UNKNOWN_ROOM"],
    ] as const) {
      const id = test.newId();
      expect(summary(test.apply(merge(body), { ...ada, id }).outcome)).toBe(code);
      expect(summary(test.apply(merge(body), { ...ada, id }).outcome)).toBe(code);
      expect(summary(test.apply(send(1, "good"), { ...ada, id }).outcome)).toBe(code);
    }
    expect(test.timeline(1, 1)).toEqual([]);
    expect(setAsideFor(test, ada, 1)).toEqual([]);
  });

  it("IM4 one that carries nothing is refused", () => {
    const test = TestChat.with("ada");
    const { outcome } = test.apply(merge({ case: undefined }), ada);
    expect(summary(outcome)).toBe("INVALID_ARGUMENT");
  });

  it("IM2 a plain command through an island's session is refused and spends no id", () => {
    const test = roomWithBob();
    const id = test.newId();
    const { outcome } = test.apply(send(4, "x"), { ...bobOnIsland, id });
    expect(summary(outcome)).toBe("UNAUTHENTICATED");
    expect(summary(test.apply(send(4, "x"), { ...bob, id }).outcome)).toBe("accepted");
    // Also if a session should ever come to have this number.
    test.database.exec(`UPDATE sessions SET session_id = ${islandSessionId} WHERE user_id = 2`);
    test.reopen();
    expect(summary(test.apply(send(4, "y"), bobOnIsland).outcome)).toBe("UNAUTHENTICATED");
  });
});

describe("setting aside", () => {
  it("IM6, IM9 a message whose author has left is kept for author and owner alone", () => {
    const test = roomWithBob();
    test.accept(join(4), eve);
    test.accept(leave(4), bob);
    const id = test.newId();
    const { answer, events, outcome } = test.accept(merge(send(4, "hi"), 777), { ...bob, id });
    expect(answer).toEqual({ kind: "setAside", roomId: 4 });
    expect(events.map(audienceOf)).toEqual([[1, 2]]);
    const line =
      'room 4, set aside of bob at 777: "hi". When the majority of servers came to this message, ' +
      "its author was not in the room.";
    expect(events.map(({ event }) => describeEvent(event))).toEqual([line]);
    expect(test.timeline(1, 4).map(describeItem)).toEqual([
      "room 4 #1 bob joined",
      "room 4 #2 eve joined",
      "room 4 #3 bob left",
    ]);
    // Also for a second server, and when the author is in the room again.
    test.accept(join(4), bob);
    const again = test.apply(merge(send(4, "hi")), { ...bob, id });
    expect(again.outcome).toEqual({ ...outcome, repeated: true });
    expect(again.events).toEqual([]);
    expect(setAsideFor(test, ada, 4)).toEqual([line]);
    expect(setAsideFor(test, bob, 4)).toEqual([line]);
    expect(setAsideFor(test, eve, 4)).toEqual([]);
    for (const userId of [1, 2, 3]) expect(test.replayTo(userId)).toEqual(test.sentTo(userId));
    expect(test.replayTo(3).map(describeEvent)).not.toContain(line);
  });

  it("IM9 the plain message under its id is refused, for as long as it is kept", () => {
    const test = roomWithBob();
    test.accept(leave(4), bob);
    const id = test.newId();
    test.accept(merge(send(4, "hi")), { ...bob, id });
    test.accept(join(4), bob);
    const { outcome } = test.apply(send(4, "hi"), { ...bob, id });
    expect(outcome).toMatchObject({
      kind: "rejected",
      message: expect.stringMatching(/^This message was set aside\. .*write it again as a new/),
    });
    expect(summary(outcome)).toBe("NOT_A_MEMBER");
    expect(summary(test.apply(send(4, "ho"), { ...bob, id }).outcome)).toBe("ID_REUSED");
    expect(summary(test.apply(merge(send(4, "ho")), { ...bob, id }).outcome)).toBe("ID_REUSED");
    expect(summary(test.apply(join(1), { ...bob, id }).outcome)).toBe("ID_REUSED");
    test.nowMs += 2 * commandMemoryMs;
    for (let i = 0; i < 20; i++) test.accept(join(1), ada);
    expect(test.apply(send(4, "hi"), { ...bob, id }).outcome).toEqual(outcome);
  });

  it("IM9, ID7 a message whose id was refused before is set aside, and stays refused", () => {
    const test = roomWithBob();
    test.accept(leave(4), bob);
    const id = test.newId();
    const refusal = test.apply(send(4, "hi"), { ...bob, id }).outcome;
    expect(summary(refusal)).toBe("NOT_A_MEMBER");
    test.accept(join(4), bob);
    const { answer, outcome } = test.accept(merge(send(4, "hi")), { ...bob, id });
    expect(answer).toEqual({ kind: "setAside", roomId: 4 });
    expect(test.apply(merge(send(4, "hi")), { ...bob, id }).outcome).toEqual({
      ...outcome,
      repeated: true,
    });
    expect(test.apply(send(4, "hi"), { ...bob, id }).outcome).toEqual(refusal);
    expect(setAsideFor(test, bob, 4)).toHaveLength(1);
    // And when the refusal is forgotten.
    test.nowMs += 2 * commandMemoryMs;
    for (let i = 0; i < 20; i++) test.accept(join(1), ada);
    expect(summary(test.apply(send(4, "hi"), { ...bob, id }).outcome)).toBe("NOT_A_MEMBER");
    expect(test.apply(merge(send(4, "hi")), { ...bob, id }).outcome).toEqual({
      ...outcome,
      repeated: true,
    });
  });

  it("IM9 the reason says what stood against it", () => {
    const test = roomWithBob();
    const reasonOf = (...step: Parameters<TestChat["accept"]>) => {
      const { events } = test.accept(...step);
      return events.map(({ event }) => describeEvent(event)).join();
    };
    expect(reasonOf(merge(send(1, "x")), bob)).toMatch(/not the owner of the room, who alone/);
    const id = test.newId();
    expect(summary(test.apply(createRoom("OPS"), { ...ada, id }).outcome)).toBe("INVALID_ARGUMENT");
    expect(reasonOf(merge(send(4, "x")), { ...ada, id })).toMatch(/had been refused before/);
    test.database.exec(`UPDATE timeline_items SET number = ${itemsPerRoomMax} WHERE room_id = 4`);
    test.reopen();
    expect(reasonOf(merge(send(4, "x")), bob)).toMatch(/the room was full/);
  });

  it("IM9 an owner who is the author too is told once", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    test.accept(leave(3), ada);
    const { events } = test.accept(merge(send(3, "x")), ada);
    expect(events.map(audienceOf)).toEqual([[1]]);
    expect(test.replayTo(1)).toEqual(test.sentTo(1));
    expect(test.replayTo(2)).toEqual(test.sentTo(2));
  });

  it("IM12 many are replayed in their places; the newest are shown with the newest items", () => {
    const test = roomWithBob();
    test.accept(leave(4), bob);
    const commands = Array.from({ length: 200 }, (_, i) => {
      const [body, sender] = i % 3 === 0 ? [send(4, `p${i}`), ada] : [merge(send(4, `m${i}`)), bob];
      return encodeCommand(body, { ...sender, id: test.newId() });
    });
    test.applyBytes(...commands);
    for (const userId of [1, 2, 3]) {
      for (const limit of [1, 7, 1_000]) {
        expect(test.replayTo(userId, { limit })).toEqual(test.sentTo(userId));
      }
    }
    const shown = setAsideFor(test, ada, 4).map((line) => /"(.*)"/.exec(line)?.[1]);
    expect(shown).toHaveLength(setAsideShownMax);
    expect(shown.slice(-2)).toEqual(["m197", "m199"]);
    for (const other of [{ afterNumber: 1 }, { beforeNumber: 9 }]) {
      const ask = { room: { roomId: 4 }, beforeNumber: 0, afterNumber: 0, limit: 10, ...other };
      expect(test.chat.readTimeline(1, ask)).toMatchObject({ setAside: [] });
    }
  });
});

describe("MergeHeld of a log-in", () => {
  const nonce = 0xffff_0000_1234_5678n;

  it("IM10, IM11 opens a session that is found by the island's number until it ends", () => {
    const test = TestChat.with("ada", "bob");
    const id = test.newId();
    const { answer, outcome } = test.accept(merge(openOnIsland(2, nonce, "phone")), { id });
    expect(answer).toEqual({ kind: "sessionOpened", sessionId: 3, userId: 2 });
    expect(test.chat.sessionByIslandNonce(nonce)).toBe(3);
    expect(test.chat.sessionOwner(3)).toBe(2);
    // Again, also plainly, and also by a server that has drawn another number.
    for (const body of [
      merge(openOnIsland(2, nonce, "phone")),
      openOnIsland(2, nonce, "phone"),
      openOnIsland(2, nonce + 1n, "phone"),
      open(2, "phone"),
    ]) {
      expect(test.apply(body, { id }).outcome).toEqual({ ...outcome, repeated: true });
    }
    expect(test.chat.sessionByIslandNonce(nonce + 1n)).toBeUndefined();
    test.accept(close(3), bob);
    expect(test.chat.sessionByIslandNonce(nonce)).toBeUndefined();
    expect(test.apply(merge(openOnIsland(2, nonce, "phone")), { id }).outcome).toEqual({
      ...outcome,
      repeated: true,
    });
    expect(test.chat.sessionOwner(3)).toBeUndefined();
  });

  it("IM10 its number under another id is the same session; another person's is refused", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(openOnIsland(2, nonce));
    expect(test.accept(merge(openOnIsland(2, nonce))).answer).toMatchObject({ sessionId: 3 });
    expect(summary(test.apply(openOnIsland(1, nonce)).outcome)).toBe("INVALID_ARGUMENT");
    expect(test.accept(open(2)).answer).toMatchObject({ sessionId: 4 });
    expect(test.accept(open(2)).answer).toMatchObject({ sessionId: 5 });
    expect(test.chat.sessionByIslandNonce(0n)).toBeUndefined();
    test.reopen();
    expect(test.chat.sessionByIslandNonce(nonce)).toBe(3);
  });

  it("IM11, SE2, SE8 is refused where the log-in itself would be", () => {
    const test = TestChat.with("ada");
    const wrong = { ...openOnIsland(1, nonce) } as { value: object };
    const body = { ...wrong, value: { ...wrong.value, passwordHash: "$argon2id$other" } } as never;
    expect(summary(test.apply(merge(body)).outcome)).toBe("WRONG_PASSWORD");
    expect(summary(test.apply(merge(openOnIsland(9, nonce))).outcome)).toBe("UNKNOWN_PERSON");
    const given = test.apply(merge(openOnIsland(1, nonce)), ada);
    expect(summary(given.outcome)).toBe("INVALID_ARGUMENT");
  });

  it("IM11 one that is as old as ids are remembered opens nothing", () => {
    const test = TestChat.with("ada");
    test.nowMs += commandMemoryMs;
    const acceptedMs = test.nowMs + 1 - commandMemoryMs;
    const late = test.apply(merge(openOnIsland(1, nonce), acceptedMs));
    expect(summary(late.outcome)).toBe("INVALID_ARGUMENT");
    expect(test.chat.sessionByIslandNonce(nonce)).toBeUndefined();
    const inTime = test.apply(merge(openOnIsland(1, nonce), acceptedMs + 2));
    expect(summary(inTime.outcome)).toBe("accepted");
  });
});
