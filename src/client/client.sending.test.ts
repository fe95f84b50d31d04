// Messages from send to receipt, over breaks, refusals and restarts (K1, R4, R6).
import { beforeEach, describe, expect, test } from "vitest";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { ClientRig, sendAll, watch } from "./client-rig.test-support.ts";
import { RejectedError } from "./errors.ts";
import type { FakeCluster } from "./fake-cluster.test-support.ts";
import { refusal } from "./fake-history.test-support.ts";
import { outboxMessagesMax } from "./limits.ts";
import { seededRandom } from "./manual-clock.test-support.ts";
import { createMemoryOutboxStore, type OutboxStore } from "./outbox-store.ts";
import { untilStored } from "./types.ts";

let rig: ClientRig;
let cluster: FakeCluster;

beforeEach(() => {
  rig = new ClientRig();
  cluster = rig.cluster;
});

describe("sending", () => {
  test("K1: a message gets a receipt with its place and the number of disks", async () => {
    const client = await rig.makeInRoom();
    const [sent] = sendAll(client, ["hello"]);
    await cluster.settle();
    expect(sent?.value).toMatchObject({ roomId: 1, number: 2, disks: 3, repeated: false });
    expect(sent?.value?.commandId).toMatch(/^[0-9a-f]{32}$/);
    expect(cluster.bodiesOf(1)).toEqual(["hello"]);
  });

  test("what is asked in one turn travels in one frame", async () => {
    const client = await rig.makeInRoom();
    const before = cluster.frames;
    sendAll(
      client,
      Array.from({ length: 100 }, (_, i) => `message ${i}`),
    );
    void client.listRooms();
    await cluster.settle();
    expect(cluster.frames - before).toBe(1);
    expect(cluster.bodiesOf(1).length).toBe(100);
  });

  test("frames stay below the servers' limit, however much is written at once", async () => {
    const client = await rig.makeInRoom();
    const before = cluster.frames;
    const body = "x".repeat(16_384);
    sendAll(
      client,
      Array.from({ length: 200 }, () => body),
    );
    await cluster.settle();
    expect(cluster.frames - before).toBeGreaterThanOrEqual(6);
    expect(cluster.bodiesOf(1).length).toBe(200);
  });

  test("K1: after a break, what has no receipt is sent again under its id, in order", async () => {
    const client = await rig.makeInRoom();
    const bodies = ["one", "two", "three"];
    const sent = sendAll(client, bodies);
    cluster.clock.runSoon();
    cluster.step(1);
    // The server has applied them, and dies before its replies arrive.
    cluster.kill(cluster.server(1));
    await cluster.settle();
    expect(sent.map(({ value }) => [value?.number, value?.repeated])).toEqual([
      [2, true],
      [3, true],
      [4, true],
    ]);
    expect(cluster.bodiesOf(1)).toEqual(bodies);
    const ids = rig
      .requestsOf("sendMessage")
      .map(({ request }) =>
        request.body.case === "sendMessage" ? request.body.value.commandId.join() : "",
      );
    expect(ids.slice(3)).toEqual(ids.slice(0, 3));
    expect(new Set(ids).size).toBe(3);
  });

  test("K1: what never left the machine is sent once a server is found", async () => {
    const client = await rig.makeInRoom();
    for (const server of cluster.servers) cluster.kill(server);
    const sent = sendAll(client, ["one", "two"]);
    await cluster.run(1_000);
    expect(sent[0]?.value).toBeUndefined();
    expect(client.store.getState().pending.map(({ body }) => body)).toEqual(["one", "two"]);
    cluster.server(3).mode = "up";
    await cluster.run(10_000);
    expect(sent.map(({ value }) => value?.number)).toEqual([2, 3]);
    expect(client.store.getState().pending).toEqual([]);
  });

  test("R4: a message refused for lack of a leader keeps its place before later ones", async () => {
    const client = await rig.makeInRoom();
    let refusals = 2;
    cluster.server(1).script = ({ body }) =>
      body.case === "sendMessage" && body.value.body === "two" && refusals-- > 0
        ? refusal(RejectionCode.UNAVAILABLE, 40)
        : undefined;
    const sent = sendAll(client, ["one", "two"]);
    await cluster.settle();
    expect(sent.map(({ value }) => value?.number)).toEqual([2, undefined]);
    const later = sendAll(client, ["three", "four"]);
    await cluster.settle();
    expect(later[0]?.value).toBeUndefined();
    await cluster.run(1_000);
    expect(cluster.bodiesOf(1)).toEqual(["one", "two", "three", "four"]);
    expect([...sent, ...later].map(({ value }) => value?.number)).toEqual([2, 3, 4, 5]);
  });

  test("what was refused for now waits until all that was sent with it is answered", async () => {
    const client = await rig.makeInRoom();
    let refused = false;
    cluster.server(1).script = ({ body }) => {
      if (body.case !== "sendMessage" || refused) return undefined;
      if (body.value.body === "two") return "silence";
      refused = body.value.body === "three";
      return refusal(RejectionCode.UNAVAILABLE, 10);
    };
    sendAll(client, ["one", "two", "three"]);
    await cluster.run(900);
    expect(rig.requestsOf("sendMessage").length).toBe(3);
    const requestId = rig.requestsOf("sendMessage")[1]?.request.requestId ?? 0;
    const body = refusal(RejectionCode.UNAVAILABLE, 10);
    cluster.sendFrame({ replies: [{ $typeName: "chat.v1.Reply", requestId, body }] });
    await cluster.run(100);
    expect(cluster.bodiesOf(1)).toEqual(["one", "two", "three"]);
  });

  test("an overloaded server is left alone for as long as it asks", async () => {
    const client = await rig.makeInRoom();
    let refused = false;
    cluster.server(1).script = ({ body }) => {
      if (body.case !== "sendMessage" || refused) return undefined;
      refused = true;
      return refusal(RejectionCode.OVERLOADED, 400);
    };
    const [sent] = sendAll(client, ["one"]);
    await cluster.run(399);
    expect(rig.requestsOf("sendMessage").length).toBe(1);
    await cluster.run(110);
    expect(sent?.value?.number).toBe(2);
  });

  test("R6: a server that is without a leader again and again is left for another", async () => {
    const client = await rig.makeInRoom();
    cluster.server(1).script = ({ body }) =>
      body.case === "sendMessage" ? refusal(RejectionCode.UNAVAILABLE, 10) : undefined;
    const [sent] = sendAll(client, ["one"]);
    await cluster.run(500);
    expect(sent?.value?.number).toBe(2);
    expect(cluster.connectedServer()?.serverId).not.toBe(1);
  });

  test("a server that answers pings but no messages is left for another", async () => {
    const client = await rig.makeInRoom();
    cluster.server(1).script = ({ body }) => (body.case === "sendMessage" ? "silence" : undefined);
    const [sent] = sendAll(client, ["one"]);
    await cluster.run(9_000);
    expect(sent?.value).toBeUndefined();
    expect(cluster.connectedServer()?.serverId).toBe(1);
    await cluster.run(2_000);
    expect(sent?.value?.number).toBe(2);
  });

  test("a refused message leaves the outbox with an error, the others go on", async () => {
    const client = await rig.makeInRoom();
    const refused: string[] = [];
    client.on("refused", ({ message, error }) => refused.push(`${message.body}: ${error.code}`));
    const one = watch(client.send({ room: "general", body: "one" }).then(untilStored));
    const two = watch(client.send({ room: "elsewhere", body: "two" }));
    const three = watch(client.send({ room: "general", body: "three" }).then(untilStored));
    await cluster.settle();
    expect(two.error).toBeInstanceOf(RejectedError);
    expect(two.error).toMatchObject({ code: "UNKNOWN_ROOM", retryAfterMs: 0 });
    expect([one.value?.number, three.value?.number]).toEqual([2, 3]);
    expect(refused).toEqual(["two: UNKNOWN_ROOM"]);
    expect(client.store.getState().pending).toEqual([]);
  });

  test("a second receipt for the same request is ignored", async () => {
    const client = await rig.makeInRoom();
    const stored: string[] = [];
    client.on("stored", ({ message }) => stored.push(message.body));
    sendAll(client, ["one"]);
    cluster.clock.runSoon();
    cluster.step(1);
    const reply = rig.requestsOf("sendMessage")[0]?.request.requestId ?? 0;
    await cluster.settle();
    cluster.sendFrame({
      replies: [
        { $typeName: "chat.v1.Reply", requestId: reply, body: refusal(RejectionCode.NOT_A_MEMBER) },
      ],
    });
    await cluster.settle();
    expect(stored).toEqual(["one"]);
  });

  test.each([
    ["", "general", "INVALID_ARGUMENT"],
    ["x".repeat(16_385), "general", "TOO_LARGE"],
    ["é".repeat(8_193), "general", "TOO_LARGE"],
    ["\ud800", "general", "INVALID_ARGUMENT"],
    ["hello", "", "INVALID_ARGUMENT"],
    ["hello", "\udc00", "INVALID_ARGUMENT"],
    ["hello", "r".repeat(2_000), "TOO_LARGE"],
    ["hello", 0, "INVALID_ARGUMENT"],
    ["hello", 1.5, "INVALID_ARGUMENT"],
  ])(
    "S6: what could spoil a frame is refused before it is sent (case %#)",
    async (body, room, code) => {
      const client = await rig.makeInRoom();
      const sent = watch(client.send({ room, body }));
      await cluster.settle();
      expect(sent.error?.code).toBe(code);
      expect(rig.requestsOf("sendMessage")).toEqual([]);
    },
  );

  test("a full outbox says so", async () => {
    const client = rig.make();
    const sent = sendAll(
      client,
      Array.from({ length: outboxMessagesMax + 1 }, () => "x"),
    );
    await cluster.settle();
    expect(sent.at(-1)?.error).toMatchObject({ code: "OVERLOADED" });
    expect(sent.at(-2)?.error).toBeUndefined();
  });
});

describe("the persistent outbox", () => {
  test("K1: what was not sent survives a restart and is sent once, in order", async () => {
    const outbox = createMemoryOutboxStore();
    const before = await rig.makeInRoom({ outbox });
    for (const server of cluster.servers) cluster.kill(server);
    sendAll(before, ["one", "two"]);
    await before.stop();
    for (const server of cluster.servers) server.mode = "up";

    const after = rig.make({ outbox, random: seededRandom(2) });
    const stored: string[] = [];
    after.on("stored", ({ message }) => stored.push(message.body));
    const three = watch(after.send({ room: "general", body: "three" }).then(untilStored));
    after.start();
    await cluster.settle();
    expect(cluster.bodiesOf(1)).toEqual(["one", "two", "three"]);
    expect(three.value?.number).toBe(4);
    expect(stored).toEqual(["one", "two", "three"]);
    expect(await outbox.load()).toEqual([]);
  });

  test("K1: what a server had stored before the restart is not stored again", async () => {
    const outbox = createMemoryOutboxStore();
    const before = await rig.makeInRoom({ outbox });
    sendAll(before, ["one"]);
    cluster.clock.runSoon();
    cluster.step(1);
    expect(cluster.bodiesOf(1)).toEqual(["one"]);
    await before.stop();

    const after = rig.make({ outbox, random: seededRandom(2) });
    after.start();
    await cluster.settle();
    expect(cluster.bodiesOf(1)).toEqual(["one"]);
    expect(await outbox.load()).toEqual([]);
  });

  test("a store that fails is told of, and messages are sent all the same", async () => {
    const failing: OutboxStore = {
      load: () => Promise.reject(new Error("unreadable")),
      save: () => Promise.reject(new Error("disk full")),
      remove: () => {
        throw new Error("gone");
      },
    };
    const client = rig.make({ outbox: failing });
    const failures: unknown[] = [];
    client.on("outboxFailed", ({ error }) => failures.push((error as Error).message));
    client.start();
    const created = client.createRoom("general");
    await cluster.settle();
    await created;
    const [sent] = sendAll(client, ["one"]);
    await cluster.settle();
    expect(sent?.value?.number).toBe(2);
    expect(failures.sort()).toEqual(["disk full", "gone", "unreadable"]);
  });

  test("entries of the store that are no messages are skipped", async () => {
    const outbox = createMemoryOutboxStore();
    outbox.save({ commandId: "nonsense", room: "general", body: "x", writtenAtMs: 0 });
    const client = await rig.makeInRoom({ outbox });
    expect(client.store.getState().pending).toEqual([]);
    expect(cluster.bodiesOf(1)).toEqual([]);
  });
});
