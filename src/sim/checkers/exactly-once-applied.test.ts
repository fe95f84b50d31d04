// Ids that take effect once, twice, and again after they were forgotten.
import { describe, expect, it } from "vitest";
import type { ChatEvent, ChatOutcome } from "../../chat/index.ts";
import { ada, bob, body, ChatRig, chatter } from "./chat-rig.test-support.ts";
import { applied, at, encode, judge, type Result, refusal } from "./cluster-events.test-support.ts";
import { ExactlyOnceApplied } from "./exactly-once-applied.ts";

const accepted = (position: number, repeated = false): ChatOutcome => ({
  ...{ kind: "accepted", answer: { kind: "left", roomId: 1 }, position, repeated },
});
const leave = encode(body("leaveRoom", { roomId: 1 }), { ...ada, id: 7 });
const dayMs = 24 * 3_600_000;

describe("exactly once, as applied", () => {
  const check = (...results: readonly (Result & { readonly timestampMs?: number })[]) =>
    judge(
      () => new ExactlyOnceApplied(),
      results.map(({ timestampMs = 1, ...result }, order) =>
        applied(1, { index: order + 1, timestampMs, results: [result] }),
      ),
    );
  const first = { command: leave, outcome: accepted(at(1)) };

  it("ID2 passes a repetition, a refusal, and the id of somebody else", () => {
    const other = encode(body("leaveRoom", { roomId: 1 }), { ...bob, id: 7 });
    expect(
      check(
        first,
        { command: leave, outcome: accepted(at(1), true) },
        { command: leave, outcome: refusal },
        { command: other, outcome: accepted(at(4)) },
      ),
    ).toBeUndefined();
  });

  it("ID5, AC2 passes what a real chat state does", () => {
    const rig = new ChatRig();
    const key = { tokenKey: new Uint8Array(32) };
    const events = [...chatter(rig), rig.apply([body("initializeCluster", key), { id: 99 }])];
    expect(judge(() => new ExactlyOnceApplied(), events)).toBeUndefined();
  });

  it("ID6 passes an id that was forgotten after 30 days, but not one of a message", () => {
    const late = { timestampMs: 31 * dayMs, outcome: accepted(at(2)) };
    expect(check(first, { command: leave, ...late })).toBeUndefined();
    const send = encode(body("sendMessage", { roomId: 1, body: "x" }), { ...ada, id: 7 });
    const sent = { command: send, outcome: accepted(at(1)) };
    expect(check(sent, { command: send, ...late })).toMatch("took effect at 4096 before");
  });

  it("IM4 passes a held command once with the plain one, and none twice", () => {
    const send = body("sendMessage", { roomId: 1, body: "x" });
    const logIn = body("openSession", { userId: 1 });
    const [plain, merged] = [send, body("mergeHeld", { held: send })].map((each) =>
      encode(each, { ...ada, id: 7 }),
    );
    const [plainLogIn, mergedLogIn] = [logIn, body("mergeHeld", { held: logIn })].map((each) =>
      encode(each, { id: 8 }),
    );
    for (const pair of [
      [plain!, merged!],
      [merged!, plain!],
      [merged!, merged!],
      [plainLogIn!, mergedLogIn!],
      [mergedLogIn!, plainLogIn!],
    ] as const) {
      const done = { command: pair[0], outcome: accepted(at(1)) };
      const again = { command: pair[1], outcome: accepted(at(1), true) };
      expect(check(done, again)).toBeUndefined();
      expect(check(done, { ...again, outcome: accepted(at(2)) })).toMatch("took effect at 4096");
    }
  });

  it.each<[string, Result, RegExp]>([
    ["a second effect", { command: leave, outcome: accepted(at(2)) }, /took effect at 4096 before/],
    [
      "a repetition with another position",
      { command: leave, outcome: accepted(at(2), true) },
      /repetition of 8192 .* first took effect at 4096/,
    ],
    [
      "a repetition that tells events",
      { command: leave, outcome: accepted(at(1), true), events: [{} as ChatEvent] },
      /with 1 events/,
    ],
    [
      "a repetition of nothing",
      { command: encode(body("joinRoom", { roomId: 1 }), ada), outcome: accepted(at(1), true) },
      /first took effect at no position/,
    ],
    [
      "a first effect under an earlier position",
      { command: encode(body("joinRoom", { roomId: 1 }), ada), outcome: accepted(at(1)) },
      /is answered with position 4096/,
    ],
    ["a refusal that tells events", { command: leave, events: [{} as ChatEvent] }, /refused/],
  ])("ID2 catches %s", (_title, result, message) => {
    expect(check(first, result)).toMatch(message);
  });
});
