// What clients see of island mode: held writes, held messages, notices, reads that do not wait, and
// log-ins that outlive the island.
import { afterEach, describe, expect, it } from "vitest";
import { RejectionCode, WriteStatus } from "../proto/gen/chat/v1/api_pb.js";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import {
  byName,
  codeOf,
  enterSession,
  type SessionClient,
  startServer,
  type TestServer,
} from "./harness.contract.ts";
import type { GatewayLimits } from "./limits.ts";

const { NEEDS_MAJORITY, UNAVAILABLE } = RejectionCode;

let server: TestServer;
afterEach(() => server.close());

async function start(limits: Partial<GatewayLimits> = {}): Promise<TestServer> {
  // Whoever waits for a leader here waits too long for the test.
  server = await startServer({ readWaitMs: 60_000, ...limits });
  return server;
}

/** The other servers are gone. */
function separate(): void {
  server.replica.hasLeader = false;
  server.replica.island.open();
}

/** Bodies of the held messages that came. */
function heldBodies(client: SessionClient): string[] {
  return client.events.flatMap(({ body }) => (body.case === "held" ? [body.value.body] : []));
}

function say(client: SessionClient, body: string, commandId = crypto.getRandomValues(id())) {
  return client.ask({ case: "sendMessage", value: { commandId, room: byName("@ada"), body } });
}

const id = (fill = 0) => new Uint8Array(16).fill(fill);
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

/** Status and rejection code of a refused call. */
async function refusal(method: string, body: object, token?: string) {
  const answer = await server.call(method, body, token);
  return [answer.status, answer.body["details"]?.[0]?.debug?.code];
}

const logInAda = { username: "ada", password: "correct horse" };

describe("writes on an island (R8)", () => {
  it("are held, with the number of disks and without a place", async () => {
    await start();
    const token = await server.enter("ada");
    const client = await enterSession(server, token);
    separate();
    server.replica.island.disks = 2;
    const { body } = await say(client, "x");
    expect(body).toMatchObject({
      case: "sendMessage",
      value: {
        receipt: { status: WriteStatus.HELD, position: 0n, disks: 2, repeated: false },
        roomId: 1,
        number: 0,
      },
    });
    const unary = await server.call("SendMessage", { room: { name: "@ada" }, body: "y" }, token);
    expect(unary.body).toEqual({
      receipt: { status: "WRITE_STATUS_HELD", disks: 2 },
      roomId: 1,
    });
  });

  it("of other kinds need a majority", async () => {
    await start();
    const token = await server.enter("ada");
    const client = await enterSession(server, token);
    separate();
    expect(codeOf(await client.ask({ case: "createRoom", value: { name: "deck" } }))).toBe(
      NEEDS_MAJORITY,
    );
    const needsMajority = [400, "REJECTION_CODE_NEEDS_MAJORITY"];
    expect(await refusal("CreateRoom", { name: "deck" }, token)).toEqual(needsMajority);
    expect(await refusal("LogOut", {}, token)).toEqual(needsMajority);
    const eve = { username: "eve", password: "correct horse" };
    expect(await refusal("Register", eve)).toEqual(needsMajority);
  });

  it("that were stored before get the answer that they got then", async () => {
    await start();
    const client = await enterSession(server, await server.enter("ada"));
    const first = await say(client, "x", id(5));
    separate();
    const { body } = await say(client, "x", id(5));
    expect(body.value).toMatchObject({ number: 1, receipt: { status: WriteStatus.STORED } });
    const position = (reply: typeof first) =>
      reply.body.case === "sendMessage" ? reply.body.value.receipt?.position : undefined;
    expect(position({ ...first, body })).toBe(position(first));
    expect(codeOf(await say(client, "other", id(5)))).toBe(RejectionCode.ID_REUSED);
  });
});

describe("what is held (R8, S7)", () => {
  it("is shown to the members of its room, and becomes an item when it is stored", async () => {
    await start();
    const ada = await enterSession(server, await server.enter("ada"));
    const eve = await enterSession(server, await server.enter("eve"));
    separate();
    await ada.ask({ case: "ping", value: {} });
    const { cursor } = ada;
    await say(ada, "held", id(6));
    await ada.until(() => heldBodies(ada).length === 1);
    const held = ada.events.find(({ body }) => body.case === "held");
    expect([held?.position, held?.body.value]).toMatchObject([
      0n,
      { roomId: 1, authorUsername: "ada", body: "held", commandId: Buffer.from(id(6)) },
    ]);
    expect(decodeCursor(ada.cursor)).toEqual(decodeCursor(cursor));
    server.replica.heal();
    await ada.until(() => ada.bodies().length === 1);
    const item = ada.events.find(({ body }) => body.case === "item")?.body.value;
    const commandId = Buffer.from(id(6));
    expect(item).toMatchObject({ number: 1, content: { value: "held" }, commandId });
    await eve.ask({ case: "ping", value: {} });
    expect(eve.events).toEqual([]);
  });

  it("comes once to who enters later, after what was missed", async () => {
    await start();
    const token = await server.enter("ada");
    const ada = await enterSession(server, token);
    const { cursor } = ada;
    await say(ada, "stored");
    separate();
    for (let i = 0; i < 300; i++) await say(ada, `h${i}`);
    const expected = Array.from({ length: 300 }, (_, i) => `h${i}`);
    const late = await enterSession(server, token, cursor);
    const fresh = await enterSession(server, token);
    await say(ada, "h300");
    for (const client of [late, fresh]) {
      await client.until(() => heldBodies(client).includes("h300"));
      expect(heldBodies(client)).toEqual([...expected, "h300"]);
    }
    expect(late.events[0]?.body.case).toBe("item");
    expect(fresh.bodies()).toEqual([]);
    const quiet = await server.connect();
    await quiet.hello(token, { subscribe: false });
    await quiet.ask({ case: "ping", value: {} });
    expect(quiet.events).toEqual([]);
  });

  it("stands on the newest page of its room, until it is an item", async () => {
    await start();
    const token = await server.enter("ada");
    const eve = await server.enter("eve");
    await server.call("SendMessage", { room: { name: "@ada" }, body: "stored" }, token);
    separate();
    const room = { name: "@ada" };
    for (const body of ["a", "b"]) await server.call("SendMessage", { room, body }, token);
    await server.call("SendMessage", { room: { name: "@eve" }, body: "elsewhere" }, eve);
    const read = async (ask: object = {}) => {
      const { body } = await server.call("ReadTimeline", { room, ...ask }, token);
      const bodies = (list: { body: string }[] = []) => list.map((one) => one.body);
      return [bodies(body["items"]), bodies(body["held"])];
    };
    expect(await read()).toEqual([["stored"], ["a", "b"]]);
    expect(await read({ beforeNumber: 2 })).toEqual([["stored"], []]);
    expect(await read({ afterNumber: 1 })).toEqual([[], []]);
    expect(await refusal("ReadTimeline", { room }, eve)).toContain("REJECTION_CODE_NOT_A_MEMBER");
    server.replica.heal();
    expect(await read()).toEqual([["stored", "a", "b"], []]);
  });

  it("that could not be merged stands there as set aside, for its author", async () => {
    await start();
    const [ada, eve] = [await server.enter("ada"), await server.enter("eve")];
    await server.call("CreateRoom", { name: "deck" }, ada);
    const room = { name: "deck" };
    await server.call("JoinRoom", { room }, eve);
    separate();
    await server.call("SendMessage", { room, body: "late" }, eve);
    // On the other side she has left.
    server.replica.applyNow([
      { id: id(3), userId: 2, sessionId: 2, body: { case: "leaveRoom", value: { roomId: 3 } } },
    ]);
    const session = await enterSession(server, ada);
    server.replica.heal();
    await session.until(() => session.events.some(({ body }) => body.case === "setAside"));
    const { body } = await server.call("ReadTimeline", { room }, ada);
    expect(body["setAside"]).toMatchObject([{ body: "late", authorUsername: "eve" }]);
    expect(body["held"]).toBeUndefined();
  });
});

describe("the mode (R8)", () => {
  it("is told at the welcome and when it changes", async () => {
    await start();
    const token = await server.enter("ada");
    const client = await enterSession(server, token);
    expect(client.replies[0]?.body.value).toMatchObject({ island: false });
    separate();
    await client.until(() => client.notices.length === 1);
    const late = await enterSession(server, token);
    expect(late.replies[0]?.body.value).toMatchObject({ island: true });
    server.replica.heal();
    await client.until(() => client.notices.length === 2);
    expect(client.notices.map(({ body }) => body.value)).toMatchObject([
      { open: true, servers: 1 },
      { open: false, servers: 0 },
    ]);
  });
});

describe("reads on an island (R6, R8)", () => {
  it("do not wait for what cannot come", async () => {
    await start({ positionWaitMs: 60_000 });
    const token = await server.enter("ada");
    separate();
    const atLeastPosition = String(server.replica.appliedPosition() + 4096);
    expect((await server.call("ListRooms", { atLeastPosition }, token)).status).toBe(200);
    // Whether there is such a room, only the others can say.
    const room = { name: "deck" };
    const unavailable = [503, "REJECTION_CODE_UNAVAILABLE"];
    expect(await refusal("ReadTimeline", { room }, token)).toEqual(unavailable);
    expect(await refusal("SendMessage", { room, body: "x" }, token)).toEqual(unavailable);
  });

  it("that wait when the island opens go on with what there is", async () => {
    await start({ positionWaitMs: 1_000 });
    const token = await server.enter("ada");
    const atLeastPosition = String(server.replica.appliedPosition() + 4096);
    const waits = server.replica.positionWaits;
    const waiting = server.call("ListRooms", { atLeastPosition }, token);
    await expect.poll(() => server.replica.positionWaits).toBe(waits + 1);
    separate();
    expect((await waiting).status).toBe(200);
  });

  it("take in clients that have seen more, which load anew", async () => {
    await start();
    const token = await server.enter("ada");
    separate();
    const clusterId = server.replica.clusterId();
    const position = server.replica.appliedPosition() + 4096;
    const client = await enterSession(server, token, encodeCursor({ clusterId, position }));
    expect(client.replies[0]?.body.value).toMatchObject({ recovered: false, island: true });
    await say(client, "x");
    await client.until(() => heldBodies(client).length === 1);
  });
});

describe("log-ins on an island (S3)", () => {
  it("give a token that writes, reads, and is an ordinary session when it is merged", async () => {
    await start();
    await server.enter("ada");
    separate();
    const { body } = await server.call("LogIn", logInAda);
    expect(body).toMatchObject({
      person: { username: "ada" },
      receipt: { status: "WRITE_STATUS_HELD", disks: 1 },
    });
    const token = body["token"];
    const client = await enterSession(server, token);
    expect((await say(client, "x")).body.value).toMatchObject({
      receipt: { status: WriteStatus.HELD },
    });
    expect((await server.call("ListRooms", {}, token)).status).toBe(200);
    server.replica.heal();
    await client.until(() => client.bodies().length === 1);
    expect((await say(client, "y")).body.value).toMatchObject({ number: 2 });
    const again = await enterSession(server, token);
    expect((await server.call("LogOut", {}, token)).status).toBe(200);
    expect((await client.closed).code).toBe(1008);
    expect((await again.closed).code).toBe(1008);
    expect(await refusal("ListRooms", {}, token)).toEqual([401, "REJECTION_CODE_UNAUTHENTICATED"]);
  });

  it("that are repeated are the same, also when the first one was stored", async () => {
    await start();
    await server.enter("ada");
    const request = { commandId: base64(id(8)), ...logInAda };
    const stored = await server.call("LogIn", { commandId: base64(id(7)), ...logInAda });
    separate();
    const first = await server.call("LogIn", request);
    const second = await server.call("LogIn", request);
    expect(server.replica.island.heldItems()).toHaveLength(1);
    const old = await server.call("LogIn", { commandId: base64(id(7)), ...logInAda });
    expect(old.body["receipt"]).toMatchObject({ status: "WRITE_STATUS_STORED", repeated: true });
    server.replica.heal();
    const third = await server.call("LogIn", request);
    expect(third.body["receipt"].repeated).toBe(true);
    await server.call("LogOut", {}, stored.body["token"]);
    for (const { body } of [first, second, third]) {
      expect((await server.call("ListRooms", {}, body["token"])).status).toBe(200);
    }
    await server.call("LogOut", {}, third.body["token"]);
    for (const { body } of [first, second, third]) {
      expect((await server.call("ListRooms", {}, body["token"])).status).toBe(401);
    }
  });

  it("that a majority refuses end the streams that came through them", async () => {
    await start();
    await server.enter("ada");
    separate();
    const token = (await server.call("LogIn", logInAda)).body["token"];
    const client = await enterSession(server, token);
    server.replica.island.close();
    server.replica.hasLeader = true;
    server.replica.island.dropItems();
    // Something that is refused: the hub looks again whose log-in is still held.
    server.replica.applyNow([{ id: id(9), body: { case: undefined } }]);
    expect((await client.closed).code).toBe(1008);
    expect(await refusal("ListRooms", {}, token)).toContain(401);
  });

  it("are never called ended on an island that does not have them", async () => {
    await start({ positionWaitMs: 30 });
    await server.enter("ada");
    separate();
    const token = (await server.call("LogIn", logInAda)).body["token"];
    server.replica.island.dropItems();
    expect(await refusal("ListRooms", {}, token)).toEqual([503, "REJECTION_CODE_UNAVAILABLE"]);
  });

  it("are waited for where they come late", async () => {
    await start({ positionWaitMs: 10_000 });
    await server.enter("ada");
    separate();
    const token = (await server.call("LogIn", logInAda)).body["token"];
    const [item] = server.replica.island.heldItems();
    server.replica.island.dropItems();
    const { chat } = server.replica;
    const lookUp = chat.sessionByIslandNonce.bind(chat);
    let lookUps = 0;
    chat.sessionByIslandNonce = (nonce) => {
      lookUps += 1;
      return lookUp(nonce);
    };
    const waiting = server.call("ListRooms", {}, token);
    await expect.poll(() => lookUps).toBeGreaterThan(2);
    server.replica.island.hold(item!.command);
    expect((await waiting).status).toBe(200);
  });

  it("let a command wait that reaches the log before them", async () => {
    await start();
    await server.enter("ada");
    separate();
    const token = (await server.call("LogIn", logInAda)).body["token"];
    const client = await enterSession(server, token);
    server.replica.hasLeader = true;
    server.replica.island.close();
    expect(codeOf(await say(client, "x", id(4)))).toBe(UNAVAILABLE);
    expect(await refusal("LogOut", { commandId: base64(id(5)) }, token)).toContain(503);
    server.replica.heal();
    expect((await say(client, "x", id(4))).body.value).toMatchObject({ number: 1 });
    expect((await server.call("LogOut", { commandId: base64(id(5)) }, token)).status).toBe(200);
  });

  it("check the password as this server knows it", async () => {
    await start();
    await server.enter("ada");
    separate();
    expect(await refusal("LogIn", { ...logInAda, password: "wrong wrong" })).toEqual([
      503,
      "REJECTION_CODE_UNAVAILABLE",
    ]);
    expect(server.replica.island.heldItems()).toEqual([]);
  });
});
