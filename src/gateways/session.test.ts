// The session stream over WebSocket: hello, replies, live events, resuming, the end of log-in
// sessions and of servers. What clients do wrong is in session.misuse.test.ts.
import { afterEach, describe, expect, it } from "vitest";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import {
  byId,
  byName,
  codeOf,
  enterSession,
  numberedBodies,
  sayElsewhere,
  startServer,
  type TestServer,
} from "./harness.contract.ts";
import type { GatewayLimits } from "./limits.ts";

const { UNAUTHENTICATED, UNKNOWN_CURSOR, UNAVAILABLE } = RejectionCode;

let server: TestServer;
afterEach(() => server.close());

async function start(limits: Partial<GatewayLimits> = {}): Promise<TestServer> {
  server = await startServer(limits);
  return server;
}

describe("a session (K4)", () => {
  it("welcomes with who one is, where the servers are, and where to resume", async () => {
    await start();
    const token = await server.enter("ada");
    const client = await server.connect();
    const { body } = await client.hello(token);
    expect(body.value).toMatchObject({
      person: { username: "ada" },
      recovered: true,
      addresses: ["http://127.0.0.1:4801", "http://127.0.0.1:4802"],
      serverId: 1,
    });
    expect(decodeCursor(client.cursor)).toEqual({
      clusterId: server.replica.clusterId(),
      position: server.replica.appliedPosition(),
    });
  });

  it("takes the token from the authorization header as well", async () => {
    await start();
    const authorization = `Bearer ${await server.enter("ada")}`;
    const client = await server.connect({ headers: { authorization } });
    expect((await client.hello("")).body.case).toBe("welcome");
  });

  it("answers every kind of request", async () => {
    await start();
    const client = await enterSession(server, await server.enter("ada"));
    const answers = [
      await client.ask({ case: "createRoom", value: { name: "deck" } }),
      await client.ask({ case: "joinRoom", value: { room: byName("deck") } }),
      await client.ask({ case: "sendMessage", value: { room: byName("deck"), body: "x" } }),
      await client.ask({ case: "readTimeline", value: { room: byName("deck") } }),
      await client.ask({ case: "listRooms", value: {} }),
      await client.ask({ case: "listPeople", value: {} }),
      await client.ask({ case: "leaveRoom", value: { room: byName("deck") } }),
      await client.ask({ case: "ping", value: {} }),
    ];
    expect(answers.map(({ body }) => body.case)).toEqual([
      "createRoom",
      "joinRoom",
      "sendMessage",
      "readTimeline",
      "listRooms",
      "listPeople",
      "leaveRoom",
      "pong",
    ]);
  });

  it("serves requests that come behind the hello without waiting for the welcome", async () => {
    await start();
    const token = await server.enter("ada");
    const client = await server.connect();
    client.send(
      { requestId: 1, body: { case: "hello", value: { token, subscribe: true } } },
      { requestId: 2, body: { case: "sendMessage", value: { room: byName("@ada"), body: "a" } } },
    );
    client.send({ requestId: 3, body: { case: "ping", value: {} } });
    await client.until(() => client.replies.length === 3 && client.events.length === 1);
    expect(client.replies[0]?.requestId).toBe(1);
  });

  it("delivers to everyone in the room, and to nobody else (S7)", async () => {
    await start();
    const [ada, bob, eve] = [
      await enterSession(server, await server.enter("ada")),
      await enterSession(server, await server.enter("bob")),
      await enterSession(server, await server.enter("eve")),
    ];
    await bob.ask({ case: "joinRoom", value: { room: byName("@ada") } });
    await ada.ask({ case: "sendMessage", value: { room: byName("@ada"), body: "hello" } });
    await bob.until(() => bob.bodies().length === 1);
    await eve.ask({ case: "ping", value: {} });
    expect([ada.bodies(), bob.bodies(), eve.bodies()]).toEqual([["hello"], ["hello"], []]);
    await bob.ask({ case: "leaveRoom", value: { room: byName("@ada") } });
    await ada.ask({ case: "sendMessage", value: { room: byName("@ada"), body: "again" } });
    await bob.ask({ case: "ping", value: {} });
    expect([ada.bodies(), bob.bodies()]).toEqual([["hello", "again"], ["hello"]]);
  });

  it("joins what happens in one turn into one frame", async () => {
    await start();
    const client = await enterSession(server, await server.enter("ada"));
    const frames = client.frames;
    sayElsewhere(server, { roomId: 1, bodies: numberedBodies(0, 100) });
    await client.until(() => client.events.length === 100);
    expect(client.frames - frames).toBe(1);
  });

  it("splits what is too much for one frame, each part ending with its own cursor", async () => {
    await start({ frameBytesTarget: 4_000 });
    const client = await enterSession(server, await server.enter("ada"));
    const cursors: string[] = [];
    client.socket.on("message", () => cursors.push(Buffer.from(client.cursor).toString("hex")));
    sayElsewhere(server, { roomId: 1, bodies: numberedBodies(0, 200) });
    await client.until(() => client.events.length === 200);
    expect(cursors.length).toBeGreaterThanOrEqual(3);
    expect(new Set(cursors).size).toBe(cursors.length);
    expect(client.bodies()).toEqual(numberedBodies(0, 200));
  });

  it("sends no events to a stream that does not subscribe", async () => {
    await start();
    const token = await server.enter("ada");
    const client = await server.connect();
    await client.hello(token, { subscribe: false });
    expect((await client.say(1, "x")).body.case).toBe("sendMessage");
    await client.ask({ case: "ping", value: {} });
    expect([client.events, client.cursor.length]).toEqual([[], 0]);
  });

  it("keeps the order of writes, also behind one that must be looked up", async () => {
    await start();
    const client = await enterSession(server, await server.enter("ada"));
    const create = { case: "createRoom", value: { name: "deck" } } as const;
    server.replica.elsewhere.push({
      id: new Uint8Array(16).fill(9),
      userId: 1,
      sessionId: 1,
      body: create,
    });
    const send = (room: ReturnType<typeof byId> | ReturnType<typeof byName>, body: string) =>
      ({ case: "sendMessage", value: { room, body } }) as const;
    client.send(
      { requestId: 11, body: send(byName("deck"), "first") },
      { requestId: 12, body: send(byId(1), "second") },
      { requestId: 13, body: send(byName("deck"), "third") },
    );
    await client.until(() => client.bodies().length === 3);
    expect(client.bodies()).toEqual(["first", "second", "third"]);
  });
});

describe("resuming (C5)", () => {
  it("replays what was missed, once and in order, then goes live", async () => {
    await start({ replayPageEvents: 10 });
    const token = await server.enter("ada");
    const before = await enterSession(server, token);
    await before.say(1, "seen");
    await before.until(() => before.events.length === 1);
    before.socket.close();
    await before.closed;
    sayElsewhere(server, { roomId: 1, bodies: numberedBodies(0, 55) });
    const after = await enterSession(server, token, before.cursor);
    await after.say(1, "live");
    await after.until(() => after.bodies().includes("live"));
    expect(after.bodies()).toEqual([...numberedBodies(0, 55), "live"]);
    expect(after.replies[0]?.body.value).toMatchObject({ recovered: true });
  });

  it("neither loses nor doubles anything while others write all the time", async () => {
    await start({ replayPageEvents: 7, frameBytesTarget: 2_000 });
    const token = await server.enter("ada");
    let cursor = (await enterSession(server, token)).cursor;
    const seen: string[] = [];
    let written = 0;
    let isWriting = true;
    const write = () => {
      if (!isWriting) return;
      sayElsewhere(server, { roomId: 1, bodies: numberedBodies(written, written + 3) });
      written += 3;
      setImmediate(write);
    };
    write();
    // Comes back again and again, leaves in the middle of a replay or of live events, and keeps
    // only whole frames.
    for (let round = 0; round < 25; round++) {
      const client = await server.connect();
      await client.hello(token, { cursor });
      const wanted = round % 5;
      const frames = client.frames;
      await client.until(() => client.frames >= frames + wanted);
      client.socket.terminate();
      seen.push(...client.bodies());
      cursor = client.cursor;
    }
    isWriting = false;
    const last = await enterSession(server, token, cursor);
    await last.until(() => seen.length + last.events.length >= written);
    seen.push(...last.bodies());
    expect(seen).toEqual(numberedBodies(0, written));
  });

  it("says recovered = false where too much was missed, and goes live from now", async () => {
    await start({ replayEventsTotalMax: 20, replayPageEvents: 8 });
    const token = await server.enter("ada");
    const { cursor } = await enterSession(server, token);
    sayElsewhere(server, { roomId: 1, bodies: numberedBodies(0, 21) });
    const client = await server.connect();
    const reply = await client.hello(token, { cursor });
    expect(reply.body.value).toMatchObject({ recovered: false });
    await client.say(1, "live");
    await client.until(() => client.events.length > 0);
    expect(client.bodies()).toEqual(["live"]);
  });

  it("lets all come back when more come than may replay at once", async () => {
    await start({ replaysMax: 1 });
    const token = await server.enter("ada");
    const { cursor } = await enterSession(server, token);
    sayElsewhere(server, { roomId: 1, bodies: numberedBodies(0, 30) });
    const clients = await Promise.all(
      [1, 2, 3, 4, 5].map(() => enterSession(server, token, cursor)),
    );
    for (const client of clients) {
      await client.until(() => client.events.length === 30);
      expect(client.bodies()).toEqual(numberedBodies(0, 30));
    }
  });

  it("refuses cursors of other clusters, of other forms, and from the future", async () => {
    await start();
    const token = await server.enter("ada");
    const clusterId = server.replica.clusterId();
    const future = server.replica.appliedPosition() + 1;
    const cursors = [
      encodeCursor({ clusterId: "0123456789abcdef", position: 1 }),
      encodeCursor({ clusterId, position: future }),
      new Uint8Array(16).fill(0xff),
      new Uint8Array([1, 2, 3]),
    ];
    for (const cursor of cursors) {
      const client = await server.connect();
      expect(codeOf(await client.hello(token, { cursor }))).toBe(UNKNOWN_CURSOR);
      expect((await client.closed).code).toBe(1008);
    }
  });

  it("sends clients elsewhere whose cursor is ahead where nobody leads", async () => {
    await start({ readWaitMs: 10 });
    const token = await server.enter("ada");
    server.replica.hasLeader = false;
    const position = server.replica.appliedPosition() + 1;
    const client = await server.connect();
    const cursor = encodeCursor({ clusterId: server.replica.clusterId(), position });
    expect(codeOf(await client.hello(token, { cursor }))).toBe(UNAVAILABLE);
    expect((await client.closed).code).toBe(1013);
  });

  it("waits for a server that is only a little behind the one that gave the cursor", async () => {
    await start();
    const token = await server.enter("ada");
    const position = server.replica.appliedPosition() + 1;
    server.replica.elsewhere.push({ id: new Uint8Array(16).fill(3), body: { case: undefined } });
    await enterSession(
      server,
      token,
      encodeCursor({ clusterId: server.replica.clusterId(), position }),
    );
  });
});

describe("ended sessions (C1, S3)", () => {
  it("end the streams that came through them, and no others", async () => {
    await start();
    const [first, second] = [await server.enter("ada"), await server.enter("ada")];
    const [a, b] = [await enterSession(server, first), await enterSession(server, second)];
    const quiet = await server.connect();
    await quiet.hello(first, { subscribe: false });
    await server.call("LogOut", {}, first);
    expect((await a.closed).code).toBe(1008);
    expect((await quiet.closed).code).toBe(1008);
    expect(a.goodbyes).toMatchObject([{ code: UNAUTHENTICATED, retryAfterMs: 0 }]);
    expect((await b.ask({ case: "ping", value: {} })).body.case).toBe("pong");
    const late = await server.connect();
    expect(codeOf(await late.hello(first))).toBe(UNAUTHENTICATED);
  });

  it("end while their stream replays", async () => {
    await start({ replayPageEvents: 1 });
    const token = await server.enter("ada");
    const { cursor } = await enterSession(server, token);
    sayElsewhere(server, { roomId: 1, bodies: numberedBodies(0, 500) });
    const client = await server.connect();
    const reply = client.hello(token, { cursor });
    await server.call("LogOut", {}, token);
    expect((await client.closed).code).toBe(1008);
    expect(client.goodbyes).toMatchObject([{ code: UNAUTHENTICATED }]);
    void reply;
  });
});

describe("a change of servers (R2)", () => {
  it("is told to every session", async () => {
    await start({ serversPollMs: 5 });
    const client = await enterSession(server, await server.enter("ada"));
    const quiet = await server.connect();
    await quiet.hello(await server.enter("bob"), { subscribe: false });
    const addresses = [...server.replica.addresses, "http://127.0.0.1:4803"];
    server.replica.addresses = addresses;
    const expected = { case: "servers", value: { addresses } };
    for (const one of [client, quiet]) {
      await one.until(() => one.notices.length > 0);
      expect(one.notices[0]?.body).toMatchObject(expected);
    }
  });
});

describe("a server that stops (R9)", () => {
  it("says goodbye to the idle at once, and to others after their answers", async () => {
    await start();
    const token = await server.enter("ada");
    const [idle, busy] = [await enterSession(server, token), await enterSession(server, token)];
    server.replica.holdsAnswers = true;
    const proposals = server.replica.proposals;
    const reply = busy.say(1, "x");
    await expect.poll(() => server.replica.proposals).toBe(proposals + 1);
    const closing = server.gateway.close({ graceMs: 5_000 });
    expect((await idle.closed).code).toBe(1001);
    expect(idle.goodbyes).toMatchObject([{ code: UNAVAILABLE }]);
    const servers = { case: "servers", value: { addresses: ["http://127.0.0.1:4802"] } };
    expect(idle.notices.map(({ body }) => body)).toMatchObject([servers, { case: "goodbye" }]);
    expect(codeOf(await busy.ask({ case: "ping", value: {} }))).toBe(UNAVAILABLE);
    server.replica.answerHeld();
    expect((await reply).body.case).toBe("sendMessage");
    expect((await busy.closed).code).toBe(1001);
    await closing;
  });

  it("says goodbye to all before the grace is over, and leaves nothing unanswered", async () => {
    await start();
    const client = await enterSession(server, await server.enter("ada"));
    server.replica.holdsAnswers = true;
    const replies = [client.say(1, "x"), client.say(1, "y")];
    await expect.poll(() => server.replica.proposals).toBe(4);
    await server.gateway.close({ graceMs: 200 });
    expect((await client.closed).code).toBe(1001);
    expect((await Promise.all(replies)).map(codeOf)).toEqual([UNAVAILABLE, UNAVAILABLE]);
    // Too late for this client, which asks elsewhere.
    server.replica.answerHeld();
    expect(client.replies).toHaveLength(3);
  });
});
