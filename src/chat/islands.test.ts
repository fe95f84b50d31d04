// What may be held without a majority, how it is shown, and what brings it into the log.
import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { islandSessionId } from "./limits.ts";
import {
  type Body,
  close,
  commandId,
  createRoom,
  type Envelope,
  encodeCommand,
  initialize,
  join,
  leave,
  merge,
  open,
  openOnIsland,
  register,
  send,
  summary,
  TestChat,
} from "./test-chat.test-support.ts";

const ada = TestChat.sender(1);
const bob = TestChat.sender(2);
const nonce = 2n ** 63n + 5n;

/** Ada's room ops, 3, with ada in it. */
function rooms(): TestChat {
  const test = TestChat.with("ada", "bob");
  test.accept(createRoom("ops"), ada);
  return test;
}

/** "held", or what is answered instead; sees that nothing changes. */
function judge(test: TestChat, body: Body, envelope: Envelope = {}): string {
  const before = test.dump();
  const id = envelope.id ?? commandId(900_000);
  const answer = test.chat.judgeHeld(encodeCommand(body, { ...envelope, id }));
  expect(test.dump()).toBe(before);
  return answer === undefined ? "held" : summary(answer);
}

describe("judgeHeld", () => {
  it("IM1, IM2 a message may be held where it would be accepted, and spends no id", () => {
    const test = rooms();
    const id = test.newId();
    for (let i = 0; i < 2; i++) expect(judge(test, send(3, "x"), { ...ada, id })).toBe("held");
    expect(judge(test, send(1, "x"), ada)).toBe("held");
    expect(judge(test, send(3, "x"), { ...bob, id })).toBe("NEEDS_MAJORITY");
    test.accept(join(3), bob);
    expect(judge(test, send(3, "x"), { ...bob, id })).toBe("held");
    expect(summary(test.apply(send(3, "x"), { ...ada, id }).outcome)).toBe("accepted");
  });

  it("IM1 everything but messages and log-ins needs a majority", () => {
    const test = rooms();
    const given = [createRoom("dev"), join(1), leave(3), close(0), merge(send(3, "x"))];
    for (const body of given) expect(judge(test, body, ada)).toBe("NEEDS_MAJORITY");
    for (const body of [register("eve"), initialize(new Uint8Array(32))]) {
      expect(judge(test, body)).toBe("NEEDS_MAJORITY");
    }
  });

  it("IM1 bytes that are no command are refused", () => {
    const { chat } = new TestChat();
    const bad = [
      Uint8Array.of(0xff),
      encodeCommand(send(1, "x"), { id: new Uint8Array(3) }),
      encodeCommand({ case: undefined }),
    ];
    for (const bytes of bad) {
      const answer = chat.judgeHeld(bytes);
      expect(answer && summary(answer)).toBe("INVALID_ARGUMENT");
    }
  });

  it("IM1, ID2 what was applied before has its first answer, of whatever kind it is", () => {
    const test = rooms();
    const cases = [
      { body: send(3, "x"), envelope: ada },
      { body: createRoom("dev"), envelope: ada },
      { body: register("eve"), envelope: {} },
      { body: merge(send(3, "y")), envelope: ada, retry: send(3, "y") },
    ];
    for (const { body, envelope, retry = body } of cases) {
      const id = test.newId();
      const { outcome } = test.accept(body, { ...envelope, id });
      const encoded = encodeCommand(retry, { ...envelope, id });
      expect(test.chat.judgeHeld(encoded)).toEqual({ ...outcome, repeated: true });
    }
  });

  it("IM1, ID4, ID7, IM9 what was refused or set aside before is refused", () => {
    const test = rooms();
    const [used, refusedId, aside] = [test.newId(), test.newId(), test.newId()];
    test.accept(send(3, "x"), { ...ada, id: used });
    expect(judge(test, send(3, "y"), { ...ada, id: used })).toBe("ID_REUSED");
    test.apply(send(3, "x"), { ...bob, id: refusedId });
    test.accept(merge(send(3, "x")), { ...bob, id: aside });
    test.accept(join(3), bob);
    for (const id of [refusedId, aside]) {
      expect(judge(test, send(3, "x"), { ...bob, id })).toBe("NOT_A_MEMBER");
    }
  });

  it("IM2 a bad form is refused as ever; what hangs on the state needs a majority", () => {
    const test = rooms();
    expect(judge(test, send(3, ""), ada)).toBe("INVALID_ARGUMENT");
    expect(judge(test, send(3, "x".repeat(16_385)), ada)).toBe("TOO_LARGE");
    for (const roomId of [2, 0, 99]) {
      expect(judge(test, send(roomId, "x"), ada)).toBe("NEEDS_MAJORITY");
    }
    const answer = test.chat.judgeHeld(encodeCommand(send(3, "x"), { ...bob, id: test.newId() }));
    expect(answer).toMatchObject({ message: expect.stringContaining("You are not in this room") });
  });

  it("IM2 an ended session is refused; one that is not known here yet needs a majority", () => {
    const test = rooms();
    test.accept(close(2), bob);
    expect(judge(test, send(2, "x"), bob)).toBe("UNAUTHENTICATED");
    expect(judge(test, send(1, "x"), { userId: 1, sessionId: 2 })).toBe("UNAUTHENTICATED");
    expect(judge(test, send(2, "x"), { userId: 2, sessionId: 1 })).toBe("UNAUTHENTICATED");
    expect(judge(test, send(1, "x"), { userId: 1, sessionId: 3 })).toBe("NEEDS_MAJORITY");
  });

  it("IM2 through an island's session only the person is asked", () => {
    const test = rooms();
    const sessionId = islandSessionId;
    expect(judge(test, send(3, "x"), { userId: 1, sessionId })).toBe("held");
    expect(judge(test, send(3, "x"), { userId: 2, sessionId })).toBe("NEEDS_MAJORITY");
    for (const userId of [0, 3]) {
      expect(judge(test, send(3, "x"), { userId, sessionId })).toBe("NEEDS_MAJORITY");
    }
    expect(judge(test, join(3), { userId: 1, sessionId })).toBe("NEEDS_MAJORITY");
  });

  it("IM3 a log-in may be held where it would be accepted, with an island's number", () => {
    const test = rooms();
    expect(judge(test, openOnIsland(1, nonce, "phone"))).toBe("held");
    expect(judge(test, openOnIsland(1, 0n))).toBe("INVALID_ARGUMENT");
    expect(judge(test, openOnIsland(1, nonce, "a\nb"))).toBe("INVALID_ARGUMENT");
    expect(judge(test, openOnIsland(1, nonce), ada)).toBe("INVALID_ARGUMENT");
    expect(judge(test, openOnIsland(9, nonce))).toBe("NEEDS_MAJORITY");
    const other = { ...openOnIsland(1, nonce).value, passwordHash: "$argon2id$other" };
    expect(judge(test, { case: "openSession", value: other } as Body)).toBe("NEEDS_MAJORITY");
  });
});

describe("isHoldable", () => {
  it("IM1 knows messages, whatever their rights, and nothing else", () => {
    const { chat } = new TestChat();
    const ask = (body: Body, envelope: Envelope = {}) =>
      chat.isHoldable(encodeCommand(body, { ...ada, ...envelope }));
    expect(ask(send(99, "x"))).toBe(true);
    for (const body of [join(1), open(1), merge(send(1, "x")), { case: undefined }] as Body[]) {
      expect(ask(body)).toBe(false);
    }
    expect(ask(send(1, "x"), { id: new Uint8Array(15) })).toBe(false);
    for (const bytes of [Uint8Array.of(0xff), new Uint8Array()]) {
      expect(chat.isHoldable(bytes)).toBe(false);
    }
  });
});

describe("mergeCommand", () => {
  const mergeOf = (body: Body, envelope: Envelope) => {
    const command = encodeCommand(body, envelope);
    const { chat } = new TestChat();
    return fromBinary(
      CommandSchema,
      chat.mergeCommand({ command, timestampMs: 1_234, commitIndex: 56 }),
    );
  };

  it("IM4 carries the body under the id, user and session of what was held", () => {
    const id = commandId(7);
    expect(mergeOf(send(3, "x"), { userId: 2, sessionId: islandSessionId, id })).toMatchObject({
      id,
      userId: 2,
      sessionId: islandSessionId,
      body: {
        case: "mergeHeld",
        value: {
          held: { case: "sendMessage", value: { roomId: 3, body: "x" } },
          acceptedMs: 1_234n,
          separationIndex: 56n,
        },
      },
    });
    expect(mergeOf(openOnIsland(1, nonce, "phone"), { id })).toMatchObject({
      id,
      userId: 0,
      sessionId: 0,
      body: { value: { held: { value: { userId: 1, islandNonce: nonce, device: "phone" } } } },
    });
  });

  it("IM4 throws on what no server may have held", () => {
    expect(() => mergeOf(join(3), ada)).toThrow("no message and no log-in");
    const { chat } = new TestChat();
    const command = Uint8Array.of(0xff);
    expect(() => chat.mergeCommand({ command, timestampMs: 1, commitIndex: 1 })).toThrow();
  });
});

describe("heldKey and isMerged", () => {
  it("IM4 a command and what merges it have one key; others have none", () => {
    const test = rooms();
    const id = test.newId();
    const envelope = { ...ada, id };
    const key = test.chat.heldKey(encodeCommand(send(3, "x"), envelope));
    expect(key).toBe(test.chat.heldKey(encodeCommand(merge(send(3, "x")), envelope)));
    expect(key).not.toBe(test.chat.heldKey(encodeCommand(send(3, "x"), { ...bob, id })));
    expect(test.chat.heldKey(encodeCommand(createRoom("dev"), envelope))).toBeUndefined();
    expect(test.chat.heldKey(new Uint8Array([255]))).toBeUndefined();
  });

  it("IM5 a message is merged once it is stored or set aside, but not by a refusal", () => {
    const test = rooms();
    const stored = { ...ada, id: test.newId() };
    const refusedFirst = { ...bob, id: test.newId() };
    const isMerged = (envelope: Envelope) =>
      test.chat.isMerged(encodeCommand(send(3, "x"), envelope));
    expect(isMerged(stored)).toBe(false);
    test.apply(send(3, "x"), stored);
    expect(isMerged(stored)).toBe(true);
    test.apply(send(3, "x"), refusedFirst);
    expect(isMerged(refusedFirst)).toBe(false);
    test.apply(merge(send(3, "x")), refusedFirst);
    expect(isMerged(refusedFirst)).toBe(true);
  });
});

describe("heldMessage", () => {
  const show = (test: TestChat, body: Body, envelope: Envelope) =>
    test.chat.heldMessage({
      command: encodeCommand(body, { id: commandId(900_000), ...envelope }),
      timestampMs: 1_234n,
      hybridTime: 5_678n,
    });

  it("IM13 shows a message to the members of its room as of now", () => {
    const test = rooms();
    const id = test.newId();
    const shown = show(test, send(3, "x"), { ...ada, sessionId: islandSessionId, id });
    expect(shown?.message).toEqual({
      $typeName: "chat.v1.HeldMessage",
      roomId: 3,
      authorId: 1,
      authorUsername: "ada",
      commandId: id,
      timestampMs: 1_234n,
      body: "x",
      hybridTime: 5_678n,
    });
    expect(shown?.audience).toEqual({ kind: "users", users: new Set([1]) });
    test.accept(join(3), bob);
    expect(show(test, send(3, "x"), ada)?.audience).toEqual({
      kind: "users",
      users: new Set([1, 2]),
    });
  });

  it("IM13 shows nothing that its author may not write, and nothing but messages", () => {
    const test = rooms();
    for (const [body, envelope] of [
      [send(3, "x"), bob],
      [send(1, "x"), bob],
      [send(9, "x"), ada],
      [send(3, ""), ada],
      [send(3, "x"), { userId: 7 }],
      [send(3, "x"), { ...ada, id: new Uint8Array(3) }],
      [openOnIsland(1, nonce), {}],
      [join(1), bob],
    ] as const) {
      expect(show(test, body, envelope)).toBeUndefined();
    }
    const item = { command: Uint8Array.of(0xff), timestampMs: 1n, hybridTime: 1n };
    expect(test.chat.heldMessage(item)).toBeUndefined();
  });

  it("IM13 shows nothing once something was applied under its id", () => {
    const test = rooms();
    const [plain, merged, refusedId, aside] = [0, 0, 0, 0].map(() => test.newId());
    const steps = [
      { id: plain!, body: send(3, "x"), envelope: ada },
      { id: merged!, body: merge(send(3, "x")), envelope: ada },
      { id: refusedId!, body: send(3, "x"), envelope: bob },
      { id: aside!, body: merge(send(3, "x")), envelope: bob },
    ];
    for (const { id, body, envelope } of steps) test.apply(body, { ...envelope, id });
    test.accept(join(3), bob);
    for (const { id, envelope } of steps) {
      expect(show(test, send(3, "x"), { ...envelope, id })).toBeUndefined();
      expect(show(test, send(3, "other"), { ...envelope, id })).toBeUndefined();
    }
    expect(show(test, send(3, "x"), bob)).toBeDefined();
  });
});
