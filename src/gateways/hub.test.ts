// The hub: one joined frame for all who see the same, each event only to those who may, and nothing
// before its time.
import { create, fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { ChatEvent } from "../chat/index.ts";
import { ServerFrameSchema } from "../proto/gen/chat/v1/api_pb.js";
import { EventSchema } from "../proto/gen/chat/v1/event_pb.js";
import type { HeldItem } from "../proto/gen/cluster/v1/peer_pb.js";
import type { IslandChange } from "../replica/index.ts";
import type { Frame } from "./frames.ts";
import type { GatewayContext } from "./gateway-context.ts";
import { HeldBoard } from "./held-board.ts";
import { Hub, type Receiver } from "./hub.ts";
import { defaultGatewayLimits } from "./limits.ts";

class TestReceiver implements Receiver {
  readonly frames: Frame[] = [];
  readonly positions: (number | undefined)[] = [];
  readonly notices: Uint8Array[] = [];
  readonly isOfIsland = false;
  hasEnded = false;
  queued = 0;
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

  handleNotice(notice: Uint8Array): void {
    this.notices.push(notice);
  }

  queuedBytes(): number {
    return this.queued;
  }

  handleIslandMerged(): void {}
}

function setUp() {
  type Applied = readonly { position: number; events: readonly ChatEvent[] }[];
  let listener: (applied: readonly object[]) => void = () => {};
  let tellIsland: (change: IslandChange) => void = () => {};
  const soon: (() => void)[] = [];
  const timers: (() => void)[] = [];
  const heldItems: HeldItem[] = [];
  let shown = 0;
  let applied = 0;
  const context = {
    clock: {
      setSoon: (callback: () => void) => soon.push(callback),
      setTimer: (_: number, callback: () => void) => timers.push(callback),
      monotonicMs: () => 0,
    },
    chat: {
      heldMessage: ({ sequence, command }: HeldItem) => {
        shown += 1;
        const users = new Set(command);
        return users.size === 0
          ? undefined
          : { audience: { kind: "users", users }, message: { roomId: sequence } };
      },
    },
    island: {
      heldItems: () => heldItems,
      subscribeIsland: (given: typeof tellIsland) => {
        tellIsland = given;
        return () => {};
      },
    },
    limits: defaultGatewayLimits,
    replica: {
      appliedPosition: () => applied,
      clusterId: () => "00c0ffee00c0ffee",
      subscribe: (given: typeof listener) => {
        listener = given;
        return () => {};
      },
    },
  } as unknown as GatewayContext;
  const outcome = { kind: "accepted", answer: { kind: "sent" } };
  const hub = new Hub(context, new HeldBoard(context));
  const endTurn = () => {
    for (const callback of soon.splice(0)) callback();
  };
  return {
    hub,
    apply: (...commands: Applied) => {
      applied = commands.at(-1)?.position ?? applied;
      listener(commands.map((one) => ({ ...one, outcome })));
    },
    endTurn,
    endTurns: () => {
      while (soon.length > 0) endTurn();
    },
    fireTimers: () => {
      for (const callback of timers.splice(0)) callback();
    },
    /** Takes in an item that these users may see; its sequence number is the next. */
    hold: (...users: number[]) => {
      const sequence = heldItems.length + 1;
      const item = { sequence, command: new Uint8Array(users) } as unknown as HeldItem;
      heldItems.push(item);
      tellIsland({ kind: "held", items: [item] });
    },
    island: (change: IslandChange) => tellIsland(change),
    shown: () => shown,
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

/** The sequence numbers of the held items that a receiver was sent, in order. */
function heldBy(receiver: TestReceiver): number[] {
  return receiver.frames.flatMap(({ payload }) =>
    fromBinary(ServerFrameSchema, payload).events.flatMap(({ body }) =>
      body.case === "held" ? [body.value.roomId] : [],
    ),
  );
}

describe("held items", () => {
  it("come once, whether held before or after a receiver goes live, to those who may", () => {
    const { hold, enter, endTurn, endTurns, hub } = setUp();
    for (let i = 0; i < 300; i++) hold(1, ...(i % 3 === 0 ? [2] : []));
    hold();
    const [a, b, c] = [enter(1), enter(2), enter(3)];
    const waiting = new TestReceiver(hub, 1);
    endTurn();
    hold(1, 2);
    endTurns();
    hold(1);
    endTurns();
    const all = Array.from({ length: 300 }, (_, i) => i + 1);
    expect(heldBy(a)).toEqual([...all, 302, 303]);
    expect(heldBy(b)).toEqual([...all.filter((i) => i % 3 === 1), 302]);
    expect([heldBy(c), heldBy(waiting)]).toEqual([[], []]);
  });

  it("are worked out once for all, and anew when the state has changed", () => {
    const { apply, hold, enter, endTurns, shown } = setUp();
    for (let i = 0; i < 10; i++) hold(1, 2, 3);
    for (const id of [1, 2, 3]) enter(id);
    endTurns();
    expect(shown()).toBe(10);
    apply(item(1, [1]));
    enter(1, 1);
    endTurns();
    expect(shown()).toBe(20);
  });

  it("are given no faster than the client reads", () => {
    const { hub, hold, endTurns, fireTimers } = setUp();
    for (let i = 0; i < 300; i++) hold(1);
    const slow = new TestReceiver(hub, 1);
    slow.queued = defaultGatewayLimits.frameBytesTarget + 1;
    hub.goLive(slow, 0);
    endTurns();
    expect(heldBy(slow)).toEqual([]);
    slow.queued = 0;
    fireTimers();
    endTurns();
    expect(heldBy(slow)).toHaveLength(300);
  });

  it("move no cursor", () => {
    const { apply, hold, enter, endTurn, hub } = setUp();
    const receiver = enter(1);
    apply(item(4, [1]));
    hold(1);
    endTurn();
    expect(receiver.positions).toEqual([4, undefined]);
    expect(hub.cursorPosition(receiver)).toBe(4);
  });
});

describe("the mode", () => {
  it("is told to everybody when it changes", () => {
    const { enter, island } = setUp();
    const receivers = [enter(1), enter(2)];
    island({ kind: "opened", servers: 2 });
    island({ kind: "closed" });
    for (const { notices } of receivers) {
      const bodies = notices.map((bytes) => fromBinary(ServerFrameSchema, bytes).notices[0]?.body);
      expect(bodies).toMatchObject([
        { case: "island", value: { open: true, servers: 2 } },
        { case: "island", value: { open: false, servers: 0 } },
      ]);
    }
  });
});
