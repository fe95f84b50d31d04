// That the bytes between replicas are gRPC: framing by itself, and connect-es as the other side of
// each stream.
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { Random } from "../base/random.ts";
import {
  type PeerEnvelope,
  PeerEnvelopeSchema,
  PeerService,
} from "../proto/gen/cluster/v1/peer_pb.js";
import { eventually } from "../testing/index.ts";
import { decodeStatus, EnvelopeReader, encodeEnvelope, encodeStatus } from "./grpc-wire.ts";
import { HostClock } from "./host-clock.ts";
import type { IncomingCall } from "./incoming-call.ts";
import { PeerCall } from "./peer-call.ts";
import { PeerListener } from "./peer-listener.ts";
import { defaultTransportLimits } from "./transport-limits.ts";

const clock = new HostClock();
const limits = defaultTransportLimits;

/** Reads until the reader has no more; payloads, and the error where there was one. */
function readAll(reader: EnvelopeReader): (Uint8Array | Code)[] {
  const found: (Uint8Array | Code)[] = [];
  for (let next = reader.next(); next !== undefined; next = reader.next()) {
    if ("error" in next) return [...found, next.error.code];
    found.push(next.payload);
  }
  return found;
}

describe("an envelope reader", () => {
  test("finds the same payloads however the bytes are cut", () => {
    const random = new Random(7);
    for (let round = 0; round < 50; round += 1) {
      const payloads = Array.from({ length: 8 }, () =>
        new Uint8Array(random.nextInteger(0, 400)).map(() => random.nextInteger(0, 256)),
      );
      const bytes = Buffer.concat(payloads.map((payload) => encodeEnvelope(payload)));
      const reader = new EnvelopeReader(400);
      const found: (Uint8Array | Code)[] = [];
      for (let offset = 0; offset < bytes.length; ) {
        const end = Math.min(bytes.length, offset + random.nextInteger(1, 700));
        reader.push(bytes.subarray(offset, end));
        found.push(...readAll(reader));
        offset = end;
      }
      expect(found).toEqual(payloads);
    }
  });

  test.each([0, 1, 127, 128, 16_384, 300_000])(
    "writes what the encoder does, %i bytes",
    (length) => {
      const payload = new Uint8Array(length).fill(7);
      const message = toBinary(PeerEnvelopeSchema, create(PeerEnvelopeSchema, { payload }));
      expect(encodeEnvelope(payload).subarray(5)).toEqual(message);
    },
  );

  test("takes a payload of the largest size and refuses one byte more before it has come", () => {
    const reader = new EnvelopeReader(1000);
    reader.push(encodeEnvelope(new Uint8Array(1000)));
    expect(readAll(reader)).toHaveLength(1);
    const large = encodeEnvelope(new Uint8Array(1010));
    reader.push(large.subarray(0, 5));
    expect(readAll(reader)).toEqual([Code.ResourceExhausted]);
  });

  test.each([
    ["a compressed message", [1, 0, 0, 0, 0], Code.Unimplemented],
    ["what is no Protobuf message", [0, 0, 0, 0, 2, 0xff, 0xff], Code.InvalidArgument],
  ])("refuses %s", (_what, bytes, code) => {
    const reader = new EnvelopeReader(1000);
    reader.push(Uint8Array.from(bytes));
    expect(readAll(reader)).toEqual([code]);
  });
});

describe("a status", () => {
  test.each(["plain", "100 % “quoted”\nlines", ""])("comes back as it was: %j", (message) => {
    const status = { code: Code.Aborted, message };
    expect(decodeStatus(encodeStatus(status) as Record<string, string>)).toEqual(status);
  });

  test("is absent from other headers, and unknown where its code is", () => {
    expect(decodeStatus({ ":status": "200" } as never)).toBeUndefined();
    expect(decodeStatus({ "grpc-status": "77", "grpc-message": "%zz" })).toEqual({
      code: Code.Unknown,
      message: "%zz",
    });
  });
});

describe("a client of connect-es", () => {
  async function listen(judge: "accepted" | "refused") {
    const received: string[] = [];
    const calls: IncomingCall[] = [];
    const listener = new PeerListener({
      clock,
      limits,
      judgeCall: (call, hello) => {
        received.push(`hello ${Buffer.from(hello)}`);
        if (judge === "refused") return { kind: "refused", reason: "wrong cluster “b”" };
        calls.push(call);
        call.receive((frame) => received.push(Buffer.from(frame).toString()));
        return { kind: "accepted", answer: Buffer.from("me") };
      },
    });
    const port = await listener.listen("127.0.0.1", 0);
    onTestFinished(() => listener.close());
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` });
    return { received, calls, client: createClient(PeerService, transport) };
  }

  async function* envelopes(...payloads: string[]): AsyncGenerator<PeerEnvelope> {
    for (const payload of payloads) {
      yield create(PeerEnvelopeSchema, { payload: Buffer.from(payload) });
    }
    // Stays open, as a peer's stream does, until the other side ends the call.
    await new Promise(() => {});
  }

  test("can call: its frames arrive, and it reads our hello and why the call ended", async () => {
    const { client, received, calls } = await listen("accepted");
    const answers = client.exchange(envelopes("you", "one", "two"))[Symbol.asyncIterator]();
    const first = await answers.next();
    expect(Buffer.from(first.value.payload).toString()).toBe("me");
    await eventually("both frames", () => received.length === 3);
    expect(received).toEqual(["hello you", "one", "two"]);
    calls[0]?.end("replaced");
    const error = await answers.next().then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    expect(error?.code).toBe(Code.Aborted);
    expect(error?.rawMessage).toBe("replaced");
  });

  test("reads why it was refused", async () => {
    const { client } = await listen("refused");
    const answers = client.exchange(envelopes("you"))[Symbol.asyncIterator]();
    const error = ConnectError.from(await answers.next().catch((reason: unknown) => reason));
    expect(error.code).toBe(Code.FailedPrecondition);
    expect(error.rawMessage).toBe("wrong cluster “b”");
  });
});

describe("a server of connect-es", () => {
  async function serve(exchange: (requests: AsyncIterable<PeerEnvelope>) => AsyncIterable<object>) {
    const handler = connectNodeAdapter({
      routes: (router) => router.service(PeerService, { exchange }),
    });
    const server = createServer((request, response) => handler(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const events: string[] = [];
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const call = new PeerCall(
      { address, hello: Buffer.from("you"), clock, limits },
      {
        handleAnswer: (hello) => events.push(`answer ${Buffer.from(hello)}`),
        handleEnded: (end) => events.push(`${end.kind} ${end.reason}`),
      },
    );
    onTestFinished(() => call.end());
    return { call, events };
  }

  test("can be called: it reads our frames, and we its hello and why it ended the call", async () => {
    const received: string[] = [];
    const { call, events } = await serve(async function* (requests) {
      for await (const { payload } of requests) {
        received.push(Buffer.from(payload).toString());
        if (received.length === 1) yield { payload: Buffer.from("me") };
        if (received.length === 3) throw new ConnectError("enough", Code.Aborted);
      }
    });
    await eventually("the answer", () => events.length === 1);
    expect(call.send(Buffer.from("one"))).toBe(true);
    expect(call.send(Buffer.from("two"))).toBe(true);
    await eventually("the end", () => events.length === 2);
    expect(received).toEqual(["you", "one", "two"]);
    expect(events).toEqual(["answer me", "broken enough"]);
    expect(call.send(Buffer.from("three"))).toBe(false);
  });

  test("can refuse the call", async () => {
    const { events } = await serve(async function* () {
      yield* [];
      throw new ConnectError("wrong cluster", Code.FailedPrecondition);
    });
    await eventually("the end", () => events.length === 1);
    expect(events).toEqual(["refused wrong cluster"]);
  });

  test("breaks the call when it sends more than its hello", async () => {
    const { events } = await serve(async function* () {
      yield { payload: Buffer.from("me") };
      yield { payload: Buffer.from("more") };
    });
    await eventually("the end", () => events.length === 2);
    expect(events).toEqual(["answer me", "broken more than a hello came back"]);
  });
});
