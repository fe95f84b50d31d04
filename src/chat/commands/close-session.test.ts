// CloseSession: logging out of one device or of all (C1).
import { describe, expect, it } from "vitest";
import {
  audienceOf,
  type Body,
  close,
  createRoom,
  describeEvent,
  join,
  leave,
  open,
  send,
  summary,
  TestChat,
} from "../test-chat.test-support.ts";

const ada = TestChat.sender(1);
const bob = TestChat.sender(2);

describe("CloseSession", () => {
  it("C1, SE5 ends the session and tells its person alone", () => {
    const test = TestChat.with("ada", "bob");
    const { answer, events } = test.accept(close(1), ada);
    expect(answer).toEqual({ kind: "sessionClosed" });
    expect(events.map(({ event }) => describeEvent(event))).toEqual(["session 1 ended"]);
    expect(events.map(audienceOf)).toEqual([[1]]);
    expect([1, 2].map((id) => test.chat.sessionOwner(id))).toEqual([undefined, 2]);
  });

  it("SE5 ends another session of the same person", () => {
    const test = TestChat.with("ada");
    test.accept(open(1));
    test.accept(close(2), ada);
    expect([1, 2].map((id) => test.chat.sessionOwner(id))).toEqual([1, undefined]);
  });

  it("C1, SE5 ends all sessions of the person with id 0, oldest first", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(open(1));
    test.accept(open(1));
    const { events, position } = test.accept(close(0), ada);
    expect(events.map(({ event }) => describeEvent(event))).toEqual([
      "session 1 ended",
      "session 3 ended",
      "session 4 ended",
    ]);
    expect(new Set(events.map(({ event }) => Number(event.position)))).toEqual(new Set([position]));
    expect([1, 2, 3, 4].map((id) => test.chat.sessionOwner(id))).toEqual([
      undefined,
      2,
      undefined,
      undefined,
    ]);
  });

  it("SE6 refuses a session that is someone else's, was ended, or never was", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(open(1));
    test.accept(close(3), ada);
    for (const sessionId of [2, 3, 77]) {
      expect(summary(test.apply(close(sessionId), ada).outcome)).toBe("INVALID_ARGUMENT");
    }
    expect(test.chat.sessionOwner(2)).toBe(2);
  });

  it("SE7 nothing comes through an ended, foreign or missing session any more", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(close(0), bob);
    const bodies: Body[] = [close(0), createRoom("ops"), join(1), leave(1), send(1, "x")];
    const senders = [
      bob,
      { userId: 1, sessionId: 2 },
      { userId: 1, sessionId: 0 },
      { userId: 0, sessionId: 1 },
      { userId: 0, sessionId: 0 },
      { userId: 9, sessionId: 1 },
    ];
    for (const sender of senders) {
      for (const body of bodies) {
        expect(summary(test.apply(body, sender).outcome)).toBe("UNAUTHENTICATED");
      }
    }
    test.reopen();
    expect(summary(test.apply(send(2, "x"), bob).outcome)).toBe("UNAUTHENTICATED");
  });
});
