// The API over Connect, JSON, gRPC and gRPC-Web: what works, what is refused, and how each protocol
// says so.
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { SignJWT } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import {
  ChatService,
  RegisterRequestSchema,
  RejectedSchema,
  RejectionCode,
  WriteStatus,
} from "../proto/gen/chat/v1/api_pb.js";
import { AdminService } from "../proto/gen/cluster/v1/admin_pb.js";
import { byId, byName, startServer, type TestServer } from "./harness.contract.ts";
import type { GatewayLimits } from "./limits.ts";

let server: TestServer;
afterEach(() => server.close());

async function start(limits: Partial<GatewayLimits> = {}): Promise<TestServer> {
  server = await startServer(limits);
  return server;
}

const commandId = (n: number) => new Uint8Array(16).fill(n);
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

/** The error of a call that must fail, with the rejection that comes with it. */
async function failureOf(call: Promise<unknown>): Promise<{
  code: Code;
  rejection: RejectionCode | undefined;
  retryAfterMs: number | undefined;
}> {
  const error = await call.then(
    () => expect.fail("the call succeeded"),
    (reason: unknown) => ConnectError.from(reason),
  );
  const [rejected] = error.findDetails(RejectedSchema);
  return { code: error.code, rejection: rejected?.code, retryAfterMs: rejected?.retryAfterMs };
}

/** The code of a refusal over JSON, as curl sees it. */
async function refusal(method: string, body: object, token?: string) {
  const answer = await server.call(method, body, token);
  const rejected = answer.body["details"]?.[0]?.debug;
  return [answer.status, answer.body["code"], rejected?.code];
}

const transports: [string, (url: string) => Transport][] = [
  ["gRPC over HTTP/2", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["gRPC-Web over HTTP/1.1", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ["gRPC-Web over HTTP/2", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
  ["Connect over HTTP/1.1", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  [
    "Connect with JSON over HTTP/2",
    (baseUrl) =>
      createConnectTransport({
        baseUrl,
        httpVersion: "2",
        useBinaryFormat: false,
        useHttpGet: true,
      }),
  ],
];

describe.each(transports)("%s (K4)", (_, transportTo) => {
  it("registers, logs in, makes a room, sends, reads, lists, leaves and logs out", async () => {
    await start();
    const api = createClient(ChatService, transportTo(server.url));
    const registered = await api.register({ username: "Ada", password: "correct horse" });
    expect(registered.person).toMatchObject({ userId: 1, username: "ada" });
    expect(registered.receipt).toMatchObject({ status: WriteStatus.STORED, disks: 3 });
    const { token, person } = await api.logIn({ username: "ADA", password: "correct horse" });
    expect(person?.username).toBe("ada");
    const options = bearer(token);
    const made = await api.createRoom({ name: "deck" }, options);
    expect(made.room).toMatchObject({ name: "deck", joined: true, memberCount: 1 });
    const sent = await api.sendMessage({ room: byName("deck"), body: "Ahoy – ☀️" }, options);
    expect(sent).toMatchObject({ roomId: made.room?.roomId, number: 1 });
    const page = await api.readTimeline(
      { room: byId(sent.roomId), atLeastPosition: sent.receipt?.position ?? 0n },
      options,
    );
    expect(page.items.map(({ content }) => content.value)).toEqual(["Ahoy – ☀️"]);
    const rooms = await api.listRooms({}, options);
    expect(rooms.rooms.map(({ name }) => name)).toEqual(["@ada", "deck"]);
    expect((await api.listPeople({ pattern: "a*" }, options)).people).toHaveLength(1);
    const joined = await api.joinRoom({ room: byName("deck") }, options);
    expect(joined.room?.name).toBe("deck");
    await api.leaveRoom({ room: byName("deck") }, options);
    expect((await api.listServers({})).addresses).toHaveLength(2);
    await api.logOut({}, options);
    expect((await failureOf(api.listRooms({}, options))).code).toBe(Code.Unauthenticated);
  });

  it("gives each refusal its code, its detail and its sentence", async () => {
    await start();
    const api = createClient(ChatService, transportTo(server.url));
    const options = bearer(await server.enter("ada"));
    const failures = [
      [() => api.listRooms({}), Code.Unauthenticated, RejectionCode.UNAUTHENTICATED],
      [() => api.listRooms({}, bearer("x")), Code.Unauthenticated, RejectionCode.UNAUTHENTICATED],
      [
        () => api.logIn({ username: "ada", password: "wrong wrong" }),
        Code.Unauthenticated,
        RejectionCode.WRONG_PASSWORD,
      ],
      [
        () => api.register({ username: "ada", password: "another one" }),
        Code.AlreadyExists,
        RejectionCode.NAME_TAKEN,
      ],
      [
        () => api.sendMessage({ room: byName("nowhere"), body: "x" }, options),
        Code.NotFound,
        RejectionCode.UNKNOWN_ROOM,
      ],
      [
        () => api.sendMessage({ room: byId(99), body: "x" }, options),
        Code.NotFound,
        RejectionCode.UNKNOWN_ROOM,
      ],
      [
        () => api.leaveRoom({ room: byName("@ada") }, options),
        Code.FailedPrecondition,
        RejectionCode.OWN_ROOM,
      ],
      [
        () => api.sendMessage({ body: "x" }, options),
        Code.InvalidArgument,
        RejectionCode.INVALID_ARGUMENT,
      ],
      [
        () => api.sendMessage({ room: byName("@ada"), body: "x".repeat(16_385) }, options),
        Code.ResourceExhausted,
        RejectionCode.TOO_LARGE,
      ],
      [
        () => api.createRoom({ name: "deck", commandId: new Uint8Array(3) }, options),
        Code.InvalidArgument,
        RejectionCode.INVALID_ARGUMENT,
      ],
    ] as const;
    for (const [call, code, rejection] of failures) {
      expect(await failureOf(call())).toMatchObject({ code, rejection });
    }
  });
});

describe("JSON with curl or fetch (K4)", () => {
  it("refuses what is no JSON, not UTF-8, or holds an unpaired surrogate (S6)", async () => {
    await start();
    const token = await server.enter("ada");
    const post = async (body: string | Uint8Array) => {
      const response = await fetch(`${server.url}/chat.v1.ChatService/SendMessage`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: body as BodyInit,
      });
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    const refused = [400, "invalid_argument"];
    expect(await post("{")).toEqual(refused);
    expect(await post('{"room":{"name":"@ada"},"body":"\\ud800"}')).toEqual(refused);
    const bytes = Buffer.from('{"room":{"name":"@ada"},"body":"??"}');
    bytes.set([0xff, 0xfe], bytes.indexOf("??"));
    expect(await post(bytes)).toEqual(refused);
    expect(await post('{"room":{"name":"@ada"},"body":"\\u0007"}')).toEqual(refused);
    expect(await post('{"room":{"name":"@ada"},"body":"fine"}')).toEqual([200, undefined]);
    const timeline = await server.call("ReadTimeline", { room: { name: "@ada" } }, token);
    expect(timeline.body["items"].map((item: { body?: string }) => item.body)).toContain("fine");
    expect(timeline.body["items"]).toHaveLength(1);
  });

  it("answers a Connect GET, and refuses one whose query is not UTF-8", async () => {
    await start();
    const path = `${server.url}/chat.v1.ChatService/ListServers?encoding=json&message=`;
    expect((await fetch(`${path}%7B%7D`)).status).toBe(200);
    expect((await fetch(`${path}%ff`)).status).toBe(400);
  });

  it("refuses a body over the limit and goes on (S6)", async () => {
    await start({ frameBytesMax: 50_000 });
    const body = { username: "x".repeat(5_000_000) };
    expect(await refusal("Register", body)).toEqual([
      429,
      "resource_exhausted",
      "REJECTION_CODE_TOO_LARGE",
    ]);
    expect((await server.call("ListServers", {})).status).toBe(200);
  });

  it("shows the state of the cluster to anyone", async () => {
    await start();
    const response = await fetch(`${server.url}/cluster.v1.AdminService/Status`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(await response.json()).toMatchObject({ clusterName: "test", answeredBy: 1 });
    const api = createClient(AdminService, createGrpcTransport({ baseUrl: server.url }));
    expect((await api.status({})).clusterName).toBe("test");
  });
});

describe("Protobuf bytes", () => {
  /** A RegisterRequest whose username holds these bytes. */
  function registerWith(usernameBytes: Uint8Array): Uint8Array {
    const request = create(RegisterRequestSchema, { password: "correct horse" });
    const field = new BinaryWriter().tag(2, 2).bytes(usernameBytes).finish();
    return Buffer.concat([field, toBinary(RegisterRequestSchema, request)]);
  }

  async function post(contentType: string, body: Uint8Array) {
    const response = await fetch(`${server.url}/chat.v1.ChatService/Register`, {
      method: "POST",
      headers: { "content-type": contentType },
      body: body as BodyInit,
    });
    const text = Buffer.from(await response.arrayBuffer()).toString("latin1");
    return { status: response.status, text, grpcStatus: response.headers.get("grpc-status") };
  }

  it("are refused where a string is not valid UTF-8, in every protocol (S6)", async () => {
    await start();
    const bad = registerWith(new Uint8Array([0x61, 0xc3, 0x28]));
    const plain = await post("application/proto", bad);
    expect(plain.status).toBe(400);
    expect(plain.text).toContain("not valid UTF-8");
    const envelope = Buffer.concat([new Uint8Array([0, 0, 0, 0, bad.length]), bad]);
    const web = await post("application/grpc-web+proto", envelope);
    expect(web.text + web.grpcStatus).toMatch(/grpc-status: 3|^3/);
    expect(server.replica.proposals).toBe(0);
    expect((await post("application/proto", registerWith(Buffer.from("bob")))).status).toBe(200);
  });

  it("are refused as invalid where they are no message at all", async () => {
    await start();
    const answer = await post("application/proto", new Uint8Array([0xff, 0xff, 0xff]));
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([400, "invalid_argument"]);
  });
});

describe("accounts (C1, S3)", () => {
  it("registers once when the same request comes twice, not for another one", async () => {
    await start();
    const id = Buffer.from(commandId(5)).toString("base64");
    const request = { commandId: id, username: "ada", password: "correct horse" };
    const first = await server.call("Register", request);
    const second = await server.call("Register", request);
    expect(first.body["receipt"].repeated).toBeUndefined();
    expect(second.body).toEqual({
      ...first.body,
      receipt: { ...first.body["receipt"], repeated: true },
    });
    expect(await refusal("Register", { ...request, username: "eve" })).toEqual([
      409,
      "already_exists",
      "REJECTION_CODE_ID_REUSED",
    ]);
  });

  it("logs in once when the same request comes twice", async () => {
    await start();
    await server.enter("ada");
    const id = Buffer.from(commandId(6)).toString("base64");
    const request = { commandId: id, username: "ada", password: "correct horse" };
    const first = await server.call("LogIn", request);
    const second = await server.call("LogIn", request);
    expect(second.body["receipt"].repeated).toBe(true);
    await server.call("LogOut", {}, first.body["token"]);
    expect(await refusal("ListRooms", {}, second.body["token"])).toContain("unauthenticated");
  });

  it("accepts a password in any Unicode form, and no other", async () => {
    await start();
    await server.call("Register", { username: "ada", password: "pässwörter".normalize("NFD") });
    const logIn = (password: string) => server.call("LogIn", { username: "ada", password });
    expect((await logIn("pässwörter".normalize("NFC"))).status).toBe(200);
    expect((await logIn("passworter")).status).toBe(401);
  });

  it("answers the same to a wrong password and an unknown name, after the same work", async () => {
    await start();
    await server.enter("ada");
    const answer = async (username: string) => {
      const before = process.cpuUsage();
      const { status, body } = await server.call("LogIn", { username, password: "wrong wrong" });
      const { user, system } = process.cpuUsage(before);
      return { status, message: body["message"], cpuMs: (user + system) / 1000 };
    };
    const [wrong, unknown] = [await answer("ada"), await answer("nobody")];
    expect({ ...unknown, cpuMs: 0 }).toEqual({ ...wrong, cpuMs: 0 });
    // A hash takes some 20 ms; without it the answer takes 1 or 2.
    expect(unknown.cpuMs).toBeGreaterThan(wrong.cpuMs / 4);
  });

  it("knows an account that was made a moment ago on another server", async () => {
    await start();
    await server.enter("ada");
    const { passwordHash } = server.replica.chat.credentials("ada")!;
    const value = { username: "bob", displayName: "", passwordHash };
    server.replica.elsewhere.push({ id: commandId(9), body: { case: "registerUser", value } });
    const answer = await server.call("LogIn", { username: "bob", password: "correct horse" });
    expect(answer.body["person"].username).toBe("bob");
  });

  it("checks a password from its own copy where nobody leads", async () => {
    await start({ readWaitMs: 10 });
    await server.enter("ada");
    server.replica.hasLeader = false;
    // The account or a new password may be on the other side: nobody is told a lie that is final.
    const logIn = (password: string) => server.call("LogIn", { username: "ada", password });
    const unsure = expect.stringContaining("do not fit what this server knows");
    expect((await logIn("wrong wrong")).body["message"]).toEqual(unsure);
    expect((await logIn("correct horse")).body["message"]).not.toEqual(unsure);
  });

  it("limits attempts for one username, with the time to wait (S6)", async () => {
    await start({ accountBurstPerUsername: 2, accountPerSecondPerUsername: 0.1 });
    await server.enter("ada");
    const answer = await server.call("LogIn", { username: "ada", password: "correct horse" });
    expect([answer.status, answer.body["code"]]).toEqual([429, "resource_exhausted"]);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(9);
    await server.enter("bob");
  });

  it("limits attempts from one address (S6)", async () => {
    await start({ accountBurstPerAddress: 3, accountPerSecondPerAddress: 0.01 });
    await server.enter("ada");
    await server.call("Register", { username: "bob", password: "correct horse" });
    expect(await refusal("Register", { username: "eve", password: "correct horse" })).toContain(
      "REJECTION_CODE_OVERLOADED",
    );
  });

  it("answers OVERLOADED where too many hashes wait, and serves the others (S6)", async () => {
    await start({ hashesMax: 1, hashesWaitingMax: 1 });
    const register = (i: number) =>
      server.call("Register", { username: `user${i}`, password: "correct horse" });
    const answers = await Promise.all([1, 2, 3, 4, 5].map(register));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(2);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(1);
    expect((await register(6)).status).toBe(200);
  });

  it("ends one session or all of a person's", async () => {
    await start();
    const tokens = [await server.enter("ada"), "", ""];
    for (const i of [1, 2]) {
      const answer = await server.call("LogIn", { username: "ada", password: "correct horse" });
      tokens[i] = answer.body["token"];
    }
    const works = async () =>
      Promise.all(tokens.map(async (t) => (await server.call("ListRooms", {}, t)).status));
    await server.call("LogOut", {}, tokens[0]);
    expect(await works()).toEqual([401, 200, 200]);
    await server.call("LogOut", { everywhere: true }, tokens[1]);
    expect(await works()).toEqual([401, 401, 401]);
  });
});

describe("tokens (S3)", () => {
  it("of another key, another algorithm or another form are refused", async () => {
    await start();
    await server.enter("ada");
    const sign = (key: Uint8Array, claims: object, alg = "HS256") =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg }).setSubject("1").sign(key);
    const right = new Uint8Array(32).fill(7);
    const tokens = [
      await sign(new Uint8Array(32).fill(8), { sid: 1, pos: 1 }),
      await sign(new Uint8Array(64).fill(7), { sid: 1, pos: 1 }, "HS512"),
      await sign(right, { sid: "1", pos: 1 }),
      await sign(right, { sid: 1 }),
      await sign(right, { sid: 999, pos: 1 }),
      `${Buffer.from('{"alg":"none"}').toString("base64url")}.e30.`,
      "x".repeat(5_000),
    ];
    for (const token of tokens) {
      expect(await refusal("ListRooms", {}, token)).toContain("REJECTION_CODE_UNAUTHENTICATED");
    }
    expect((await server.call("ListRooms", {}, await sign(right, { sid: 1, pos: 1 }))).status).toBe(
      200,
    );
  });

  it("of a session that is not known here yet wait for it, and not for ever", async () => {
    await start({ positionWaitMs: 30 });
    await server.enter("ada");
    const position = server.replica.appliedPosition();
    const ahead = await new SignJWT({ sid: 1, pos: position + 4096 })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("1")
      .sign(new Uint8Array(32).fill(7));
    expect(await refusal("ListRooms", {}, ahead)).toEqual([
      503,
      "unavailable",
      "REJECTION_CODE_UNAVAILABLE",
    ]);
    const waiting = server.call("ListRooms", {}, ahead);
    server.replica.applyNow([]);
    expect((await waiting).status).toBe(200);
  });
});

describe("writes and reads on a server that is behind (R4, R6)", () => {
  it("find a room that was made a moment ago on another server", async () => {
    await start();
    const token = await server.enter("ada");
    const make = (name: string, n: number) => {
      const body = { case: "createRoom", value: { name } } as const;
      server.replica.elsewhere.push({ id: commandId(n), userId: 1, sessionId: 1, body });
    };
    make("deck", 20);
    const sent = await server.call("SendMessage", { room: { name: "deck" }, body: "x" }, token);
    expect(sent.body["number"]).toBe(1);
    make("hold", 21);
    const read = await server.call("ReadTimeline", { room: { name: "hold" } }, token);
    expect(read.body["room"].name).toBe("hold");
  });

  it("do not say that a room is unknown where nobody can tell", async () => {
    await start({ readWaitMs: 10 });
    const token = await server.enter("ada");
    server.replica.hasLeader = false;
    const room = { name: "deck" };
    const unavailable = "REJECTION_CODE_UNAVAILABLE";
    expect(await refusal("SendMessage", { room, body: "x" }, token)).toContain(unavailable);
    expect(await refusal("ReadTimeline", { room }, token)).toContain(unavailable);
    expect((await server.call("ListRooms", {}, token)).status).toBe(200);
  });

  it("wait until a position is reached, and not for ever", async () => {
    await start({ positionWaitMs: 30 });
    const token = await server.enter("ada");
    const atLeastPosition = String(server.replica.appliedPosition() + 4096);
    expect(await refusal("ListRooms", { atLeastPosition }, token)).toContain("unavailable");
    expect(await refusal("ListRooms", { atLeastPosition: `${2n ** 60n}` }, token)).toContain(
      "invalid_argument",
    );
    const waiting = server.call("ListRooms", { atLeastPosition }, token);
    server.replica.applyNow([]);
    const { body } = await waiting;
    expect(BigInt(body["position"])).toBeGreaterThanOrEqual(BigInt(atLeastPosition));
  });

  it("answer UNAVAILABLE with a time to wait where nobody leads", async () => {
    await start();
    const token = await server.enter("ada");
    server.replica.hasLeader = false;
    const answer = await server.call("CreateRoom", { name: "deck" }, token);
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(answer.body["message"]).toBe("Nobody leads.");
  });

  it("end at the caller's own deadline", async () => {
    await start();
    const token = await server.enter("ada");
    server.replica.holdsAnswers = true;
    const api = createClient(ChatService, createGrpcTransport({ baseUrl: server.url }));
    const call = api.createRoom({ name: "deck" }, { ...bearer(token), timeoutMs: 30 });
    expect((await failureOf(call)).code).toBe(Code.DeadlineExceeded);
  });
});

describe("pages", () => {
  it("of a timeline are cut to half a frame from the end that the reader begins with", async () => {
    await start();
    const token = await server.enter("ada");
    const body = "x".repeat(16_384);
    const sends = Array.from({ length: 40 }, () =>
      server.call("SendMessage", { room: { name: "@ada" }, body }, token),
    );
    await Promise.all(sends);
    const read = async (ask: object) => {
      const answer = await server.call(
        "ReadTimeline",
        { room: { name: "@ada" }, limit: 500, ...ask },
        token,
      );
      return answer.body["items"].map((item: { number: number }) => item.number);
    };
    const newest = await read({});
    expect([newest.length, newest.at(-1)]).toEqual([31, 40]);
    const oldest = await read({ afterNumber: 1 });
    expect([oldest.length, oldest[0]]).toEqual([31, 2]);
    expect(await refusal("ReadTimeline", { room: { name: "@ada" }, limit: 501 }, token)).toContain(
      "REJECTION_CODE_TOO_LARGE",
    );
  });
});
