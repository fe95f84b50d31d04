// The hub: one joined frame for all who see the same, each event only to those who may, and nothing
// before its time.
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { ChatEvent } from "../chat/index.ts";
import { EventSchema } from "../proto/gen/chat/v1/event_pb.js";
import type { Frame } from "./frames.ts";
import type { GatewayContext } from "./gateway-context.ts";
import { Hub, type Receiver } from "./hub.ts";
import { defaultGatewayLimits } from "./limits.ts";

class TestReceiver implements Receiver {
  readonly frames: Frame[] = [];
  readonly positions: number[] = [];
  hasEnded = false;
  readonly userId: number;
  readonly sessionId: number;
  readonly #hub: Hub;

  constructor(hub: Hub, userId: number, sessionId = userId) {
    this.#hub = hub;
    this.userId = userId;
    this.sessionId = sessionId;
    hub.add(this);
  }

  flush(): void {
    const run = this.#hub.takeRun(this);
    if (run === undefined) return;
    this.frames.push(...this.#hub.sharedFrames(run));
    this.positions.push(...run.events().map(({ position }) => position));
  }

  handleSessionEnded(): void {
    this.hasEnded = true;
  }
}

function setUp() {
  type Applied = readonly { position: number; events: readonly ChatEvent[] }[];
  let listener: (applied: Applied) => void = () => {};
  const soon: (() => void)[] = [];
  const context = {
    clock: { setSoon: (callback: () => void) => soon.push(callback) },
    limits: defaultGatewayLimits,
    replica: {
      appliedPosition: () => 0,
      clusterId: () => "00c0ffee00c0ffee",
      subscribe: (given: typeof listener) => {
        listener = given;
        return () => {};
      },
    },
  } as unknown as GatewayContext;
  const hub = new Hub(context);
  return {
    hub,
    apply: (...applied: Applied) => listener(applied),
    endTurn: () => {
      for (const callback of soon.splice(0)) callback();
    },
    enter: (userId: number, after = 0) => {
      const receiver = new TestReceiver(hub, userId);
      hub.goLive(receiver, after);
      return receiver;
    },
  };
}

function item(
  position: number,
  users: number[] | "everyone",
): { position: number; events: ChatEvent[] } {
  const value = { roomId: 1, name: "x", ownerId: 1, personal: false };
  const event = create(EventSchema, {
    position: BigInt(position),
    body: { case: "roomCreated", value },
  });
  const audience =
    users === "everyone"
      ? ({ kind: "everyone" } as const)
      : ({ kind: "users", users: new Set(users) } as const);
  return { position, events: [{ audience, event }] };
}

describe("the hub", () => {
  it("gives the same frame object to all who saw the same events in a turn", () => {
    const { apply, endTurn, enter } = setUp();
    const [a, b, c] = [enter(1), enter(2), enter(3)];
    apply(item(1, [1, 2]), item(2, "everyone"), item(3, [1, 2]));
    endTurn();
    expect([a.positions, b.positions, c.positions]).toEqual([[1, 2, 3], [1, 2, 3], [2]]);
    expect(a.frames[0]).toBe(b.frames[0]);
    expect(c.frames[0]).not.toBe(a.frames[0]);
  });

  it("keeps events of different people apart, whatever the interleaving", () => {
    const { apply, endTurn, enter } = setUp();
    const receivers = [1, 2, 3, 4, 5].map((id) => enter(id));
    const expected: number[][] = receivers.map(() => []);
    for (let position = 1; position <= 200; position++) {
      const users = [1, 2, 3, 4, 5].filter((id) => (position * 7919) % (id + 1) === 0);
      for (const id of users) expected[id - 1]?.push(position);
      apply(item(position, users.length === 0 ? [99] : users));
      if (position % 13 === 0) endTurn();
    }
    endTurn();
    expect(receivers.map(({ positions }) => positions)).toEqual(expected);
  });

  it("sends nothing before a receiver goes live, nor what it has by replay", () => {
    const { hub, apply, endTurn } = setUp();
    const receiver = new TestReceiver(hub, 1);
    apply(item(1, [1]), item(2, [1]));
    expect(hub.cursorPosition(receiver)).toBeUndefined();
    hub.goLive(receiver, 3);
    apply(item(3, [1]), item(4, [1]));
    endTurn();
    expect(receiver.positions).toEqual([4]);
    expect(hub.cursorPosition(receiver)).toBe(4);
  });

  it("sends nothing to who has gone in the same turn", () => {
    const { hub, apply, endTurn, enter } = setUp();
    const [a, b] = [enter(1), enter(1)];
    apply(item(1, [1]));
    hub.remove(a);
    hub.remove(a);
    endTurn();
    expect([a.positions, b.positions]).toEqual([[], [1]]);
  });

  it("tells of an ended session only those who came through it, live or not", () => {
    const { hub, apply } = setUp();
    const mine = new TestReceiver(hub, 1, 10);
    const other = new TestReceiver(hub, 1, 11);
    const event = create(EventSchema, {
      body: { case: "sessionEnded", value: { sessionId: 10 } },
    });
    const audience = { kind: "users", users: new Set([1]) } as const;
    apply({ position: 1, events: [{ audience, event }] });
    expect([mine.hasEnded, other.hasEnded]).toEqual([true, false]);
  });
});
