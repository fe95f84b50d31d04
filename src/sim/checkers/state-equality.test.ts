// Results and states that are equal, and that differ in one place each.
import { describe, expect, it } from "vitest";
import type { ChatEvent, ChatOutcome } from "../../chat/index.ts";
import { ChatRig, chatter } from "./chat-rig.test-support.ts";
import { applied, at, judge, type Result } from "./cluster-events.test-support.ts";
import { StateEquality } from "./state-equality.ts";

const outcome: ChatOutcome = {
  kind: "accepted",
  answer: { kind: "sent", roomId: 1, number: 4 },
  position: at(1),
  repeated: false,
};
const item: ChatEvent["event"] = {
  $typeName: "chat.v1.Event",
  position: BigInt(at(1)),
  body: {
    case: "item",
    value: {
      $typeName: "chat.v1.TimelineItem",
      roomId: 1,
      number: 4,
      position: BigInt(at(1)),
      timestampMs: 5n,
      authorId: 1,
      authorUsername: "ada",
      commandId: new Uint8Array(16),
      content: { case: "body", value: "hello" },
      writtenMs: 0n,
    },
  },
};
const to = (...users: number[]) => ({ kind: "users" as const, users: new Set(users) });
const good: Result = { outcome, events: [{ audience: to(1, 2), event: item }] };

describe("state equality", () => {
  const check = (...results: readonly (readonly Result[])[]) =>
    judge(
      () => new StateEquality(),
      results.map((each, at) => applied(at + 1, { index: 1, results: each })),
    );
  const changed = (change: object): Result => {
    const value = { ...(item.body.value as object), ...change };
    const event = { ...item, body: { case: "item", value } } as ChatEvent["event"];
    return { outcome, events: [{ audience: to(1, 2), event }] };
  };

  it("passes equal results, in whatever order an audience is held", () => {
    const turned = { outcome, events: [{ audience: to(2, 1), event: item }] };
    expect(check([good], [turned], [good])).toBeUndefined();
  });

  it("passes a real chat state that applies everything twice, call by call or at once", () => {
    const events = [...chatter(new ChatRig()), ...chatter(new ChatRig())];
    expect(judge(() => new StateEquality(), events)).toBeUndefined();
  });

  it.each<[string, Result]>([
    ["another outcome", { ...good, outcome: { ...outcome, repeated: true } }],
    [
      "another number",
      { ...good, outcome: { ...outcome, answer: { kind: "sent", roomId: 1, number: 5 } } },
    ],
    ["no event", { outcome, events: [] }],
    ["another audience", { outcome, events: [{ audience: to(1, 3), event: item }] }],
    [
      "everyone as audience",
      { outcome, events: [{ audience: { kind: "everyone" }, event: item }] },
    ],
    ["another text", changed({ content: { case: "body", value: "hellp" } })],
    ["another time", changed({ timestampMs: 6n })],
    ["another time of writing", changed({ writtenMs: 1n })],
    ["another author", changed({ authorId: 2 })],
  ])("catches %s on another server", (_title, result) => {
    expect(check([good], [result])).toMatch(
      "server 2 came to another result than others at entry 1",
    );
  });

  it("catches another reason why a message was set aside", () => {
    const aside = (reason: string): Result => {
      const value = {
        $typeName: "chat.v1.SetAside" as const,
        ...{ roomId: 1, authorId: 2, authorUsername: "bob", commandId: new Uint8Array(16) },
        ...{ acceptedMs: 5n, body: "hello", reason },
      };
      const event = { ...item, body: { case: "setAside" as const, value } };
      return { outcome, events: [{ audience: to(1, 2), event }] };
    };
    expect(check([aside("full")], [aside("full")])).toBeUndefined();
    expect(check([aside("full")], [aside("left")])).toMatch("server 2 came to another result");
  });

  it("catches results for other commands than those given", () => {
    const short = { ...applied(1, { index: 1, results: [good] }), applied: [] };
    expect(judge(() => new StateEquality(), [short as never])).toMatch("no result");
  });

  it("catches tables that differ where the same is applied", () => {
    const final = (server: number, appliedIndex: number, stateDigest: string) =>
      ({ server, appliedIndex, stateDigest, rows: () => [] }) as const;
    const finish = (...servers: ReturnType<typeof final>[]) =>
      judge(() => new StateEquality(), [], servers);
    expect(finish(final(1, 4, "a"), final(2, 3, "b"), final(3, 4, "a"))).toBeUndefined();
    expect(finish(final(1, 4, "a"), final(3, 4, "b"))).toMatch("servers 1 and 3 differ");
  });
});
