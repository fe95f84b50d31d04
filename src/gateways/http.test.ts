// The port and plain HTTP: two protocols side by side, health, clear answers to what is not there,
// limits.

import { Agent, request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  createTestGateway,
  FakeReplica,
  startServer,
  type TestServer,
} from "./harness.contract.ts";
import type { GatewayLimits } from "./limits.ts";
import { ListenError } from "./port.ts";

let server: TestServer;
afterEach(() => server.close());

async function start(limits: Partial<GatewayLimits> = {}): Promise<TestServer> {
  server = await startServer(limits);
  return server;
}

/** Writes bytes to the port and answers everything that comes back until it closes. */
function exchange(bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, server.host);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
    socket.write(bytes);
  });
}

/** One request over a new HTTP/2 connection. */
async function getByHttp2(path: string): Promise<{ status: unknown; body: string }> {
  const session = connectHttp2(server.url);
  const stream = session.request({ ":path": path });
  let status: unknown;
  let body = "";
  stream.on("response", (headers) => {
    status = headers[":status"];
  });
  for await (const chunk of stream) body += chunk;
  session.close();
  return { status, body };
}

describe("health and index", () => {
  it("says that the process is up at /livez, over HTTP/1.1 and HTTP/2", async () => {
    await start();
    const response = await fetch(`${server.url}/livez`);
    expect([response.status, await response.json()]).toEqual([200, { live: true }]);
    expect(await getByHttp2("/livez")).toEqual({ status: 200, body: '{"live":true}\n' });
  });

  it("answers /readyz with 503 and the reason while the replica is not ready (O4)", async () => {
    await start();
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    server.replica.readyReason = "3 entries behind";
    const response = await fetch(`${server.url}/readyz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ ready: false, reason: "3 entries behind" });
  });

  it("tells at / what it is, and on unknown paths where to look", async () => {
    await start();
    expect(await (await fetch(server.url)).text()).toContain("Holdfast");
    const response = await fetch(`${server.url}/nope/%0a`);
    expect(response.status).toBe(404);
    expect(await response.text()).toBe("Nothing is at /nope/%0a. See / for what there is.\n");
  });

  it("refuses other methods with 405, and a plain GET of /session with 426", async () => {
    await start();
    expect((await fetch(`${server.url}/livez`, { method: "DELETE" })).status).toBe(405);
    expect((await fetch(`${server.url}/session`)).status).toBe(426);
  });
});

describe("one port for HTTP/1.1 and HTTP/2", () => {
  it("keeps an HTTP/1.1 connection for the next request", async () => {
    await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const get = () =>
      new Promise<boolean>((resolve, reject) => {
        const request = httpRequest(`${server.url}/livez`, { agent }, (response) => {
          response.resume();
          response.on("end", () => setImmediate(() => resolve(request.reusedSocket)));
        });
        request.on("error", reject);
        request.end();
      });
    expect([await get(), await get(), await get()]).toEqual([false, true, true]);
    agent.destroy();
  });

  it("tells the protocols apart when the first bytes come one by one", async () => {
    await start();
    const preface = Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
    ]);
    const firstReply = (bytes: Buffer) =>
      new Promise<Buffer>((resolve) => {
        const socket = connect(server.port, server.host);
        socket.setNoDelay(true);
        socket.once("data", (data) => {
          socket.destroy();
          resolve(Buffer.from(data));
        });
        let next = 0;
        const writeNext = () => {
          if (next === bytes.length || socket.destroyed) return;
          socket.write(bytes.subarray(next, next + 1), () => setImmediate(writeNext));
          next += 1;
        };
        writeNext();
      });
    const settingsFrameType = 4;
    expect((await firstReply(preface))[3]).toBe(settingsFrameType);
    const answer = await firstReply(Buffer.from("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"));
    expect(answer.toString()).toMatch(/^HTTP\/1.1 200/);
  });

  it("answers bytes that are no HTTP with 400, and goes on serving (S6)", async () => {
    await start();
    expect(await exchange("\x16\x03\x01 hello\r\n\r\n")).toMatch(/^HTTP\/1.1 400/);
    expect(await exchange("PRX * HTTP/2.0\r\n\r\n")).toMatch(/^HTTP\/1.1 400/);
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  });

  it("survives requests that name no host or an unusable path (S6)", async () => {
    await start();
    const path = "/chat.v1.ChatService/ListServers";
    const body = "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    expect(await exchange(`POST ${path} HTTP/1.0\r\n${body}`)).toMatch(/^HTTP\/1.1 400/);
    expect(
      await exchange(`POST ${path} HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n${body}`),
    ).toMatch(/^HTTP\/1.1 400/);
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  });
});

describe("limits of connections (S6)", () => {
  it("cuts a connection that says nothing", async () => {
    await start({ firstByteTimeoutMs: 30 });
    expect(await exchange("")).toBe("");
    expect(await exchange("P")).toBe("");
  });

  it("answers 408 to headers that never end", async () => {
    await start({ headersTimeoutMs: 30, requestTimeoutMs: 30 });
    expect(await exchange("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")).toMatch(/^HTTP\/1.1 408/);
  });

  it("answers 431 to headers over the limit", async () => {
    await start({ headerBytesMax: 1_000 });
    const text = `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(2_000)}\r\n\r\n`;
    expect(await exchange(text)).toMatch(/^HTTP\/1.1 431/);
  });

  it("ends an HTTP/2 stream whose body never ends", async () => {
    await start({ requestTimeoutMs: 30 });
    const session = connectHttp2(server.url);
    const stream = session.request({
      ":path": "/chat.v1.ChatService/Register",
      ":method": "POST",
      "content-type": "application/proto",
    });
    stream.write("x");
    stream.on("error", () => {});
    await new Promise((resolve) => stream.once("close", resolve));
    session.close();
  });

  it("closes an HTTP/2 connection on which nothing is asked", async () => {
    await start({ idleTimeoutMs: 30 });
    const session = connectHttp2(server.url);
    await new Promise((resolve) => session.once("close", resolve));
  });

  it("answers connections over the limit with 503, and takes new ones later", async () => {
    await start({ connectionsMax: 1 });
    const first = connect(server.port, server.host);
    await new Promise((resolve) => first.once("connect", resolve));
    first.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => first.once("data", resolve));
    expect(await exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n")).toMatch(/^HTTP\/1.1 503/);
    first.destroy();
    await expect.poll(async () => (await fetch(`${server.url}/livez`)).status).toBe(200);
  });
});

describe("opening and closing the port", () => {
  it("names the address and what to change when the port is in use", async () => {
    await start();
    const { host, port } = server;
    const other = createTestGateway(new FakeReplica());
    const failure = await other.listen({ host, port }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ListenError);
    expect((failure as ListenError).code).toBe("EADDRINUSE");
    expect((failure as ListenError).message).toBe(
      `The client port 127.0.0.1:${port} cannot be opened: another program is using it. Stop ` +
        "that program, or give this server another client address.",
    );
    await other.close({ graceMs: 0 });
  });

  it("lets calls under way end, is not ready meanwhile, and takes no new connections", async () => {
    await start();
    const token = await server.enter("ada");
    server.replica.holdsAnswers = true;
    const proposals = server.replica.proposals;
    const call = server.call("CreateRoom", { name: "deck" }, token);
    await expect.poll(() => server.replica.proposals).toBe(proposals + 1);
    const closing = server.gateway.close({ graceMs: 5_000 });
    await expect(exchange("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")).rejects.toThrow();
    server.replica.answerHeld();
    const { body, headers } = await call;
    expect([body["room"].name, headers.get("connection")]).toEqual(["deck", "close"]);
    await closing;
  });

  it("answers UNAVAILABLE to what is unanswered near the end of the grace (R9)", async () => {
    await start();
    const token = await server.enter("ada");
    server.replica.holdsAnswers = true;
    const call = server.call("CreateRoom", { name: "deck" }, token);
    await expect.poll(() => server.replica.proposals).toBeGreaterThan(2);
    const closing = server.gateway.close({ graceMs: 500 });
    const { status, headers } = await call;
    expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
    await closing;
  });

  it("cuts what is left when the grace is over", async () => {
    await start();
    const socket = connect(server.port, server.host);
    const path = "/chat.v1.ChatService/Register";
    const ended = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    const headers = "Host: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n";
    socket.write(`POST ${path} HTTP/1.1\r\n${headers}\r\n`);
    const taken = await new Promise((resolve) => socket.once("data", resolve));
    expect(String(taken)).toMatch(/^HTTP\/1.1 100/);
    await server.gateway.close({ graceMs: 50 });
    await ended;
  });

  it("sends clients of standing HTTP/1.1 connections elsewhere, with an answer (R9)", async () => {
    await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = () =>
      new Promise<{ status: number | undefined; connection: string | undefined }>(
        (resolve, reject) => {
          const path = "/chat.v1.ChatService/Register";
          const headers = { "content-type": "application/json" };
          const options = { agent, method: "POST", headers };
          const request = httpRequest(`${server.url}${path}`, options, (response) => {
            response.resume();
            const { connection } = response.headers;
            response.on("end", () => resolve({ status: response.statusCode, connection }));
          });
          request.on("error", reject);
          request.end('{"username":"ada","password":"correct horse"}');
        },
      );
    expect(await ask()).toEqual({ status: 200, connection: "keep-alive" });
    const closing = server.gateway.close({ graceMs: 5_000 });
    expect(await ask()).toEqual({ status: 503, connection: "close" });
    await closing;
    agent.destroy();
  });

  it("lets calls of an HTTP/2 connection end behind its GOAWAY (R9)", async () => {
    await start();
    const token = await server.enter("ada");
    server.replica.holdsAnswers = true;
    const session = connectHttp2(server.url);
    const goneAway = new Promise((resolve) => session.once("goaway", resolve));
    const stream = session.request({
      ":path": "/chat.v1.ChatService/CreateRoom",
      ":method": "POST",
      "content-type": "application/json",
      authorization: `Bearer ${token}`,
    });
    stream.end('{"name":"deck"}');
    const status = new Promise((resolve) =>
      stream.once("response", (headers) => resolve(headers[":status"])),
    );
    await expect.poll(() => server.replica.proposals).toBe(3);
    const closing = server.gateway.close({ graceMs: 5_000 });
    await goneAway;
    expect(session.closed).toBe(true);
    server.replica.answerHeld();
    expect(await status).toBe(200);
    stream.resume();
    await closing;
  });

  it("does not wait for connections on which nothing was ever said", async () => {
    await start();
    const socket = connect(server.port, server.host);
    await new Promise((resolve) => socket.once("connect", resolve));
    const ended = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    socket.resume();
    const beganMs = performance.now();
    await server.gateway.close({ graceMs: 60_000 });
    await ended;
    expect(performance.now() - beganMs).toBeLessThan(30_000);
  });
});
