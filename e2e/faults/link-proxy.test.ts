// The proxy makes the faults that it claims to make: bytes are late, held or cut off, each
// direction by itself, and never lost or reordered otherwise.
import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../../src/testing/index.ts";
import { type LinkProxy, listenLinkProxy } from "./link-proxy.ts";

const host = "127.0.0.1";
let server: Server;
let proxy: LinkProxy;
/** What arrived at the target, and the target's sockets, in the order of the connections. */
let received: string[];
let accepted: Socket[];
let callers: Socket[];

beforeEach(async () => {
  received = [];
  accepted = [];
  callers = [];
  server = createServer((socket) => {
    const at = accepted.push(socket) - 1;
    received[at] = "";
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      received[at] += bytes.toString();
    });
  });
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  proxy = await listenLinkProxy({ listenHost: host, targetHost: host, targetPort: address.port });
});

afterEach(async () => {
  for (const socket of [...callers, ...accepted]) socket.destroy();
  await proxy.close();
  await new Promise((resolve) => server.close(resolve));
});

/** A connection through the proxy, and what comes back on it. */
function call(): { socket: Socket; heard: () => string; hasEnded: () => boolean } {
  const socket = createConnection({ host, port: proxy.port });
  let heard = "";
  let ended = false;
  socket.on("data", (bytes) => {
    heard += bytes.toString();
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    ended = true;
  });
  callers.push(socket);
  return { socket, heard: () => heard, hasEnded: () => ended };
}

/** Sends a word both ways and waits until both have arrived. */
async function expectOpen({ socket, heard }: ReturnType<typeof call>, at = 0): Promise<void> {
  socket.write("ping");
  await eventually("ping", () => received[at]?.endsWith("ping"));
  accepted[at]!.write("pong");
  await eventually("pong", () => heard().endsWith("pong"));
}

test("passes bytes both ways and the end of either side", async () => {
  const caller = call();
  await expectOpen(caller);
  accepted[0]!.end("bye");
  await eventually("the end", () => caller.heard().endsWith("bye") && caller.hasEnded());
  await eventually("no connection", () => proxy.connections === 0);
});

test("holds one direction and lets the other pass; afterwards all arrives in order", async () => {
  const caller = call();
  await expectOpen(caller);
  proxy.impose("stall", { direction: "forward", isHeld: true });
  for (let i = 0; i < 100; i++) caller.socket.write(`${i},`);
  accepted[0]!.write("still here");
  await eventually("the other direction", () => caller.heard().endsWith("still here"));
  expect(received[0]).toBe("ping");
  proxy.lift("stall");
  const all = Array.from({ length: 100 }, (_, i) => `${i},`).join("");
  await eventually("what was held", () => received[0] === `ping${all}`);
});

test("a held direction holds connections and their ends, too", async () => {
  const caller = call();
  await expectOpen(caller);
  proxy.impose("cut", { direction: "both", isHeld: true });
  const late = call();
  await once(late.socket, "connect");
  late.socket.write("hello");
  accepted[0]!.resetAndDestroy();
  await once(accepted[0]!, "close");
  expect(accepted).toHaveLength(1);
  expect(caller.hasEnded()).toBe(false);
  proxy.lift("cut");
  await eventually("the late connection", () => received[1] === "hello");
  await eventually("the reset", () => caller.hasEnded());
});

test("two faults on one link: it is open when both are over", async () => {
  const caller = call();
  await expectOpen(caller);
  proxy.impose("a", { direction: "forward", isHeld: true });
  proxy.impose("b", { direction: "both", isHeld: true });
  caller.socket.write("x");
  proxy.lift("a");
  const other = call();
  await once(other.socket, "connect");
  expect(received[0]).toBe("ping");
  proxy.lift("b");
  await eventually("what was held", () => received[0] === "pingx");
});

test("delays what passes by at least what it was told, in order", async () => {
  const caller = call();
  await expectOpen(caller);
  proxy.impose("delay", { direction: "forward", delayMs: 50, jitterMs: 20 });
  const startMs = performance.now();
  caller.socket.write("1");
  await eventually("the first", () => received[0] === "ping1");
  // Timers of Node may be early by less than a millisecond.
  expect(performance.now() - startMs).toBeGreaterThan(49);
  for (let i = 2; i < 10; i++) caller.socket.write(String(i));
  await eventually("the rest", () => received[0] === "ping123456789");
});

test("resets every connection on both sides, and counts them", async () => {
  const first = call();
  const second = call();
  await expectOpen(first, 0);
  await eventually("the second", () => proxy.connections === 2);
  expect(proxy.reset()).toBe(2);
  await eventually("both ends", () => first.hasEnded() && second.hasEnded());
  await eventually("the target's side", () => accepted[0]!.destroyed);
  expect(proxy.reset()).toBe(0);
});

test("a target that refuses is a connection that breaks", async () => {
  await new Promise((resolve) => server.close(resolve));
  const caller = call();
  await eventually("the end", () => caller.hasEnded());
});

test("stops reading what it cannot pass on", async () => {
  const caller = call();
  await expectOpen(caller);
  proxy.impose("stall", { direction: "forward", isHeld: true });
  const bytes = Buffer.alloc(64 * 1024 * 1024);
  caller.socket.write(bytes);
  await eventually("some of it to be taken", () => caller.socket.bytesWritten > 0);
  expect(caller.socket.writableLength).toBeGreaterThan(32 * 1024 * 1024);
  proxy.lift("stall");
  await eventually("all of it", () => received[0]?.length === bytes.length + 4, {
    timeoutMs: 20_000,
  });
});
