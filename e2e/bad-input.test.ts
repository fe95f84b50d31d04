// What people, programs and strangers do wrong, against real servers (S6): each mistake gets a
// clear answer, and two bystanders miss nothing of what was said before and after it. What a person
// can do wrong on the command line, and most refused starts, are in commands.test.ts.
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  ClientFrameSchema,
  RejectionCode,
  SendMessageRequestSchema,
} from "../src/proto/gen/chat/v1/api_pb.js";
import { eventually } from "../src/testing/index.ts";
import { Bystanders } from "./bystanders.ts";
import { type Cluster, findFreePorts, startCluster } from "./cluster.ts";
import { Load, openClients, sendWindow } from "./load.ts";
import { RunningProgram, runProgram } from "./program.ts";
import { RawSession } from "./raw-session.ts";

const { INVALID_ARGUMENT, UNAUTHENTICATED, UNKNOWN_CURSOR, TOO_LARGE, OVERLOADED } = RejectionCode;
const room = Bystanders.room;
const frameBytesMax = 1_048_576;
const waiting = { timeoutMs: 20_000 };
let cluster: Cluster;
let bystanders: Bystanders;

beforeAll(async () => {
  cluster = await startCluster();
  bystanders = await Bystanders.enter(cluster);
});

/** Nothing is lost, doubled or left over, and no server has so much as restarted. */
afterEach(() => bystanders.expectUnhurt());

afterAll(async () => {
  await bystanders?.leave();
  await cluster?.close();
});

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly message?: string;
}

/** A unary call at server 3 with raw bytes. */
async function post(
  method: string,
  body: string | Uint8Array,
  type = "application/json",
): Promise<Answer> {
  const answer = await fetch(`${cluster.server(3).clientAddress}/chat.v1.ChatService/${method}`, {
    method: "POST",
    headers: { "content-type": type, authorization: `Bearer ${bystanders.token}` },
    body: body as BodyInit,
  });
  return { status: answer.status, ...((await answer.json()) as object) };
}

/** A message into the bystanders' room, encoded, with `bytes` where its text should be. */
function messageWith(bytes: Uint8Array): Uint8Array {
  const value = { room: { room: { case: "name", value: room } } } as const;
  const rest = toBinary(SendMessageRequestSchema, create(SendMessageRequestSchema, value));
  return Buffer.concat([rest, Uint8Array.of(0x1a, bytes.length), bytes]);
}

const loneSurrogateBytes = Uint8Array.of(0xed, 0xa0, 0x80);

describe("names and texts", () => {
  const invalid = { status: 400, code: "invalid_argument" };
  const tooLarge = { status: 429, code: "resource_exhausted" };
  const account = { username: "new", password: "correct horse" };
  const message = (body: unknown) => ({ room: { name: room }, body });

  test.each([
    ["a username of 33 characters", "Register", { ...account, username: "x".repeat(33) }, invalid],
    [
      "a username with a control character",
      "Register",
      { ...account, username: "a\u0007" },
      invalid,
    ],
    ["half a surrogate pair as username", "Register", { ...account, username: "\ud800" }, invalid],
    ["a display name of 65", "Register", { ...account, displayName: "x".repeat(65) }, invalid],
    ["a line break in a display name", "Register", { ...account, displayName: "a\nb" }, invalid],
    ["a password of 7", "Register", { ...account, password: "x".repeat(7) }, invalid],
    ["a password of 257", "Register", { ...account, password: "x".repeat(257) }, invalid],
    ["a device of 65", "LogIn", { ...account, device: "x".repeat(65) }, invalid],
    ["a room name of 65", "CreateRoom", { name: "x".repeat(65) }, invalid],
    ["a room name with a zero in it", "CreateRoom", { name: "a\u0000b" }, invalid],
    ["a room name with half a pair", "CreateRoom", { name: "a\udc00" }, invalid],
    ["a call over 1 MiB", "CreateRoom", { name: "x".repeat(frameBytesMax) }, tooLarge],
    ["an empty message", "SendMessage", message(""), invalid],
    ["16,385 bytes in 8,193 characters", "SendMessage", message(`${"é".repeat(8192)}x`), tooLarge],
    ["a bell in a message", "SendMessage", message("a\u0007"), invalid],
    ["a delete in a message", "SendMessage", message("a\u007f"), invalid],
    ["a C1 control in a message", "SendMessage", message("a\u0085"), invalid],
    ["a first half of a surrogate pair", "SendMessage", message("a\ud83d"), invalid],
    ["a second half of a surrogate pair", "SendMessage", message("\udc4da"), invalid],
    ["a number for a message", "SendMessage", message(5), invalid],
  ])("%s: refused over JSON", async (_, method, request, expected) => {
    const answer = await post(method, JSON.stringify(request));
    expect(answer).toMatchObject(expected);
    expect(answer.message).toMatch(/^\S.{15,}/);
  });

  test.each([
    ["bytes that are not UTF-8", Uint8Array.of(0xff, 0xfe)],
    ["a cut character", Uint8Array.of(0x61, 0xc3)],
    ["an overlong form of a slash", Uint8Array.of(0xc0, 0xaf)],
    ["half a surrogate pair in UTF-8", loneSurrogateBytes],
  ])("%s in a message: refused over JSON and binary", async (_, bytes) => {
    const [before, after] = JSON.stringify(message("|")).split("|");
    const json = Buffer.concat([Buffer.from(before!), bytes, Buffer.from(after!)]);
    const expected = { ...invalid, message: expect.stringContaining("not valid UTF-8") };
    expect(await post("SendMessage", json)).toMatchObject(expected);
    expect(await post("SendMessage", messageWith(bytes), "application/proto")).toMatchObject(
      expected,
    );
  });

  test.each([
    ["JSON that ends too early", '{"room":', "application/json"],
    [
      "a message of Protobuf that ends too early",
      Uint8Array.of(0x1a, 9, 0x61),
      "application/proto",
    ],
    ["random bytes as Protobuf", Uint8Array.of(0xff, 0xff, 0xff, 0x07), "application/proto"],
  ])("%s: refused", async (_, body, type) => {
    expect(await post("SendMessage", body, type)).toMatchObject(invalid);
  });
});

const ping = { case: "ping", value: {} } as const;

describe("the session stream over WebSocket", () => {
  test.each<[string, (session: RawSession) => unknown, number, RejectionCode]>([
    ["text", ({ socket }) => socket.send("hello"), 1003, INVALID_ARGUMENT],
    ["bytes that are no frame", ({ socket }) => socket.send(noFrame()), 1007, INVALID_ARGUMENT],
    [
      "a request before the hello",
      (s) => s.send({ requestId: 1, body: ping }),
      1008,
      UNAUTHENTICATED,
    ],
    ["a request without an id", (s) => s.send({ body: ping }), 1008, INVALID_ARGUMENT],
    ["a token that is none", (s) => s.hello("a.b.c"), 1008, UNAUTHENTICATED],
    [
      "a frame over the limit",
      ({ socket }) => socket.send(new Uint8Array(frameBytesMax + 1)),
      1009,
      TOO_LARGE,
    ],
  ])("%s: the stream ends with a goodbye that says why", async (_, mistake, closeCode, code) => {
    const session = await RawSession.open(cluster.server(2).clientAddress);
    await mistake(session);
    expect(await session.closed()).toBe(closeCode);
    expect(session.goodbyes).toMatchObject([{ code, message: expect.stringMatching(/.{10,}\.$/) }]);
  });

  test("a mistake after the hello ends that stream, not the log-in", async () => {
    const session = await RawSession.open(cluster.server(2).clientAddress);
    expect((await session.hello(bystanders.token)).case).toBe("welcome");
    session.socket.send(noFrame());
    expect(await session.closed()).toBe(1007);
    const again = await RawSession.open(cluster.server(3).clientAddress);
    expect((await again.hello(bystanders.token, session.cursor)).case).toBe("welcome");
  });

  test("a text that is not UTF-8 costs its request, not its neighbours in the frame", async () => {
    const session = await RawSession.open(cluster.server(2).clientAddress);
    await session.hello(bystanders.token);
    const send = messageWith(loneSurrogateBytes);
    const bad = Buffer.concat([Uint8Array.of(0x08, 6, 0x1a, send.length), send]);
    const good = [5, 7].map((requestId) => ({ requestId, body: ping }));
    const [first, last] = good.map((request) =>
      toBinary(ClientFrameSchema, create(ClientFrameSchema, { requests: [request] })),
    );
    session.socket.send(Buffer.concat([first!, Uint8Array.of(0x0a, bad.length), bad, last!]));
    expect((await session.reply(5)).case).toBe("pong");
    expect((await session.reply(7)).case).toBe("pong");
    expect((await session.reply(6)).value).toMatchObject({ code: INVALID_ARGUMENT });
  });
});

/** Bytes that no Protobuf decoder takes, each time others. */
function noFrame(): Uint8Array {
  return Buffer.concat([Uint8Array.of(0xff), randomBytes(200)]);
}

describe("cursors and clusters", () => {
  let other: Cluster;
  beforeAll(async () => {
    // Of the same name: only its id tells it from the bystanders' cluster.
    other = await startCluster();
  });
  afterAll(() => other?.close());

  test("a cursor that is damaged, invented or of another cluster is refused, and no cursor helps", async () => {
    const [stranger] = await openClients({ addresses: other.addresses, count: 1, room });
    const elsewhere = await RawSession.open(other.server(1).clientAddress);
    expect((await elsewhere.hello(stranger!.token ?? "")).case).toBe("welcome");
    await eventually("a cursor", () => elsewhere.cursor.length > 0, waiting);
    await stranger!.stop();
    for (const cursor of [Uint8Array.of(1, 2, 3), randomBytes(16), elsewhere.cursor]) {
      const session = await RawSession.open(cluster.server(3).clientAddress);
      const reply = await session.hello(bystanders.token, cursor);
      expect(reply.value).toMatchObject({
        code: UNKNOWN_CURSOR,
        message: expect.stringContaining("without a cursor"),
      });
      expect(await session.closed()).toBe(1008);
    }
    const session = await RawSession.open(cluster.server(3).clientAddress);
    expect((await session.hello(bystanders.token)).case).toBe("welcome");
  });

  test("a token of another cluster is refused", async () => {
    const [stranger] = await openClients({
      addresses: other.addresses,
      count: 1,
      room,
      prefix: "guest",
    });
    const session = await RawSession.open(cluster.server(3).clientAddress);
    const reply = await session.hello(stranger!.token ?? "");
    expect(reply.value).toMatchObject({ code: UNAUTHENTICATED });
    await stranger!.stop();
  });

  test("a server of another cluster is refused by its id, in both logs, and disturbs neither", async () => {
    await other.kill(3);
    // Its list of members has an address of the bystanders' cluster for that of its peer.
    const [theirs, ours] = [other, cluster].map((each) => each.server(1).peerAddress);
    const server3 = start(other.serveArguments(3).map((each) => each.replace(theirs!, ours!)));
    const isTold = () =>
      /this server is of cluster [0-9a-f]{16}, not of [0-9a-f]{16}/.test(server3.stdout) &&
      /refused.*this server is of cluster [0-9a-f]{16}/.test(cluster.log(1));
    await eventually("both to log the refusal", isTold, waiting);
    // The bystanders speak for the one cluster, this guest for the other.
    const [guest] = await openClients({
      addresses: [other.server(1).clientAddress, other.server(2).clientAddress],
      count: 1,
      room: "astray",
      prefix: "astray",
    });
    expect(await guest!.send({ room: "astray", body: "still here" })).toMatchObject({ number: 1 });
    await guest!.stop();
  });

  test("a server of a cluster of another name is refused by the name", async () => {
    const [clientPort, peerPort] = await findFreePorts(2);
    const args = cluster
      .serveArguments(3)
      .map((each) =>
        each
          .replace(cluster.server(3).peerAddress, `127.0.0.1:${peerPort}`)
          .replace(cluster.server(3).dataFolder, join(cluster.folder, "named-otherwise")),
      );
    const server3 = start([...args, "--cluster-name", "theirs", "--client-port", `${clientPort}`]);
    const isTold = () =>
      server3.stdout.includes('this is a server of the cluster \\"e2e\\", not of \\"theirs\\"') &&
      cluster.log(1).includes('not of \\"theirs\\"');
    await eventually("both to log the refusal", isTold, waiting);
  });

  /** Starts a server until the test ends. */
  function start(args: readonly string[]): RunningProgram {
    const program = new RunningProgram(args);
    onTestFinished(async () => {
      program.signal("SIGKILL");
      await program.ended;
    });
    return program;
  }
});

describe("strangers at the ports", () => {
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const garbage: [string, () => string | Uint8Array][] = [
    ["random bytes", () => randomBytes(100_000)],
    ["TLS", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
    [
      "HTTP/2 that turns into random bytes",
      () => Buffer.concat([Buffer.from(preface), randomBytes(5_000)]),
    ],
    ["HTTP/1.1 with a line that has no end", () => `GET /${"x".repeat(100_000)}`],
  ];

  /** Writes to a port and resolves when the other side has closed the connection. */
  function writeUntilClosed(port: number, bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
      socket.on("error", () => undefined);
      socket.on("end", () => socket.destroy());
      socket.on("close", () => resolve());
      socket.resume();
    });
  }

  test.each(garbage)("%s at the client port: closed", async (_, bytes) => {
    await writeUntilClosed(Number(new URL(cluster.server(1).clientAddress).port), bytes());
  });

  test.each(garbage)("%s at the peer port: closed", async (_, bytes) => {
    await writeUntilClosed(Number(cluster.server(1).peerAddress.split(":")[1]), bytes());
  });

  test("a call with a hello that is none at the peer port: refused and logged", async () => {
    const session = connectHttp2(`http://${cluster.server(1).peerAddress}`);
    onTestFinished(() => session.destroy());
    const call = session.request({
      ":method": "POST",
      ":path": "/cluster.v1.PeerService/Exchange",
      "content-type": "application/grpc",
      te: "trailers",
    });
    call.on("error", () => undefined);
    call.resume();
    // A gRPC message of 12 bytes: an envelope around 10 bytes that no decoder takes.
    call.write(Uint8Array.of(0, 0, 0, 0, 12, 0x0a, 10, ...noFrame().subarray(0, 10)));
    const status = await new Promise<unknown>((resolve) => {
      call.on("trailers", (trailers) => resolve(trailers["grpc-status"]));
      call.on("response", (headers) => {
        if (headers["grpc-status"] !== undefined) resolve(headers["grpc-status"]);
      });
    });
    const failedPrecondition = "9";
    expect(status).toBe(failedPrecondition);
    const isTold = () => /refused the call.*the hello is not one of Holdfast/.test(cluster.log(1));
    await eventually("the log to tell", isTold, waiting);
  });
});

describe("clients that never read", () => {
  const crowd = "crowd";
  const bytes = 16_000;

  /** Resident memory of a server, bytes. */
  function memoryOf(id: number): number {
    const status = readFileSync(`/proc/${cluster.pid(id)}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  }

  /** How many slow sessions server 3 has logged the end of. */
  function cutOffs(): number {
    return cluster.log(3).split("a slow session was cut off").length - 1;
  }

  /** Lets a session read again: it must hear, behind what it was sent before, why it ended. */
  async function expectCutOff(session: RawSession): Promise<void> {
    session.socket.resume();
    expect(await session.closed()).toBe(1013);
    expect(session.goodbyes).toMatchObject([{ code: OVERLOADED }]);
  }

  test("a session that takes none of what others write is cut off; everybody else gets it", async () => {
    const { addresses } = cluster;
    const clients = await openClients({ addresses, count: 3, room: crowd, prefix: "crowd" });
    let got = 0;
    clients[1]!.on("item", ({ content }) => {
      if (content.kind === "message") got += 1;
    });
    const slow = await RawSession.open(cluster.server(3).clientAddress);
    await slow.hello(clients[2]!.token ?? "");
    slow.socket.pause();
    // The system's buffers take some 10 MB before anything waits in the server, which takes 4 MiB.
    const flood = new Load(crowd, { bodyBytes: bytes });
    const before = cutOffs();
    const isOver = () => cutOffs() > before || flood.ackedCount > 3_000;
    await sendWindow(flood, { clients: [clients[0]!], outstanding: 100, stopped: isOver });
    const { acked, failed } = await flood.finish();
    expect(failed).toEqual([]);
    expect(cutOffs()).toBe(before + 1);
    await eventually("the reader to have it all", () => got === acked.length, waiting);
    await expectCutOff(slow);
    expect(slow.bytesHeard).toBeLessThan(acked.length * bytes);
    const again = await RawSession.open(cluster.server(1).clientAddress);
    expect((await again.hello(clients[2]!.token ?? "", slow.cursor)).case).toBe("welcome");
    await Promise.all(clients.map((client) => client.stop()));
  });

  test("a session that asks for 1,000 pages and reads none is cut off within bounded memory", async () => {
    const [client] = await openClients({
      addresses: [cluster.server(3).clientAddress],
      count: 1,
      room: "pages",
      prefix: "pages",
    });
    const pages = new Load("pages", { bodyBytes: bytes });
    for (let i = 0; i < 50; i++) void pages.send(client!);
    expect((await pages.finish()).failed).toEqual([]);
    const session = await RawSession.open(cluster.server(3).clientAddress);
    await session.hello(client!.token ?? "");
    session.socket.pause();
    const body = {
      case: "readTimeline",
      value: { room: { room: { case: "name", value: "pages" } }, limit: 500 },
    } as const;
    const before = { cutOffs: cutOffs(), memory: memoryOf(3) };
    // Half a frame each: 500 MB of answers.
    session.send(...Array.from({ length: 1_000 }, (_, i) => ({ requestId: i + 2, body })));
    let most = before.memory;
    const isCutOff = () => {
      most = Math.max(most, memoryOf(3));
      return cutOffs() > before.cutOffs;
    };
    await eventually("the session to be cut off", isCutOff, waiting);
    expect(most - before.memory).toBeLessThan(200_000_000);
    await expectCutOff(session);
    expect(session.replies.length).toBeLessThan(1_000);
    await client!.stop();
  });
});

test("O1: an unknown key in a configuration file is refused, with the nearest known one", async () => {
  const file = join(cluster.folder, "holdfast.toml");
  writeFileSync(file, "id = 1\nclient-prot = 4801\n");
  const { code, stderr } = await runProgram(["serve", "--config", file]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^holdfast: [^\n]*client-prot[^\n]*`client-port`[^\n]*\.\n$/);
});
