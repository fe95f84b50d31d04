// What a lost disk had, brought in by an operator: once, as it was, and never under somebody else's
// name.
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, expect, it } from "vitest";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { startServer, type TestServer } from "./harness.contract.ts";
import { operatorToken } from "./operator-token.ts";

const operator = operatorToken(new Uint8Array(32).fill(7));

let server: TestServer;
afterEach(() => server.close());

interface Lost {
  readonly body: string;
  readonly userId?: number;
  readonly roomId?: number;
  readonly author?: string;
  readonly room?: string;
}

/** An item as JSON. Person 1 is ada, whose own room is room 1. */
function item({ body, userId = 1, roomId = 1, author = "ada", room = "@ada" }: Lost) {
  const id = Buffer.alloc(16, body);
  const content = { case: "sendMessage", value: { roomId, body } } as const;
  const command = create(CommandSchema, { id, userId, sessionId: 0, body: content });
  return {
    command: Buffer.from(toBinary(CommandSchema, command)).toString("base64"),
    timestampMs: "1600000000000",
    commitIndex: "3",
    authorUsername: author,
    roomName: room,
  };
}

async function importItems(items: readonly object[], token: string | undefined = operator) {
  return await server.call("cluster.v1.AdminService/ImportHeld", { items }, token);
}

it("takes messages in their order, with the time of their writing, and only once", async () => {
  server = await startServer();
  await server.enter("ada");
  const items = ["one", "two", "three"].map((body) => item({ body }));
  expect((await importItems(items)).body).toEqual({ accepted: 3 });
  expect((await importItems(items)).body).toEqual({ already: 3 });
  const more = [...items, item({ body: "four" })];
  expect((await importItems(more)).body).toEqual({ accepted: 1, already: 3 });
  const ask = { room: { roomId: 1 }, beforeNumber: 0, afterNumber: 0, limit: 10 };
  const timeline = server.replica.chat.readTimeline(1, ask);
  if ("kind" in timeline) throw new Error(timeline.message);
  const written = timeline.items.flatMap(({ content, writtenMs }) =>
    content.case === "body" ? [[content.value, Number(writtenMs)]] : [],
  );
  expect(written).toEqual(["one", "two", "three", "four"].map((body) => [body, 1_600_000_000_000]));
});

it("refuses what would be somebody else's here, one by one", async () => {
  server = await startServer();
  await server.enter("ada");
  await server.enter("bob");
  const { body } = await importItems([
    item({ body: "a", userId: 2 }),
    item({ body: "b", userId: 9, author: "eve" }),
    item({ body: "c", roomId: 2 }),
    item({ body: "d", roomId: 9, room: "lost" }),
    { ...item({ body: "e" }), command: "AAAA" },
    item({ body: "f" }),
    item({ body: "g", roomId: 2, room: "@bob" }),
  ]);
  expect(body["accepted"]).toBe(1);
  expect(body["refused"]).toEqual([
    { reason: "Person 2 is bob here, but was ada there." },
    { item: 1, reason: "There is no eve here under the id 9." },
    { item: 2, reason: "Room 2 is @bob here, but was @ada there." },
    { item: 3, reason: "There is no room lost here under the id 9." },
    { item: 4, reason: "It is no message." },
  ]);
  expect(body["setAside"]).toMatchObject([{ item: 6 }]);
});

it("is for operators, for so many at once, and not for an island", async () => {
  server = await startServer();
  await server.enter("ada");
  expect((await importItems([], await server.enter("bob"))).status).toBe(401);
  const many = Array.from({ length: 257 }, (_, i) => item({ body: `m${i}` }));
  expect((await importItems(many)).body["message"]).toContain("at most 256");
  expect((await importItems(many.slice(1))).body).toEqual({ accepted: 256 });
  server.replica.island.open();
  expect((await importItems([item({ body: "late" })])).status).toBe(503);
  server.replica.island.close();
  expect((await importItems([item({ body: "late" })])).body).toEqual({ accepted: 1 });
});
