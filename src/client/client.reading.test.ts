// Events and reads: live, resumed, reloaded, page by page (C5, R6).
import { beforeEach, describe, expect, test } from "vitest";
import { ClientRig, sendAll, texts, watch } from "./client-rig.test-support.ts";
import type { FakeCluster } from "./fake-cluster.test-support.ts";
import { seededRandom } from "./manual-clock.test-support.ts";

let rig: ClientRig;
let cluster: FakeCluster;

beforeEach(() => {
  rig = new ClientRig();
  cluster = rig.cluster;
});

describe("events", () => {
  test("C5: after a break, the session resumes where it was: no gap, no double", async () => {
    const client = await rig.makeInRoom();
    const heard: string[] = [];
    client.on("item", (item) => heard.push(...texts([item])));
    sendAll(client, ["one"]);
    await cluster.settle();
    const timeline = await rig.settled(client.openRoom("general"));
    post("lost with the connection");
    cluster.kill(cluster.server(1));
    post("while nobody was connected");
    await cluster.settle();
    post("live again");
    await cluster.settle();
    const all = ["one", "lost with the connection", "while nobody was connected", "live again"];
    expect(heard).toEqual(all);
    expect(texts(timeline.items())).toEqual(all);
  });

  test("an item that comes twice is told once", async () => {
    const client = await rig.makeInRoom();
    const heard: number[] = [];
    client.on("item", ({ number }) => heard.push(number));
    sendAll(client, ["one"]);
    await cluster.settle();
    const item = cluster.itemsOf(1)[1];
    if (item === undefined) throw new Error("there is no item");
    const body = { case: "item" as const, value: item };
    cluster.sendFrame({ events: [{ $typeName: "chat.v1.Event", position: item.position, body }] });
    await cluster.settle();
    expect(heard).toEqual([2]);
  });

  test("new rooms are told of", async () => {
    const client = rig.make();
    const heard: string[] = [];
    client.on("roomCreated", ({ name }) => heard.push(name));
    client.start();
    await cluster.settle();
    const created = client.createRoom("general");
    await cluster.settle();
    await created;
    expect(heard).toEqual(["general"]);
    expect(client.store.getState().rooms.get(1)).toMatchObject({ name: "general", joined: true });
  });

  test("what the server cannot replay is loaded anew, and the caller hears of it", async () => {
    const client = await rig.makeInRoom();
    const timeline = await rig.settled(client.openRoom("general"));
    const reloaded: string[] = [];
    client.on("reloaded", ({ reason }) => reloaded.push(reason));
    for (const server of cluster.servers) server.replays = false;
    cluster.kill(cluster.server(1));
    for (let i = 0; i < 50; i++) post(`missed ${i}`);
    await cluster.settle();
    expect(reloaded).toEqual(["The server could not replay what was missed."]);
    expect(texts(timeline.items())).toEqual(
      Array.from({ length: 20 }, (_, i) => `missed ${30 + i}`),
    );
    post("live again");
    await cluster.settle();
    expect(texts(timeline.items()).at(-1)).toBe("live again");
    while (timeline.hasOlder) await rig.settled(timeline.loadOlder(7));
    expect(timeline.items().map(({ number }) => number)).toEqual(
      Array.from({ length: 52 }, (_, i) => i + 1),
    );
  });

  test("in a cluster with another history the client begins anew", async () => {
    const client = await rig.makeInRoom();
    sendAll(client, ["old one", "old two"]);
    await cluster.settle();
    const timeline = await rig.settled(client.openRoom("general"));
    cluster.forgetHistory();
    cluster.breakConnections(cluster.server(1));
    post("new one");
    await cluster.settle();
    expect(texts(timeline.items())).toEqual(["new one"]);
    expect(client.store.getState().connection.kind).toBe("connected");
  });

  test("without subscription there are replies and no events", async () => {
    const client = await rig.makeInRoom({ subscribe: false });
    const heard: unknown[] = [];
    client.on("item", (item) => heard.push(item));
    client.on("reloaded", (news) => heard.push(news));
    const [one] = sendAll(client, ["one"]);
    cluster.kill(cluster.server(1));
    await cluster.settle();
    expect(one?.value?.number).toBe(2);
    expect(heard).toEqual([]);
  });

  function post(body: string): void {
    cluster.apply(1, {
      case: "sendMessage",
      value: {
        $typeName: "chat.v1.SendMessageRequest",
        commandId: new Uint8Array(16),
        room: { $typeName: "chat.v1.RoomRef", room: { case: "roomId", value: 1 } },
        body,
      },
    });
  }
});

describe("reading", () => {
  test("entering a room shows its last 20 items, and scrolling up the others", async () => {
    const client = await rig.makeInRoom();
    sendAll(
      client,
      Array.from({ length: 60 }, (_, i) => `message ${i}`),
    );
    await cluster.settle();
    const timeline = await rig.settled(client.openRoom("general"));
    expect(timeline.items().map(({ number }) => number)).toEqual(
      Array.from({ length: 20 }, (_, i) => 42 + i),
    );
    expect(await rig.settled(timeline.loadOlder(30))).toBe(30);
    expect(await rig.settled(timeline.loadOlder())).toBe(11);
    expect(await rig.settled(timeline.loadOlder())).toBe(0);
    expect(timeline.items().length).toBe(61);
  });

  test("a page is asked for before a number, after one, or from the first", async () => {
    const client = await rig.makeInRoom();
    sendAll(client, ["2", "3", "4", "5"]);
    await cluster.settle();
    const read = async (ask: object) => {
      const page = await rig.settled(client.readTimeline({ room: 1, limit: 2, ...ask }));
      return page.items.map(({ number }) => number);
    };
    expect(await read({})).toEqual([4, 5]);
    expect(await read({ beforeNumber: 4 })).toEqual([2, 3]);
    expect(await read({ afterNumber: 3 })).toEqual([4, 5]);
    expect(await read({ afterNumber: 0 })).toEqual([1, 2]);
  });

  test("a page from the first has all of it, also where servers cut pages shorter", async () => {
    const client = await rig.makeInRoom();
    sendAll(client, ["2", "3", "4", "5", "6", "7"]);
    await cluster.settle();
    cluster.history.pageItemsMax = 2;
    const page = await rig.settled(client.readTimeline({ room: 1, limit: 5, afterNumber: 0 }));
    expect(page.items.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
  });

  test("R6: a read asks any server for at least the newest position seen", async () => {
    const client = await rig.makeInRoom();
    const [sent] = sendAll(client, ["one"]);
    await cluster.settle();
    cluster.kill(cluster.server(1));
    await rig.settled(client.readTimeline({ room: 1 }));
    const asked = rig.requestsOf("readTimeline").at(-1)?.request.body;
    expect(asked?.case === "readTimeline" && Number(asked.value.atLeastPosition)).toBe(
      sent?.value?.position,
    );
  });

  test("a read that was caught by a break is asked again", async () => {
    const client = await rig.makeInRoom();
    const read = watch(client.readTimeline({ room: 1 }));
    cluster.clock.runSoon();
    cluster.kill(cluster.server(1));
    await cluster.settle();
    expect(read.value?.items.length).toBe(1);
  });

  test("joining twice, across a break, is one join under one id", async () => {
    const client = await rig.makeInRoom();
    const bob = rig.make({ token: "token-bob", random: seededRandom(3) });
    bob.start();
    await cluster.settle();
    const joined = watch(bob.joinRoom("general"));
    cluster.clock.runSoon();
    cluster.step(1);
    cluster.kill(cluster.server(1));
    await cluster.settle();
    expect(joined.value).toMatchObject({ repeated: true, room: { roomId: 1, memberCount: 2 } });
    expect(cluster.itemsOf(1).map(({ content }) => content.case)).toEqual(["joined", "joined"]);
    const left = watch(bob.leaveRoom("general"));
    await cluster.settle();
    expect(left.value?.commandId).toMatch(/^[0-9a-f]{32}$/);
    expect(bob.store.getState().rooms.get(1)?.joined).toBe(false);
    expect(client.store.getState().rooms.get(1)?.memberCount).toBe(1);
  });

  test("lists are read page by page to their end", async () => {
    const client = await rig.makeInRoom();
    for (let i = 0; i < 250; i++) void client.createRoom(`room-${String(i).padStart(3, "0")}`);
    await cluster.settle();
    const rooms = await rig.settled(client.listRooms());
    expect(new Set(rooms.map(({ name }) => name)).size).toBe(251);
    expect((await rig.settled(client.listPeople("*"))).map(({ username }) => username)).toEqual([
      "ada",
      "bob",
    ]);
  });

  test("a request that no server answers ends with UNAVAILABLE after half a minute", async () => {
    const client = await rig.makeInRoom();
    for (const server of cluster.servers) cluster.kill(server);
    const read = watch(client.listRooms());
    await cluster.run(29_000);
    expect(read.error).toBeUndefined();
    await cluster.run(2_000);
    expect(read.error?.code).toBe("UNAVAILABLE");
  });

  test("an open room that is closed is no longer kept", async () => {
    const client = await rig.makeInRoom();
    const one = await rig.settled(client.openRoom("general"));
    const two = await rig.settled(client.openRoom(1));
    expect(two).toBe(one);
    one.close();
    expect(client.store.getState().timelines.size).toBe(1);
    two.close();
    expect(client.store.getState().timelines.size).toBe(0);
    two.close();
  });

  test("an item that comes between the page and its arrival is not missed", async () => {
    const client = await rig.makeInRoom();
    const opened = client.openRoom("general");
    const [sent] = sendAll(client, ["right behind"]);
    const timeline = await rig.settled(opened);
    expect(sent?.value?.number).toBe(2);
    expect(texts(timeline.items())).toEqual(["right behind"]);
  });
});
