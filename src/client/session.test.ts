// When a session takes its server for hung: on fast and slow networks, and on a machine that
// sleeps.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import {
  ClientFrameSchema,
  type ClientRequest,
  JoinRoomRequestSchema,
  type Reply,
  ReplySchema,
  ServerFrameSchema,
} from "../proto/gen/chat/v1/api_pb.js";
import type { ConnectionListener } from "./connection.ts";
import { checkIntervalMs, hungMsMin } from "./limits.ts";
import { ManualClock } from "./manual-clock.test-support.ts";
import { Session } from "./session.ts";

let clock: ManualClock;
/** What the session has asked and nobody has answered. */
let asked: ClientRequest[];
let server: ConnectionListener;
let session: Session;
let end: string | undefined;

beforeEach(() => {
  clock = new ManualClock();
  asked = [];
  end = undefined;
  session = new Session({
    connect: (_, listener) => {
      server = listener;
      return {
        send: (bytes) => asked.push(...fromBinary(ClientFrameSchema, bytes).requests),
        close: () => undefined,
      };
    },
    address: "http://s1:4801",
    clock,
    token: "token",
    cursor: new Uint8Array(0),
    subscribe: true,
    listener: {
      welcomed: () => undefined,
      received: () => undefined,
      islandChanged: () => undefined,
      serversChanged: () => undefined,
      ended: ({ kind }) => {
        end = kind;
      },
    },
  });
  server.opened();
});

function answer(kind: ClientRequest["body"]["case"], body: Reply["body"]["case"]): void {
  const requests = asked.filter((request) => request.body.case === kind);
  asked = asked.filter((request) => request.body.case !== kind);
  const replies = requests.map(({ requestId }) =>
    create(ReplySchema, { requestId, body: { case: body, value: {} } as Reply["body"] }),
  );
  if (replies.length === 0) throw new Error(`no ${kind} was asked`);
  server.received(toBinary(ServerFrameSchema, create(ServerFrameSchema, { replies })));
}

/** The hello took so long; a write is asked now that is never answered. */
function beginOwing(roundTripMs: number): void {
  clock.nowMs += roundTripMs;
  session.check();
  answer("hello", "welcome");
  session.request({ case: "joinRoom", value: create(JoinRoomRequestSchema) }, () => undefined);
  clock.runSoon();
}

/** Lets time pass as the link does it; answers how long it took until the session ended. */
function passUntilEnd(untilMs: number, each: (nowMs: number) => void = () => undefined): number {
  const startMs = clock.nowMs;
  while (end === undefined && clock.nowMs - startMs < untilMs) {
    clock.nowMs += checkIntervalMs;
    session.check();
    clock.runSoon();
    each(clock.nowMs);
  }
  return clock.nowMs - startMs;
}

describe("a server that owes an answer", () => {
  test("K1: silence for 0.75 s ends the session on a fast network", () => {
    beginOwing(2);
    expect(passUntilEnd(10_000)).toBeLessThanOrEqual(hungMsMin + checkIntervalMs);
    expect(end).toBe("broken");
  });

  test("a sign of life is asked for in time to come back", () => {
    beginOwing(2);
    passUntilEnd(300);
    expect(asked.map(({ body }) => body.case)).toEqual(["joinRoom", "ping"]);
  });

  test("on a network with round trips of 0.7 s, signs of life keep the session", () => {
    beginOwing(700);
    let askedAtMs: number | undefined;
    passUntilEnd(20_000, (nowMs) => {
      const isAsked = asked.some(({ body }) => body.case === "ping");
      if (isAsked) askedAtMs ??= nowMs;
      if (askedAtMs === undefined || nowMs - askedAtMs < 700) return;
      askedAtMs = undefined;
      answer("ping", "pong");
    });
    expect(end).toBeUndefined();
  });

  test("on that network a hung server is given up after four round trips", () => {
    beginOwing(700);
    const tookMs = passUntilEnd(20_000);
    expect(tookMs).toBeGreaterThanOrEqual(2_800);
    expect(tookMs).toBeLessThanOrEqual(2_800 + checkIntervalMs);
  });
});

describe("a machine that sleeps", () => {
  test("the server is asked before it is given up", () => {
    beginOwing(2);
    clock.nowMs += 60_000;
    session.check();
    clock.runSoon();
    expect(end).toBeUndefined();
    answer("ping", "pong");
    passUntilEnd(600);
    expect(end).toBeUndefined();
  });

  test("a page whose timers are always late finds out that its server hangs", () => {
    beginOwing(2);
    for (let seconds = 0; seconds < 2; seconds++) {
      clock.nowMs += 1_000;
      session.check();
      clock.runSoon();
    }
    expect(end).toBe("broken");
  });

  test("such a page keeps a server that gives signs of life", () => {
    beginOwing(2);
    for (let seconds = 0; seconds < 20; seconds++) {
      clock.nowMs += 1_000;
      session.check();
      clock.runSoon();
      answer("ping", "pong");
    }
    expect(end).toBeUndefined();
  });
});
