// OpenSession: logging in on one device (C1).
import { describe, expect, it } from "vitest";
import { sessionsPerUserMax } from "../limits.ts";
import {
  audienceOf,
  close,
  describeEvent,
  open,
  passwordHash,
  register,
  send,
  summary,
  TestChat,
} from "../test-chat.test-support.ts";

describe("OpenSession", () => {
  it("C1, SE1 opens session 1, 2, 3, … for the person, also after opening anew", () => {
    const test = new TestChat();
    test.accept(register("ada"));
    test.accept(register("bob"));
    expect(test.accept(open(1)).answer).toEqual({ kind: "sessionOpened", sessionId: 1, userId: 1 });
    expect(test.accept(open(2)).answer).toEqual({ kind: "sessionOpened", sessionId: 2, userId: 2 });
    test.reopen();
    expect([1, 2, 3].map((id) => test.chat.sessionOwner(id))).toEqual([1, 2, undefined]);
  });

  it("SE1 never gives the id of an ended session again", () => {
    const test = TestChat.with("ada");
    test.accept(open(1));
    test.accept(close(0), TestChat.sender(1));
    test.reopen();
    expect(test.accept(open(1)).answer).toMatchObject({ sessionId: 3 });
  });

  it("SE1 refuses someone who does not exist", () => {
    const test = new TestChat();
    for (const userId of [0, 1, 4_294_967_295]) {
      expect(summary(test.apply(open(userId)).outcome)).toBe("UNKNOWN_PERSON");
    }
  });

  it("SE2 refuses another hash than the one that is stored", () => {
    const test = TestChat.with("ada");
    for (const hash of ["", `${passwordHash}x`, "correct horse"]) {
      expect(summary(test.apply(open(1, "", hash)).outcome)).toBe("WRONG_PASSWORD");
    }
    expect(test.chat.sessionOwner(2)).toBeUndefined();
  });

  it("SE3 refuses a bad device name", () => {
    const test = TestChat.with("ada");
    expect(summary(test.apply(open(1, "a\u0007b")).outcome)).toBe("INVALID_ARGUMENT");
    expect(summary(test.apply(open(1, "my phone 📱")).outcome)).toBe("accepted");
  });

  it("SE4 ends the oldest session when there are too many, and tells that person alone", () => {
    const test = TestChat.with("ada", "bob");
    for (let count = 1; count < sessionsPerUserMax; count++) {
      expect(test.accept(open(1)).events).toEqual([]);
    }
    expect(test.chat.sessionOwner(1)).toBe(1);
    const { events } = test.accept(open(1));
    expect(events.map(({ event }) => describeEvent(event))).toEqual(["session 1 ended"]);
    expect(events.map(audienceOf)).toEqual([[1]]);
    expect(test.chat.sessionOwner(1)).toBeUndefined();
    // Session 2 is bob's and does not count among ada's.
    expect(test.chat.sessionOwner(2)).toBe(2);
    expect(summary(test.apply(send(1, "x"), TestChat.sender(1)).outcome)).toBe("UNAUTHENTICATED");
  });

  it("SE8 is done before log-in", () => {
    const test = TestChat.with("ada");
    const { outcome } = test.apply(open(1), TestChat.sender(1));
    expect(summary(outcome)).toBe("INVALID_ARGUMENT");
  });
});
