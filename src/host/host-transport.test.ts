// The transport between replicas over real sockets: who connects, what arrives, and what a break
// looks like.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { HelloVerdict, PeerAddress, TransportHandler } from "../io/transport.ts";
import { eventually } from "../testing/index.ts";
import { HostClock } from "./host-clock.ts";
import { createHostTransport, type HostTransport } from "./host-transport.ts";
import { PeerCall } from "./peer-call.ts";
import { defaultTransportLimits, type TransportLimits } from "./transport-limits.ts";

const clock = new HostClock();

/** What one test replica is and has seen. */
class TestReplica implements TransportHandler {
  readonly id: number;
  readonly cluster: string;
  readonly transport: HostTransport;
  readonly connected = new Set<number>();
  /** "connected 2", "disconnected 2", "hello", in their order. */
  readonly events: string[] = [];
  readonly frames: Uint8Array[] = [];
  readonly logged: string[] = [];
  /** What others said to its hello, where they said no. */
  readonly refusals: string[] = [];
  lastReason = "";
  address = "";

  constructor(
    id: number,
    options: { cluster?: string; port?: number; limits?: Partial<TransportLimits> },
  ) {
    this.id = id;
    this.cluster = options.cluster ?? "a";
    const log = (fields: object, text: string) => {
      this.logged.push(`${text} ${JSON.stringify(fields)}`);
    };
    this.transport = createHostTransport({
      host: "127.0.0.1",
      port: options.port ?? 0,
      clock,
      logger: { info: log, warn: log },
      limits: { reconnectMinMs: 5, reconnectMaxMs: 40, ...options.limits },
    });
  }

  hello(): Uint8Array {
    this.events.push("hello");
    return Buffer.from(JSON.stringify({ id: this.id, cluster: this.cluster }));
  }

  handleHello(hello: Uint8Array): HelloVerdict {
    const { id, cluster } = JSON.parse(Buffer.from(hello).toString());
    if (cluster === this.cluster) return { kind: "accepted", peerId: id };
    return { kind: "refused", reason: `cluster "${cluster}" is not "${this.cluster}"` };
  }

  handleRefused(peer: number, reason: string): void {
    this.refusals.push(`${peer}: ${reason}`);
  }

  handleConnected(peer: number): void {
    expect(this.connected.has(peer)).toBe(false);
    this.connected.add(peer);
    this.events.push(`connected ${peer}`);
  }

  handleDisconnected(peer: number, reason: string): void {
    expect(this.connected.delete(peer)).toBe(true);
    this.events.push(`disconnected ${peer}`);
    this.lastReason = reason;
  }

  handleFrame(peer: number, frame: Uint8Array): void {
    expect(this.connected.has(peer)).toBe(true);
    this.frames.push(frame);
  }

  count(event: string): number {
    return this.events.filter((each) => each === event).length;
  }

  has(line: string): boolean {
    return this.logged.some((each) => each.includes(line));
  }
}

async function listen(id: number, options: ConstructorParameters<typeof TestReplica>[1] = {}) {
  const replica = new TestReplica(id, options);
  onTestFinished(() => replica.transport.close());
  const { port } = await replica.transport.listen();
  replica.address = `127.0.0.1:${port}`;
  return replica;
}

function peer(peerId: number, address: string): PeerAddress {
  return { peerId, address };
}

/** Starts replicas as each other's peers. */
function start(...replicas: TestReplica[]): void {
  for (const replica of replicas) {
    const others = replicas.filter((other) => other !== replica);
    replica.transport.setPeers(others.map((other) => peer(other.id, other.address)));
    replica.transport.start(replica);
  }
}

function untilConnected(...replicas: TestReplica[]) {
  return eventually("all to be connected", () =>
    replicas.every((replica) => replica.connected.size === replicas.length - 1),
  );
}

async function connectedPair(options: ConstructorParameters<typeof TestReplica>[1] = {}) {
  const pair = [await listen(1, options), await listen(2, options)] as const;
  start(...pair);
  await untilConnected(...pair);
  return pair;
}

/** Calls a replica by hand, as replica `id`; `events` says what became of the call. */
function callAs(id: number, address: string, limits: Partial<TransportLimits> = {}) {
  const events: string[] = [];
  const hello = Buffer.from(JSON.stringify({ id, cluster: "a" }));
  const call = new PeerCall(
    { address, hello, clock, limits: { ...defaultTransportLimits, ...limits } },
    {
      handleAnswer: () => events.push("answered"),
      handleEnded: (end) => events.push(`${end.kind}: ${end.reason}`),
    },
  );
  onTestFinished(() => call.end());
  return { call, events };
}

/** A replica in a process of its own that sends back every frame. */
async function spawnReplica(options: { id: number; peer: PeerAddress }) {
  const code = `
    const module = "${new URL("host-transport.ts", import.meta.url)}";
    const { createHostTransport } = await import(module);
    const { HostClock } = await import("${new URL("host-clock.ts", import.meta.url)}");
    const clock = new HostClock();
    const logger = { info() {}, warn() {} };
    const limits = { reconnectMinMs: 5, reconnectMaxMs: 40 };
    const host = "127.0.0.1";
    const transport = createHostTransport({ host, port: 0, clock, logger, limits });
    const { port } = await transport.listen();
    transport.setPeers([${JSON.stringify(options.peer)}]);
    transport.start({
      hello: () => Buffer.from(JSON.stringify({ id: ${options.id}, cluster: "a" })),
      handleHello: (hello) => ({ kind: "accepted", peerId: JSON.parse(Buffer.from(hello)).id }),
      handleConnected() {},
      handleDisconnected() {},
      handleFrame: (peer, frame) => transport.send(peer, frame),
    });
    process.on("disconnect", () => process.exit());
    process.send(port);
  `;
  const child: ChildProcess = spawn(process.execPath, ["--input-type=module", "--eval", code], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [port] = await once(child, "message");
  return { child, address: `127.0.0.1:${port}` };
}

/** A TCP proxy that can stop to pass anything on, as a pulled cable does. */
async function proxyTo(address: string) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    const [host, port] = address.split(":");
    const onward = connect({ host, port: Number(port) });
    for (const each of [socket, onward]) {
      each.on("error", () => {});
      sockets.push(each);
    }
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(close);
  const freeze = () => {
    for (const socket of sockets) socket.unpipe().pause();
  };
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, freeze };
}

describe("replicas that know each other", () => {
  test("connect, and each is told once", async () => {
    const replicas = [await listen(1), await listen(2), await listen(3)];
    start(...replicas);
    await untilConnected(...replicas);
    for (const replica of replicas) {
      expect(replica.events.filter((event) => event.startsWith("disconnected"))).toEqual([]);
    }
  });

  test("receive frames of all sizes as they were sent, in order", async () => {
    const [one, two] = await connectedPair();
    const sizes = [0, 1, 200, 65_536, 3, 4 * 1024 * 1024, 70_000, 5];
    const sent = sizes.map((size, i) => new Uint8Array(size).fill(i + 1));
    for (const frame of sent) expect(one.transport.send(2, frame)).toBe(true);
    expect(two.transport.send(1, new Uint8Array([9]))).toBe(true);
    await eventually("all frames", () => two.frames.length === sent.length);
    expect(two.frames.every((frame, i) => Buffer.compare(frame, sent[i]!) === 0)).toBe(true);
    await eventually("the frame the other way", () => one.frames.length === 1);
  });

  test("receive many small frames in order, none twice", async () => {
    const [one, two] = await connectedPair();
    const count = 20_000;
    for (let i = 0; i < count; i += 1) {
      one.transport.send(2, new Uint8Array(new Uint32Array([i]).buffer));
    }
    await eventually("all frames", () => two.frames.length === count);
    const numbers = two.frames.map((frame) =>
      new DataView(frame.buffer, frame.byteOffset).getUint32(0, true),
    );
    expect(numbers.every((number, i) => number === i)).toBe(true);
  });

  test("own the frames that they receive: no frame keeps a larger buffer alive", async () => {
    const [one, two] = await connectedPair();
    for (let i = 0; i < 10; i += 1) one.transport.send(2, new Uint8Array(100));
    await eventually("all frames", () => two.frames.length === 10);
    for (const frame of two.frames) expect(frame.buffer.byteLength).toBeLessThan(200);
  });

  test("cannot be sent to before they are connected, nor when they are unknown", async () => {
    const one = await listen(1);
    one.transport.setPeers([peer(2, "127.0.0.1:1")]);
    one.transport.start(one);
    expect(one.transport.send(2, new Uint8Array(1))).toBe(false);
    expect(one.transport.send(3, new Uint8Array(1))).toBe(false);
  });
});

describe("a replica that does not belong", () => {
  test("of another cluster is refused; both sides log why, once", async () => {
    const one = await listen(1);
    const two = await listen(2, { cluster: "b" });
    start(one, two);
    await eventually("three attempts", () => two.count("hello") > 3);
    expect([one.connected.size, two.connected.size]).toEqual([0, 0]);
    expect(one.has('refused the call of a replica {"remoteAddress":"127.0.0.1","reason"')).toBe(
      true,
    );
    expect(two.has('peer refused the call {"peer":1')).toBe(true);
    expect(two.refusals[0]).toBe('1: cluster "b" is not "a"');
    expect(two.has('cluster \\"b\\" is not \\"a\\"')).toBe(true);
    expect(two.logged.filter((line) => line.startsWith("peer refused"))).toHaveLength(1);
  });

  test("answers at the address of another one and is not taken for it", async () => {
    const one = await listen(1);
    const three = await listen(3);
    one.transport.setPeers([peer(2, three.address)]);
    one.transport.start(one);
    three.transport.setPeers([peer(1, one.address)]);
    three.transport.start(three);
    await eventually("the complaint", () =>
      one.logged.some((line) =>
        /^refused the answer of peer .*replica 3 answers at the address of replica 2/.test(line),
      ),
    );
    await eventually("the refusal", () => three.has("replica 3 is not among the peers here"));
    expect([one.connected.size, three.connected.size]).toEqual([0, 0]);
  });

  test("is told to come back by one that has not started", async () => {
    const one = await listen(1);
    const { events } = callAs(2, one.address);
    await eventually("the end of the call", () => events.length === 1);
    expect(events).toEqual(["broken: starting"]);
  });
});

describe("a break", () => {
  test("by close is seen, and the peer is found again when it is back", async () => {
    const [one, two] = await connectedPair();
    await two.transport.close();
    await eventually("the break", () => one.count("disconnected 2") === 1);
    expect(one.transport.send(2, new Uint8Array(1))).toBe(false);
    const again = await listen(2, { port: Number(two.address.split(":")[1]) });
    again.address = two.address;
    again.transport.setPeers([peer(1, one.address)]);
    again.transport.start(again);
    await untilConnected(one, again);
    expect(two.count("disconnected 1")).toBe(0);
    one.transport.send(2, new Uint8Array(1));
    await eventually("a frame", () => again.frames.length === 1);
  });

  test("by SIGKILL of the peer's process is seen at once, without any timeout", async () => {
    const one = await listen(1, { limits: { pingIntervalMs: 60_000, pingTimeoutMs: 60_000 } });
    const { child, address } = await spawnReplica({ id: 2, peer: peer(1, one.address) });
    one.transport.setPeers([peer(2, address)]);
    one.transport.start(one);
    await eventually("the connection", () => one.connected.has(2));
    child.kill("SIGKILL");
    await eventually("the break", () => !one.connected.has(2));
  });

  test("by a pulled cable is seen by pings, and healed when it is back", async () => {
    const limits = { pingIntervalMs: 20, pingTimeoutMs: 100, helloDeadlineMs: 200 };
    const one = await listen(1, { limits });
    const two = await listen(2, { limits });
    const [toOne, toTwo] = [await proxyTo(one.address), await proxyTo(two.address)];
    one.transport.setPeers([peer(2, toTwo.address)]);
    two.transport.setPeers([peer(1, toOne.address)]);
    one.transport.start(one);
    two.transport.start(two);
    await untilConnected(one, two);
    toOne.freeze();
    toTwo.freeze();
    await eventually("the break on both sides", () =>
      [one.count("disconnected 2"), two.count("disconnected 1")].every((count) => count > 0),
    );
    expect(`${one.lastReason} ${two.lastReason}`).toContain("no answer to a ping within 100 ms");
    await untilConnected(one, two);
  });

  test("asked for by one side ends it for both, who then say hello again", async () => {
    const [one, two] = await connectedPair();
    const hellos = [one.count("hello"), two.count("hello")] as const;
    one.transport.disconnect(2, "formed");
    expect(one.events.at(-1)).toBe("connected 2");
    await eventually("the break on both sides", () =>
      [one.count("disconnected 2"), two.count("disconnected 1")].every((count) => count === 1),
    );
    expect(one.lastReason).toBe("formed");
    await untilConnected(one, two);
    expect(one.count("hello")).toBeGreaterThan(hellos[0]);
    expect(two.count("hello")).toBeGreaterThan(hellos[1]);
  });

  test("comes with a newer call of the same peer, which replaces the older", async () => {
    const one = await listen(1);
    one.transport.setPeers([peer(2, "127.0.0.1:1")]);
    one.transport.start(one);
    const older = callAs(2, one.address);
    await eventually("the answer", () => older.events.length === 1);
    const newer = callAs(2, one.address);
    await eventually(
      "the answer and the end",
      () => older.events.length + newer.events.length === 3,
    );
    expect(older.events).toEqual(["answered", "broken: replaced by a newer call"]);
    expect(newer.events).toEqual(["answered"]);
  });

  test("comes with setPeers for who is no longer a peer, and nobody else", async () => {
    const replicas = [await listen(1), await listen(2), await listen(3)] as const;
    const [one, two, three] = replicas;
    start(...replicas);
    await untilConnected(...replicas);
    one.transport.setPeers([peer(3, three.address)]);
    await eventually("the break", () => !one.connected.has(2) && !two.connected.has(1));
    await eventually("the refusal", () => two.has("replica 2 is not among the peers here"));
    expect([one.count("disconnected 3"), three.count("disconnected 1")]).toEqual([0, 0]);
    expect(one.transport.send(2, new Uint8Array(1))).toBe(false);
  });

  test("comes with setPeers for a peer that has moved, who is called at its new address", async () => {
    const [one, two] = await connectedPair();
    const moved = await proxyTo(two.address);
    one.transport.setPeers([peer(2, moved.address)]);
    await eventually("the break", () => one.count("disconnected 2") === 1);
    await untilConnected(one, two);
  });
});

describe("bounds", () => {
  test("a frame that is too large is not sent, and logged", async () => {
    const [one, two] = await connectedPair({ limits: { frameBytesMax: 1000 } });
    expect(one.transport.send(2, new Uint8Array(1001))).toBe(false);
    expect(one.has('frame is too large to be sent {"peer":2,"bytes":1001}')).toBe(true);
    expect(one.transport.send(2, new Uint8Array(1000))).toBe(true);
    await eventually("the frame that fits", () => two.frames.length === 1);
  });

  test("a frame that is too large ends the stream that it comes on", async () => {
    const one = await listen(1, { limits: { frameBytesMax: 1000 } });
    const two = await listen(2);
    start(one, two);
    await untilConnected(one, two);
    two.transport.send(1, new Uint8Array(2000));
    await eventually("the break", () => one.count("disconnected 2") === 1);
    expect(one.lastReason).toContain("frame is too large: 2003 bytes");
    await untilConnected(one, two);
    expect(one.frames).toEqual([]);
  });

  test("a peer that stands still makes no more than the bound wait, and recovers", async () => {
    const peerBufferBytesMax = 1024 * 1024;
    const limits = { peerBufferBytesMax, pingIntervalMs: 300, pingTimeoutMs: 500 };
    const one = await listen(1, { limits });
    const { child, address } = await spawnReplica({ id: 2, peer: peer(1, one.address) });
    one.transport.setPeers([peer(2, address)]);
    one.transport.start(one);
    await eventually("the connection", () => one.connected.has(2));
    child.kill("SIGSTOP");
    let takenBytes = 0;
    const frame = new Uint8Array(60_000);
    await eventually("the queue to be full", async () => {
      for (let i = 0; i < 100; i += 1) {
        if (!one.transport.send(2, frame)) return true;
        takenBytes += frame.length;
      }
      return false;
    });
    // Above the bound comes only what the HTTP/2 window and the kernel hold, not what the peer
    // fails to read.
    expect(takenBytes).toBeLessThan(peerBufferBytesMax + 16 * 1024 * 1024);
    await eventually("pings to find out", () => !one.connected.has(2));
    child.kill("SIGCONT");
    await eventually("the connection", () => one.connected.has(2));
    one.frames.length = 0;
    one.transport.send(2, new Uint8Array([7]));
    await eventually("the echo", () => one.frames.some((each) => each[0] === 7));
  });

  test("garbage, HTTP/1.1 and silence on the port are closed, and harm nobody", async () => {
    const [one, two] = await connectedPair({ limits: { helloDeadlineMs: 150 } });
    const strangers = ["\x00\xff garbage\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""];
    const closed = strangers.map(async (text) => {
      const socket = connect(Number(one.address.split(":")[1]), "127.0.0.1");
      socket.on("error", () => {});
      socket.resume();
      if (text !== "") socket.write(text, "latin1");
      await once(socket, "close");
    });
    await Promise.all(closed);
    expect([one.count("disconnected 2"), two.count("disconnected 1")]).toEqual([0, 0]);
    one.transport.send(2, new Uint8Array([1]));
    await eventually("a frame", () => two.frames.length === 1);
  });

  test("a caller has only the deadline to say a hello, and only so many bytes for it", async () => {
    const one = await listen(1, { limits: { helloBytesMax: 1000 } });
    start(one);
    const long = callAs(2, one.address);
    const hello = Buffer.alloc(2000);
    const events: string[] = [];
    const call = new PeerCall(
      { address: one.address, hello, clock, limits: defaultTransportLimits },
      { handleAnswer: () => {}, handleEnded: (end) => events.push(end.reason) },
    );
    onTestFinished(() => call.end());
    await eventually("the end of both", () => events.length + long.events.length === 2);
    expect(long.events).toEqual(["refused: replica 2 is not among the peers here"]);
    expect(events[0]).toContain("too large");
  });

  test("a callee that never answers is given up at the hello deadline", async () => {
    const silent = createServer((socket) => void socket.on("error", () => {}));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void silent.close());
    const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const { events } = callAs(1, address, { helloDeadlineMs: 50 });
    await eventually("the end", () => events.length === 1);
    expect(events).toEqual(["broken: no hello within 50 ms"]);
  });
});

describe("the port", () => {
  test("that is in use is refused with its name", async () => {
    const one = await listen(1);
    const second = new TestReplica(2, { port: Number(one.address.split(":")[1]) });
    await expect(second.transport.listen()).rejects.toThrow(
      `cannot listen for other servers: ${one.address} is in use by another process`,
    );
    await second.transport.close();
  });

  test("is free again after close, which tells the handler nothing", async () => {
    const [one, two] = await connectedPair();
    const before = one.events.length;
    await one.transport.close();
    const again = await listen(1, { port: Number(one.address.split(":")[1]) });
    await eventually("the other side to see it", () => two.count("disconnected 1") === 1);
    expect(one.events).toHaveLength(before);
    expect(again.address).toBe(one.address);
  });
});
