// Messages without a majority: held, shown, merged, set aside; and the way to another server that
// has one (R8, K1).
import { beforeEach, describe, expect, test } from "vitest";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import type { Client } from "./client.ts";
import { ClientRig, sendAll, texts, watch } from "./client-rig.test-support.ts";
import type { FakeCluster } from "./fake-cluster.test-support.ts";
import { refusal } from "./fake-history.test-support.ts";
import { mergeWaitMs } from "./limits.ts";
import type { Timeline } from "./live-timelines.ts";
import { seededRandom } from "./manual-clock.test-support.ts";
import { createMemoryOutboxStore } from "./outbox-store.ts";

let rig: ClientRig;
let cluster: FakeCluster;

beforeEach(() => {
  rig = new ClientRig();
  cluster = rig.cluster;
});

function heldIn(timeline: Timeline): string[] {
  return timeline.held().map(({ body }) => body);
}

function pendingOf(client: Client): string[] {
  const { pending } = client.store.getState();
  return pending.map(({ body, held }) => (held ? `${body} (held)` : body));
}

function send(client: Client, body: string) {
  return watch(client.send({ room: "general", body }));
}

/** How many times a message was sent to a server. */
function asksOf(body: string): number {
  return cluster.requests.filter(({ request }) => bodyOf(request) === body).length;
}

function bodyOf(request: (typeof cluster.requests)[number]["request"]): string | undefined {
  return request.body.case === "sendMessage" ? request.body.value.body : undefined;
}

describe("island mode", () => {
  test("R8: a message is held, and its receipt becomes stored when the island has healed", async () => {
    const client = await rig.makeInRoom();
    const island = cluster.openIsland(cluster.server(1));
    const sent = send(client, "one");
    await cluster.settle();
    expect(sent.value).toMatchObject({ status: "held", roomId: 1, disks: 1 });
    const receipt = sent.value;
    if (receipt?.status !== "held") throw new Error("it is not held");
    const stored = watch(receipt.stored);
    await cluster.run(60_000);
    expect(stored.value).toBeUndefined();
    expect(asksOf("one")).toBe(1);
    cluster.closeIsland(island);
    await cluster.settle();
    expect(stored.value).toMatchObject({ status: "stored", number: 2, repeated: true, disks: 3 });
    expect(stored.value?.commandId).toBe(receipt.commandId);
    expect(cluster.bodiesOf(1)).toEqual(["one"]);
  });

  test("R8: held messages are shown behind the items, and replaced by items", async () => {
    const client = await rig.makeInRoom();
    sendAll(client, ["before"]);
    const timeline = await rig.settled(client.openRoom("general"));
    const island = cluster.openIsland(cluster.server(1));
    send(client, "one");
    send(client, "two");
    expect(pendingOf(client)).toEqual(["one", "two"]);
    await cluster.settle();
    expect([texts(timeline.items()), heldIn(timeline)]).toEqual([["before"], ["one", "two"]]);
    expect(client.store.getState().timelines.get(1)?.held).toBe(timeline.held());
    expect(pendingOf(client)).toEqual([]);
    const writtenMs = cluster.clock.wallMs();
    await cluster.run(5_000);
    cluster.closeIsland(island);
    await cluster.settle();
    expect([texts(timeline.items()), heldIn(timeline)]).toEqual([["before", "one", "two"], []]);
    expect(timeline.items().at(-1)).toMatchObject({ writtenMs, timestampMs: writtenMs + 5_000 });
    expect(timeline.items()[0]).not.toHaveProperty("writtenMs");
    expect(pendingOf(client)).toEqual([]);
  });

  test("others' messages are told once as held, over changes of server", async () => {
    const ada = await rig.makeInRoom();
    const bob = rig.make({ token: "token-bob", random: seededRandom(3) });
    bob.start();
    await rig.settled(bob.joinRoom("general"));
    const timeline = await rig.settled(bob.openRoom("general"));
    const heard: string[] = [];
    bob.on("held", ({ body, authorUsername }) => heard.push(`${authorUsername}: ${body}`));
    cluster.openIsland(...cluster.servers);
    send(ada, "one");
    await cluster.settle();
    cluster.kill(cluster.server(1));
    send(ada, "two");
    await cluster.settle();
    expect(heard).toEqual(["ada: one", "ada: two"]);
    expect(heldIn(timeline)).toEqual(["one", "two"]);
  });

  test("what is held is shown when a room is opened, and in pages of the newest", async () => {
    const client = await rig.makeInRoom();
    cluster.openIsland(...cluster.servers);
    send(client, "one");
    await cluster.settle();
    expect(pendingOf(client)).toEqual(["one (held)"]);
    const timeline = await rig.settled(client.openRoom("general"));
    expect(heldIn(timeline)).toEqual(["one"]);
    expect(pendingOf(client)).toEqual([]);
    const page = await rig.settled(client.readTimeline({ room: 1 }));
    expect(page.held.map(({ body }) => body)).toEqual(["one"]);
    expect((await rig.settled(client.readTimeline({ room: 1, afterNumber: 1 }))).held).toEqual([]);
    timeline.close();
    expect(pendingOf(client)).toEqual(["one (held)"]);
  });

  test("a held message that comes while its room is being opened is not missed", async () => {
    const client = await rig.makeInRoom();
    cluster.openIsland(cluster.server(1));
    await cluster.settle();
    const opened = client.openRoom("general");
    send(client, "right behind");
    expect(heldIn(await rig.settled(opened))).toEqual(["right behind"]);
  });

  test("its beginning, size and end are told", async () => {
    const client = await rig.makeInRoom();
    const heard: unknown[] = [];
    client.on("island", (island) => heard.push(island));
    expect(client.island).toEqual({ open: false, servers: 0 });
    const island = cluster.openIsland(cluster.server(1), cluster.server(2));
    await cluster.settle();
    expect(client.store.getState().island).toEqual({ open: true, servers: 2 });
    cluster.closeIsland(island);
    await cluster.settle();
    expect(heard).toEqual([
      { open: true, servers: 2 },
      { open: false, servers: 0 },
    ]);
  });

  test("a welcome says it, too", async () => {
    cluster.openIsland(cluster.server(1));
    const client = rig.make();
    client.start();
    await cluster.settle();
    expect(client.island).toEqual({ open: true, servers: 0 });
    cluster.kill(cluster.server(1));
    await cluster.settle();
    expect(client.island).toEqual({ open: false, servers: 0 });
  });

  test("what was refused for lack of a leader is held as soon as the island begins", async () => {
    const client = await rig.makeInRoom();
    cluster.server(1).script = ({ body }) =>
      body.case === "sendMessage" ? refusal(RejectionCode.UNAVAILABLE, 5_000) : undefined;
    const sent = send(client, "one");
    await cluster.settle();
    expect(sent).toEqual({});
    const timeMs = cluster.clock.nowMs;
    cluster.server(1).script = undefined;
    cluster.openIsland(cluster.server(1));
    await cluster.settle();
    expect(sent.value?.status).toBe("held");
    expect(cluster.clock.nowMs).toBe(timeMs);
  });

  test("what needs a majority is refused with NEEDS_MAJORITY, and not tried again", async () => {
    const client = await rig.makeInRoom();
    cluster.openIsland(...cluster.servers);
    const created = watch(client.createRoom("another"));
    const sent = watch(client.send({ room: "elsewhere", body: "one" }));
    await cluster.settle();
    for (const { error } of [created, sent]) {
      expect(error).toMatchObject({ name: "RejectedError", code: "NEEDS_MAJORITY" });
    }
    expect(rig.requestsOf("createRoom").length).toBe(2);
    expect(pendingOf(client)).toEqual([]);
  });

  test("a message that may have been stored waits for a majority, others go on", async () => {
    const client = await rig.makeInRoom();
    cluster.server(1).script = ({ body }) => (body.case === "sendMessage" ? "silence" : undefined);
    const doubtful = send(client, "doubtful");
    await cluster.settle();
    for (const server of [cluster.server(2), cluster.server(3)]) {
      server.script = (request) =>
        bodyOf(request) === "doubtful" && server.island !== undefined
          ? refusal(RejectionCode.NEEDS_MAJORITY)
          : undefined;
    }
    const island = cluster.openIsland(cluster.server(2), cluster.server(3));
    cluster.kill(cluster.server(1));
    await cluster.settle();
    const other = send(client, "other");
    await cluster.run(20_000);
    expect(doubtful).toEqual({});
    expect(other.value?.status).toBe("held");
    cluster.closeIsland(island);
    await cluster.run(2 * mergeWaitMs);
    expect(doubtful.value).toMatchObject({ status: "stored" });
    expect(cluster.bodiesOf(1).sort()).toEqual(["doubtful", "other"]);
  });

  test("a room whose making may have come to be is asked for until its deadline", async () => {
    const client = await rig.makeInRoom();
    cluster.server(1).script = ({ body }) => (body.case === "createRoom" ? "silence" : undefined);
    const created = watch(client.createRoom("another"));
    await cluster.settle();
    cluster.openIsland(cluster.server(2), cluster.server(3));
    cluster.kill(cluster.server(1));
    await cluster.run(20_000);
    expect(created).toEqual({});
    await cluster.run(11_000);
    expect(created.error).toMatchObject({ code: "UNAVAILABLE" });
    expect(created.error?.message).toContain("It may still come to be");
  });
});

describe("after an island", () => {
  test("a held message goes to a server that has a majority, and is stored once", async () => {
    const client = await rig.makeInRoom();
    const island = cluster.openIsland(cluster.server(1));
    const [stored] = sendAll(client, ["one"]);
    await cluster.settle();
    cluster.kill(cluster.server(1));
    await cluster.settle();
    expect(cluster.connectedServer()?.island).toBeUndefined();
    const later = send(client, "two");
    await cluster.run(2 * mergeWaitMs);
    expect(stored?.value).toMatchObject({ number: 2, repeated: false });
    expect(later.value).toMatchObject({ status: "stored", number: 3 });
    cluster.closeIsland(island);
    await cluster.settle();
    expect(cluster.bodiesOf(1)).toEqual(["one", "two"]);
  });

  test("R8: a held message survives all disks of its island in its author's outbox", async () => {
    const outbox = createMemoryOutboxStore();
    const before = await rig.makeInRoom({ outbox });
    cluster.openIsland(cluster.server(1));
    send(before, "one");
    await cluster.settle();
    expect((await outbox.load()).map(({ body }) => body)).toEqual(["one"]);
    await before.stop();
    // Nothing of server 1 ever comes back.
    cluster.kill(cluster.server(1));
    const after = rig.make({ outbox, random: seededRandom(2) });
    after.start();
    await cluster.run(2 * mergeWaitMs);
    expect(cluster.bodiesOf(1)).toEqual(["one"]);
    expect(await outbox.load()).toEqual([]);
  });

  test("what was written behind held messages is stored behind them", async () => {
    const client = await rig.makeInRoom();
    const island = cluster.openIsland(cluster.server(1));
    const sent = sendAll(client, ["one", "two"]);
    await cluster.settle();
    cluster.kill(cluster.server(1));
    await cluster.settle();
    sent.push(...sendAll(client, ["three", "four"]));
    await cluster.run(mergeWaitMs - 1);
    expect(cluster.bodiesOf(1)).toEqual([]);
    await cluster.run(mergeWaitMs);
    expect(cluster.bodiesOf(1)).toEqual(["one", "two", "three", "four"]);
    expect(sent.map(({ value }) => value?.number)).toEqual([2, 3, 4, 5]);
    cluster.closeIsland(island);
    await cluster.settle();
    expect(cluster.bodiesOf(1).length).toBe(4);
  });

  test("an event that was missed costs the receipt a second, and no more", async () => {
    const client = await rig.makeInRoom({ subscribe: false });
    const island = cluster.openIsland(cluster.server(1));
    const [stored] = sendAll(client, ["one"]);
    await cluster.settle();
    cluster.closeIsland(island);
    await cluster.run(2 * mergeWaitMs);
    expect(stored?.value).toMatchObject({ number: 2, repeated: true });
  });

  test("another server of the island is told what is held, under the same id", async () => {
    const client = await rig.makeInRoom();
    cluster.openIsland(cluster.server(1));
    const islandOfTwo = cluster.openIsland(cluster.server(2), cluster.server(3));
    const sent = send(client, "one");
    await cluster.settle();
    cluster.kill(cluster.server(1));
    await cluster.settle();
    expect(islandOfTwo.held.map(({ body }) => body)).toEqual(["one"]);
    expect(sent.value).toMatchObject({ status: "held" });
    cluster.closeIsland(islandOfTwo);
    await cluster.settle();
    expect(cluster.bodiesOf(1)).toEqual(["one"]);
    expect(pendingOf(client)).toEqual([]);
  });

  test("what could not be merged is told to its author with the reason", async () => {
    const client = await rig.makeInRoom();
    const timeline = await rig.settled(client.openRoom("general"));
    const told: string[] = [];
    client.on("setAside", ({ body, reason }) => told.push(`${body}: ${reason}`));
    const refused: string[] = [];
    client.on("refused", ({ message, error }) => refused.push(`${message.body}: ${error.code}`));
    const island = cluster.openIsland(cluster.server(1));
    const [stored] = sendAll(client, ["one"]);
    await cluster.settle();
    leaveElsewhere();
    cluster.closeIsland(island);
    await cluster.run(2 * mergeWaitMs);
    expect(told).toEqual(["one: You have left."]);
    expect(heldIn(timeline)).toEqual([]);
    expect(timeline.setAside().map(({ reason }) => reason)).toEqual(["You have left."]);
    expect(stored?.error).toMatchObject({ code: "NOT_A_MEMBER" });
    expect(refused).toEqual(["one: NOT_A_MEMBER"]);
    expect(pendingOf(client)).toEqual([]);
  });

  test("others' messages that were set aside are held no more, though nobody tells", async () => {
    const ada = await rig.makeInRoom();
    const bob = rig.make({ token: "token-bob", random: seededRandom(3) });
    bob.start();
    await rig.settled(bob.joinRoom("general"));
    const timeline = await rig.settled(bob.openRoom("general"));
    const island = cluster.openIsland(...cluster.servers);
    send(ada, "one");
    await cluster.settle();
    expect(heldIn(timeline)).toEqual(["one"]);
    leaveElsewhere();
    cluster.closeIsland(island);
    await cluster.run(3_000);
    expect(heldIn(timeline)).toEqual([]);
    expect(timeline.setAside()).toEqual([]);
    expect(texts(timeline.items())).toEqual([]);
  });

  test("a stop rejects who waits for stored, and the message stays", async () => {
    const outbox = createMemoryOutboxStore();
    const client = await rig.makeInRoom({ outbox });
    cluster.openIsland(cluster.server(1));
    const [stored] = sendAll(client, ["one"]);
    await cluster.settle();
    await client.stop();
    expect(stored?.error).toMatchObject({ code: "UNAVAILABLE" });
    expect((await outbox.load()).length).toBe(1);
    await cluster.run(60_000);
    expect(cluster.clock.timers).toBe(0);
  });

  /** Ada has left by another of her devices, which had a majority. */
  function leaveElsewhere(): void {
    cluster.apply(1, {
      case: "leaveRoom",
      value: {
        $typeName: "chat.v1.LeaveRoomRequest",
        commandId: new Uint8Array(16).fill(9),
        room: { $typeName: "chat.v1.RoomRef", room: { case: "roomId", value: 1 } },
      },
    });
  }
});
