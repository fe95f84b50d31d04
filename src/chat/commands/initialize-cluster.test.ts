// InitializeCluster: the first one counts.
import { describe, expect, it } from "vitest";
import { initialize, summary, TestChat } from "../test-chat.test-support.ts";

const key = new Uint8Array(32).fill(7);

describe("InitializeCluster", () => {
  it("AC1 the first one gives the cluster its token key, also after opening anew", () => {
    const test = new TestChat();
    expect(test.chat.tokenKey()).toBeUndefined();
    const { outcome, events } = test.apply(initialize(key));
    expect(outcome).toMatchObject({ kind: "accepted", answer: { kind: "initialized" } });
    expect(events).toEqual([]);
    expect(test.chat.tokenKey()).toEqual(key);
    test.reopen();
    expect(test.chat.tokenKey()).toEqual(key);
  });

  it("AC1 a key of another length is refused", () => {
    const test = new TestChat();
    for (const length of [0, 31, 33]) {
      const { outcome } = test.apply(initialize(new Uint8Array(length)));
      expect(summary(outcome)).toBe("INVALID_ARGUMENT");
    }
    expect(test.chat.tokenKey()).toBeUndefined();
  });

  it("AC2 a later one with its own key changes nothing and answers the first's position", () => {
    const test = new TestChat();
    const first = test.accept(initialize(key));
    const { outcome, position } = test.apply(initialize(new Uint8Array(32).fill(8)));
    expect(outcome).toEqual({ ...first.outcome, repeated: true });
    expect(position).toBeGreaterThan(first.position);
    expect(test.chat.tokenKey()).toEqual(key);
  });

  it("SE8 it is done by nobody", () => {
    const test = TestChat.with("ada");
    const { outcome } = test.apply(initialize(key), TestChat.sender(1));
    expect(summary(outcome)).toBe("INVALID_ARGUMENT");
  });
});
