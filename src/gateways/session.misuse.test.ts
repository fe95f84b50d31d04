// What clients do wrong on the session stream over WebSocket: each mistake gets a clear error and
// loses nothing for others. The rest of the session is in session.test.ts.
import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { afterEach, describe, expect, it } from "vitest";
import {
  ClientFrameSchema,
  ClientRequestSchema,
  RejectionCode,
} from "../proto/gen/chat/v1/api_pb.js";
import {
  byId,
  byName,
  codeOf,
  enterSession,
  numberedBodies,
  type SessionClient,
  sayElsewhere,
  startServer,
  type TestServer,
} from "./harness.contract.ts";
import type { GatewayLimits } from "./limits.ts";

const { INVALID_ARGUMENT, UNAUTHENTICATED, OVERLOADED, TOO_LARGE } = RejectionCode;

let server: TestServer;
afterEach(() => server.close());

async function start(limits: Partial<GatewayLimits> = {}): Promise<TestServer> {
  server = await startServer(limits);
  return server;
}

describe("what a client does wrong (S6)", () => {
  /** Opens a socket that has not said hello, and a neighbour who must not notice anything. */
  async function withNeighbour(misbehave: (client: SessionClient, token: string) => unknown) {
    const neighbour = await enterSession(server, await server.enter("neighbour"));
    const token = await server.enter("ada");
    const client = await server.connect();
    await misbehave(client, token);
    expect((await neighbour.say(1, "still here")).body.case).toBe("sendMessage");
    await neighbour.until(() => neighbour.bodies().length === 1);
    return client;
  }

  it("a request before the hello is refused, and the stream ends", async () => {
    await start();
    const client = await withNeighbour(async (client) => {
      const reply = await client.ask({ case: "ping", value: {} });
      expect(codeOf(reply)).toBe(UNAUTHENTICATED);
    });
    expect((await client.closed).code).toBe(1008);
    expect(client.goodbyes[0]?.code).toBe(UNAUTHENTICATED);
  });

  it("a second hello is refused, and the stream goes on", async () => {
    await start();
    await withNeighbour(async (client, token) => {
      await client.hello(token);
      expect(codeOf(await client.hello(token))).toBe(INVALID_ARGUMENT);
      expect((await client.ask({ case: "ping", value: {} })).body.case).toBe("pong");
    });
  });

  it("a hello with a wrong token is refused, and the stream ends", async () => {
    await start();
    const client = await withNeighbour(async (client) => {
      expect(codeOf(await client.hello("x.y.z"))).toBe(UNAUTHENTICATED);
    });
    expect((await client.closed).code).toBe(1008);
  });

  it("a request without an id ends the stream", async () => {
    await start();
    const client = await withNeighbour((client) =>
      client.send({ body: { case: "ping", value: {} } }),
    );
    expect((await client.closed).code).toBe(1008);
    expect(client.goodbyes[0]).toMatchObject({ code: INVALID_ARGUMENT });
  });

  it("an id that is used again before its answer ends the stream, not the write", async () => {
    await start();
    const client = await withNeighbour(async (client, token) => {
      await client.hello(token);
      const body = { case: "sendMessage", value: { room: byName("@ada"), body: "x" } } as const;
      client.send({ requestId: 7, body }, { requestId: 7, body });
      await client.closed;
    });
    expect(client.goodbyes[0]).toMatchObject({ code: INVALID_ARGUMENT });
    expect(client.goodbyes[0]?.message).toContain("request_id 7");
    expect(server.replica.chat.findRoom(2, { name: "@ada" })).toMatchObject({ lastNumber: 1 });
  });

  it("an id may be used again after its answer", async () => {
    await start();
    await withNeighbour(async (client, token) => {
      await client.hello(token);
      const ping = { case: "ping", value: {} } as const;
      for (let i = 0; i < 3; i++) expect((await client.ask(ping, 5)).body.case).toBe("pong");
    });
  });

  it("an unknown request is refused alone", async () => {
    await start();
    await withNeighbour(async (client, token) => {
      await client.hello(token);
      const reply = client.ask({ case: undefined });
      expect(codeOf(await reply)).toBe(INVALID_ARGUMENT);
      expect((await client.ask({ case: "ping", value: {} })).body.case).toBe("pong");
    });
  });

  it("a string that is not valid UTF-8 costs its request, not the whole frame", async () => {
    await start();
    await withNeighbour(async (client, token) => {
      await client.hello(token);
      const good = (requestId: number, body: string) => {
        const value = { room: byId(2), body };
        const request = { requestId, body: { case: "sendMessage", value } } as const;
        return toBinary(ClientRequestSchema, create(ClientRequestSchema, request));
      };
      const bad = Buffer.from(good(21, "??"));
      bad.set([0xc3, 0x28], bad.indexOf("??"));
      const frame = new BinaryWriter();
      for (const bytes of [good(20, "a"), bad, good(22, "b")]) frame.tag(1, 2).bytes(bytes);
      client.socket.send(frame.finish());
      await client.until(() => client.replies.length === 4);
      const codes = new Map(client.replies.map((reply) => [reply.requestId, codeOf(reply)]));
      expect([codes.get(20), codes.get(21), codes.get(22)]).toEqual([
        undefined,
        INVALID_ARGUMENT,
        undefined,
      ]);
      await client.until(() => client.bodies().length === 2);
      expect(client.bodies()).toEqual(["a", "b"]);
    });
  });

  it("bytes that are no frame end the stream", async () => {
    await start();
    const client = await withNeighbour((client) =>
      client.socket.send(new Uint8Array([0xff, 0xff])),
    );
    expect((await client.closed).code).toBe(1007);
    expect(client.goodbyes[0]).toMatchObject({ code: INVALID_ARGUMENT });
  });

  it("text ends the stream", async () => {
    await start();
    const client = await withNeighbour((client) => client.socket.send("hello"));
    expect((await client.closed).code).toBe(1003);
    expect(client.goodbyes[0]).toMatchObject({ code: INVALID_ARGUMENT });
  });

  it("a frame over the limit ends the stream; one at the limit is served", async () => {
    await start({ frameBytesMax: 20_000 });
    const padded = (bytes: number) => {
      const requests = [{ requestId: 9, body: { case: "ping", value: {} } }] as const;
      const frame = toBinary(
        ClientFrameSchema,
        create(ClientFrameSchema, { requests: [...requests] }),
      );
      const padding = new BinaryWriter().tag(15, 2).bytes(new Uint8Array(bytes - frame.length - 4));
      return Buffer.concat([frame, padding.finish()]);
    };
    const client = await withNeighbour(async (client, token) => {
      await client.hello(token);
      expect(padded(20_000).length).toBe(20_000);
      client.socket.send(padded(20_000));
      await client.until(() => client.replies.length === 2);
      client.socket.send(padded(20_001));
    });
    expect((await client.closed).code).toBe(1009);
    expect(client.goodbyes[0]).toMatchObject({ code: TOO_LARGE });
  });

  it("a broken WebSocket frame ends the stream", async () => {
    await start();
    await withNeighbour(async () => {
      const socket = connect(server.port, server.host);
      socket.write(
        "GET /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      );
      await new Promise((resolve) => socket.once("data", resolve));
      const chunks: Buffer[] = [];
      socket.on("data", (chunk) => chunks.push(Buffer.from(chunk)));
      // Not masked, which a client's frame must be.
      socket.write(new Uint8Array([0x82, 0x01, 0x00]));
      await expect
        .poll(() => {
          const bytes = Buffer.concat(chunks);
          const close = bytes.subarray(2 + (bytes[1] ?? 0));
          return [close[0], close.length < 4 ? 0 : close.readUInt16BE(2)];
        })
        .toEqual([0x88, 1002]);
      socket.destroy();
    });
  });

  it("an upgrade at another path is answered with 404, and a broken one with 400", async () => {
    await start();
    const status = (path: string, key: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(server.port, server.host);
        socket.once("data", (data) => resolve(String(data).split("\r\n", 1)[0] ?? ""));
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
            `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
        );
      });
    expect(await status("/nope", "dGhlIHNhbXBsZSBub25jZQ==")).toContain("404");
    expect(await status("/session", "x")).toContain("400");
  });

  it("saying nothing ends the stream after a while", async () => {
    await start({ helloTimeoutMs: 30 });
    const client = await server.connect();
    expect((await client.closed).code).toBe(1008);
    expect(client.goodbyes[0]).toMatchObject({ code: UNAUTHENTICATED });
  });

  it("more requests at once than allowed are refused, and the others served", async () => {
    await start({ requestsInFlightMax: 10 });
    const client = await enterSession(server, await server.enter("ada"));
    server.replica.holdsAnswers = true;
    const replies = numberedBodies(0, 15).map((body) => client.say(1, body));
    const refused = await Promise.all(replies.slice(10));
    expect(refused.map(codeOf)).toEqual(new Array(5).fill(OVERLOADED));
    const [first] = refused;
    expect(first?.body.value).toMatchObject({ retryAfterMs: 200 });
    server.replica.answerHeld();
    const served = await Promise.all(replies.slice(0, 10));
    expect(served.map(({ body }) => body.case)).toEqual(new Array(10).fill("sendMessage"));
  });

  it("a frame of more requests than may be open at once ends the stream", async () => {
    await start({ requestsInFlightMax: 10 });
    const client = await enterSession(server, await server.enter("ada"));
    const body = { case: "ping", value: {} } as const;
    client.send(...numberedBodies(0, 11).map((_, i) => ({ requestId: i + 10, body })));
    expect((await client.closed).code).toBe(1009);
    expect(client.goodbyes[0]).toMatchObject({ code: TOO_LARGE });
  });

  it("not reading gets a client cut off with a cursor that loses nothing", async () => {
    await start({
      sessionQueueBytesMax: 500_000,
      replayBytesMax: 100_000_000,
      lingerMs: 10_000,
    });
    const slowToken = await server.enter("ada");
    const reader = await enterSession(server, await server.enter("bob"));
    await reader.ask({ case: "joinRoom", value: { room: byName("@ada") } });
    const slow = await enterSession(server, slowToken);
    slow.socket.pause();
    // The system's own buffers take some 10 MB before anything waits in the server.
    const text = "x".repeat(16_000);
    const bodies = numberedBodies(0, 1_600).map((name) => name + text);
    for (let i = 0; i < bodies.length; i += 20) {
      sayElsewhere(server, { roomId: 1, bodies: bodies.slice(i, i + 20) });
      await reader.until(() => reader.bodies().length === i + 20);
    }
    slow.socket.resume();
    expect((await slow.closed).code).toBe(1013);
    expect(slow.goodbyes).toMatchObject([{ code: OVERLOADED, retryAfterMs: 200 }]);
    expect(slow.bodies().length).toBeLessThan(bodies.length);
    const again = await enterSession(server, slowToken, slow.cursor);
    await again.until(() => slow.bodies().length + again.bodies().length >= bodies.length);
    expect([...slow.bodies(), ...again.bodies()].join() === bodies.join()).toBe(true);
    expect(reader.goodbyes).toEqual([]);
  });

  it("not answering pings gets a client's socket closed", async () => {
    await start({ pingIntervalMs: 30 });
    const socket = connect(server.port, server.host);
    socket.write(
      "GET /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    socket.resume();
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("close", resolve));
  });
});
