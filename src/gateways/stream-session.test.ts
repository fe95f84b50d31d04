// The session stream over gRPC, and what is different there from the WebSocket: half-closed calls,
// statuses, queues.
import { connect as connectHttp2 } from "node:http2";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import {
  ChatService,
  ClientFrameSchema,
  RejectionCode,
  type ServerFrame,
} from "../proto/gen/chat/v1/api_pb.js";
import { byId, byName, startServer, type TestServer } from "./harness.contract.ts";
import type { GatewayLimits } from "./limits.ts";

let server: TestServer;
afterEach(() => server.close());

async function start(limits: Partial<GatewayLimits> = {}): Promise<TestServer> {
  server = await startServer(limits);
  return server;
}

type FrameInit = MessageInitShape<typeof ClientFrameSchema>;

/** One call of Session, with everything that came back. */
class Call {
  readonly frames: ServerFrame[] = [];
  readonly ended: Promise<ConnectError | undefined>;
  #queue: (FrameInit | undefined)[] = [];
  #wake: () => void = () => {};

  constructor(kind: "gRPC" | "Connect") {
    const options = { baseUrl: server.url, httpVersion: "2" } as const;
    const transport =
      kind === "gRPC" ? createGrpcTransport(options) : createConnectTransport(options);
    const responses = createClient(ChatService, transport).session(this.#requests());
    this.ended = (async () => {
      try {
        for await (const frame of responses) this.frames.push(frame);
        return undefined;
      } catch (error) {
        return ConnectError.from(error);
      }
    })();
  }

  send(...requests: NonNullable<FrameInit["requests"]>): void {
    this.#queue.push({ requests });
    this.#wake();
  }

  /** The client will say no more. */
  halfClose(): void {
    this.#queue.push(undefined);
    this.#wake();
  }

  replies() {
    return this.frames.flatMap(({ replies }) => replies);
  }

  bodies(): string[] {
    return this.frames
      .flatMap(({ events }) => events)
      .flatMap(({ body }) =>
        body.case === "item" && body.value.content.case === "body"
          ? [body.value.content.value]
          : [],
      );
  }

  async *#requests(): AsyncGenerator<FrameInit> {
    for (;;) {
      while (this.#queue.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const frame = this.#queue.shift();
      if (frame === undefined) return;
      yield frame;
    }
  }
}

const hello = (token: string, subscribe = true) =>
  ({ requestId: 1, body: { case: "hello", value: { token, subscribe } } }) as const;

const send = (requestId: number, body: string) =>
  ({ requestId, body: { case: "sendMessage", value: { room: byName("@ada"), body } } }) as const;

describe.each(["gRPC", "Connect"] as const)("the session over %s (K4)", (kind) => {
  it("greets, answers, and delivers live", async () => {
    await start();
    const call = new Call(kind);
    call.send(hello(await server.enter("ada")));
    await expect.poll(() => call.replies().length).toBe(1);
    expect(call.replies()[0]?.body.case).toBe("welcome");
    call.send(send(2, "a"), send(3, "b"));
    await expect.poll(() => call.bodies()).toEqual(["a", "b"]);
    await expect.poll(() => call.replies().length).toBe(3);
    expect(call.frames.every(({ cursor }) => cursor.length === 16)).toBe(true);
    call.halfClose();
    await server.gateway.close({ graceMs: 1_000 });
    expect((await call.ended)?.code).toBe(Code.Unavailable);
  });

  it("ends well when a client that takes no events has said all and has its answers", async () => {
    await start();
    const call = new Call(kind);
    call.send(hello(await server.enter("ada"), false), send(2, "a"));
    call.halfClose();
    expect(await call.ended).toBeUndefined();
    expect(call.replies().map(({ body }) => body.case)).toEqual(["welcome", "sendMessage"]);
  });

  it("goes on delivering to a client that has said all but takes events", async () => {
    await start();
    const token = await server.enter("ada");
    const call = new Call(kind);
    call.send(hello(token));
    call.halfClose();
    await expect.poll(() => call.replies().length).toBe(1);
    await server.call("SendMessage", { room: { name: "@ada" }, body: "late" }, token);
    await expect.poll(() => call.bodies()).toEqual(["late"]);
  });

  it("ends with a goodbye and the fitting status when the session is ended", async () => {
    await start();
    const token = await server.enter("ada");
    const call = new Call(kind);
    call.send(hello(token));
    await expect.poll(() => call.replies().length).toBe(1);
    await server.call("LogOut", {}, token);
    expect((await call.ended)?.code).toBe(Code.Unauthenticated);
    const notices = call.frames.flatMap(({ notices }) => notices);
    expect(notices[0]?.body.value).toMatchObject({ code: RejectionCode.UNAUTHENTICATED });
  });

  it("refuses a request before the hello", async () => {
    await start();
    const call = new Call(kind);
    call.send(send(1, "a"));
    expect((await call.ended)?.code).toBe(Code.Unauthenticated);
    expect(server.replica.proposals).toBe(0);
  });
});

describe("raw gRPC (S6)", () => {
  function open(contentType = "application/grpc") {
    const connection = connectHttp2(server.url);
    const stream = connection.request({
      ":method": "POST",
      ":path": "/chat.v1.ChatService/Session",
      "content-type": contentType,
      te: "trailers",
    });
    const seen = { status: 0, grpcStatus: "", bytes: 0 };
    stream.on("response", (headers) => {
      seen.status = Number(headers[":status"]);
      seen.grpcStatus = String(headers["grpc-status"] ?? "");
    });
    stream.on("trailers", (trailers) => {
      seen.grpcStatus = String(trailers["grpc-status"] ?? "");
    });
    stream.on("error", () => {});
    const closed = new Promise<typeof seen>((resolve) => {
      stream.on("close", () => {
        connection.close();
        resolve(seen);
      });
    });
    return { stream, closed, seen };
  }

  const envelope = (message: Uint8Array) => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    return Buffer.concat([head, message]);
  };

  it("says invalid argument to bytes that are no frame, and to invalid UTF-8", async () => {
    await start();
    const token = await server.enter("ada");
    const bad = Buffer.from(
      toBinary(ClientFrameSchema, create(ClientFrameSchema, { requests: [send(2, "??")] })),
    );
    bad.set([0xc3, 0x28], bad.indexOf("??"));
    for (const bytes of [new Uint8Array([0xff]), bad]) {
      const { stream, closed } = open();
      stream.resume();
      const first = create(ClientFrameSchema, { requests: [hello(token)] });
      stream.write(envelope(toBinary(ClientFrameSchema, first)));
      stream.write(envelope(bytes));
      expect((await closed).grpcStatus).toBe(String(Code.InvalidArgument));
    }
    expect((await server.call("ListServers", {})).status).toBe(200);
  });

  it("refuses a frame over the limit, and JSON frames with 415", async () => {
    await start({ frameBytesMax: 10_000 });
    const { stream, closed } = open();
    stream.resume();
    stream.write(envelope(new Uint8Array(10_001)));
    expect((await closed).grpcStatus).toBe(String(Code.ResourceExhausted));
    const json = open("application/grpc+json");
    json.stream.resume();
    json.stream.end();
    expect((await json.closed).status).toBe(415);
  });

  it("cuts off a client that never reads, and serves the others", async () => {
    await start({ sessionQueueBytesMax: 200_000, lingerMs: 50 });
    const token = await server.enter("ada");
    const reader = await server.connect();
    await reader.hello(await server.enter("bob"));
    await reader.ask({ case: "joinRoom", value: { room: byName("@ada") } });
    const { stream, closed, seen } = open();
    const first = create(ClientFrameSchema, { requests: [hello(token)] });
    stream.write(envelope(toBinary(ClientFrameSchema, first)));
    await new Promise((resolve) => stream.once("readable", resolve));
    const body = "x".repeat(16_000);
    for (let i = 1; i <= 100; i++) {
      server.replica.applyNow([
        {
          id: crypto.getRandomValues(new Uint8Array(16)),
          userId: 1,
          sessionId: 1,
          body: { case: "sendMessage", value: { roomId: byId(1).room.value, body } },
        },
      ]);
      await reader.until(() => reader.bodies().length === i);
    }
    stream.on("data", (chunk: Buffer) => {
      seen.bytes += chunk.length;
    });
    await closed;
    expect(seen.bytes).toBeLessThan(100 * body.length);
    expect(reader.goodbyes).toEqual([]);
  });
});
