// Which server a client talks to, and when it gives up (K1, R9, S3).
import { beforeEach, describe, expect, test } from "vitest";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { createClient } from "./client.ts";
import { ClientRig, sendAll, watch } from "./client-rig.test-support.ts";
import { RejectedError } from "./errors.ts";
import { FakeCluster, type FakeServer } from "./fake-cluster.test-support.ts";
import { refusal } from "./fake-history.test-support.ts";
import type { ConnectionState } from "./types.ts";

let rig: ClientRig;
let cluster: FakeCluster;

beforeEach(() => {
  rig = new ClientRig();
  cluster = rig.cluster;
});

describe("finding a server", () => {
  test("K1: servers are tried in the order given until one welcomes", async () => {
    cluster.kill(cluster.server(1));
    cluster.kill(cluster.server(2));
    const client = rig.make();
    const states: string[] = [];
    client.on("connection", (state) => states.push(describeState(state)));
    client.start();
    const ready = watch(client.ready());
    await cluster.settle();
    expect(ready.value).toMatchObject({ serverId: 3, person: { username: "ada" } });
    expect(states).toEqual(["connecting s1", "connecting s2", "connecting s3", "connected s3"]);
    expect(client.address).toBe(cluster.server(3).address);
  });

  test("K1: one address is enough, the others are learned", async () => {
    const client = await rig.makeInRoom({ addresses: [cluster.server(2).address] });
    cluster.kill(cluster.server(2));
    const [sent] = sendAll(client, ["one"]);
    await cluster.settle();
    expect(sent?.value?.number).toBe(2);
    expect(cluster.connectedServer()?.serverId).not.toBe(2);
  });

  test("K1: a broken connection costs no wait, also for several servers in a row", async () => {
    const client = await rig.makeInRoom();
    const startMs = cluster.clock.nowMs;
    cluster.kill(cluster.server(1));
    await cluster.settle();
    const second = cluster.connectedServer() ?? cluster.server(1);
    const [sent] = sendAll(client, ["one"]);
    cluster.kill(second);
    await cluster.settle();
    expect(sent?.value?.number).toBe(2);
    expect(cluster.clock.nowMs).toBe(startMs);
  });

  test("while no server answers, attempts become rarer", async () => {
    for (const server of cluster.servers) cluster.kill(server);
    const client = rig.make();
    client.start();
    await cluster.settle();
    expect(cluster.attempts.length).toBe(3);
    await cluster.run(1_000);
    const early = cluster.attempts.length;
    expect(early).toBeGreaterThan(6);
    await cluster.run(60_000);
    expect(cluster.attempts.length - early).toBeLessThan(30);
    expect(client.store.getState().connection.kind).toBe("waiting");
    cluster.server(2).mode = "up";
    client.retryNow();
    await cluster.settle();
    client.retryNow();
    await cluster.settle();
    client.retryNow();
    await cluster.settle();
    expect(client.store.getState().connection.kind).toBe("connected");
  });

  test("a server that breaks after each welcome does not make the client spin", async () => {
    rig = new ClientRig(new FakeCluster(1));
    cluster = rig.cluster;
    const client = rig.make();
    client.on("connection", ({ kind }) => {
      if (kind === "connected") queueMicrotask(() => cluster.breakConnections(cluster.server(1)));
    });
    client.start();
    await cluster.run(10_000);
    expect(cluster.attempts.length).toBeGreaterThan(5);
    expect(cluster.attempts.length).toBeLessThan(20);
  });

  test("a server that hangs while it should welcome is left after a second", async () => {
    cluster.server(1).mode = "hung";
    const client = rig.make();
    client.start();
    const ready = watch(client.ready());
    await cluster.run(999);
    expect(ready.value).toBeUndefined();
    await cluster.run(1);
    expect(ready.value?.serverId).toBe(2);
  });

  test("K1: a server that hangs with something outstanding is left within 0.85 s", async () => {
    const client = await rig.makeInRoom();
    await cluster.run(3_000);
    cluster.server(1).mode = "hung";
    const [sent] = sendAll(client, ["one"]);
    await cluster.run(700);
    expect(sent?.value).toBeUndefined();
    await cluster.run(150);
    expect(sent?.value?.number).toBe(2);
    expect(cluster.bodiesOf(1)).toEqual(["one"]);
  });

  test("a server that hangs with nothing outstanding is found by a ping", async () => {
    await rig.makeInRoom();
    cluster.server(1).mode = "hung";
    await cluster.run(8_000);
    expect(cluster.connectedServer()?.serverId).not.toBe(1);
  });

  test("a quiet server that answers pings is kept", async () => {
    await rig.makeInRoom();
    await cluster.run(60_000);
    expect(cluster.attempts.length).toBe(1);
    expect(rig.requestsOf("ping").length).toBeGreaterThan(5);
  });

  test("a slow write does not make a live server count as hung", async () => {
    const client = await rig.makeInRoom();
    cluster.server(1).script = ({ body }) => (body.case === "joinRoom" ? "silence" : undefined);
    void watch(client.joinRoom("general"));
    await cluster.run(8_000);
    expect(cluster.attempts.length).toBe(1);
  });

  test("a machine that slept asks first before it gives its server up", async () => {
    const client = await rig.makeInRoom();
    cluster.server(1).script = ({ body }) => (body.case === "joinRoom" ? "silence" : undefined);
    void watch(client.joinRoom("general"));
    await cluster.run(500);
    cluster.clock.nowMs += 20_000;
    await cluster.run(6_000);
    expect(cluster.attempts.length).toBe(1);
    expect(cluster.connectedServer()?.serverId).toBe(1);
  });

  test("a frame that cannot be read ends the session, and another server is tried", async () => {
    await rig.makeInRoom();
    cluster.sendGarbage();
    await cluster.settle();
    expect(cluster.attempts.length).toBe(2);
    expect(cluster.connectedServer()?.serverId).not.toBe(1);
  });

  test("R9: a server that says goodbye is left for another at once", async () => {
    const client = await rig.makeInRoom();
    cluster.sayGoodbye(RejectionCode.UNAVAILABLE, 5_000);
    const [sent] = sendAll(client, ["one"]);
    await cluster.settle();
    expect(sent?.value?.number).toBe(2);
    expect(cluster.connectedServer()?.serverId).not.toBe(1);
  });

  test("R9: on goodbye everything under way goes to another server in one round trip", async () => {
    const client = await rig.makeInRoom();
    cluster.server(1).script = ({ body }) => (body.case === "ping" ? undefined : "silence");
    const sent = sendAll(client, ["one", "two"]);
    const read = watch(client.listRooms());
    await cluster.settle();
    const states: string[] = [];
    client.on("connection", (state) => states.push(describeState(state)));
    const [timeMs, frames] = [cluster.clock.nowMs, cluster.frames];
    cluster.sayGoodbye(RejectionCode.UNAVAILABLE, 5_000, [cluster.server(3).address]);
    await cluster.settle();
    expect(sent.map(({ value }) => value?.number)).toEqual([2, 3]);
    expect(read.value?.length).toBe(1);
    expect(states).toEqual(["connecting s3", "connected s3"]);
    // The hello, and all that was under way; no timer had to run.
    expect(cluster.frames - frames).toBe(2);
    expect(cluster.clock.nowMs).toBe(timeMs);
    const ids = rig
      .requestsOf("sendMessage")
      .map(({ request: { body } }) => body.case === "sendMessage" && body.value.commandId.join());
    expect(ids.slice(2)).toEqual(ids.slice(0, 2));
  });

  test("R9: servers that stop one after the other make nobody wait, nor do dead ones", async () => {
    const client = await rig.makeInRoom();
    const timeMs = cluster.clock.nowMs;
    for (let round = 0; round < 3; round++) {
      const leaving = cluster.connectedServer();
      if (leaving === undefined) throw new Error("there is no session");
      cluster.sayGoodbye(RejectionCode.UNAVAILABLE, 5_000);
      cluster.kill(cluster.server((leaving.serverId % 3) + 1));
      const [sent] = sendAll(client, [`message ${round}`]);
      await cluster.settle();
      expect(sent?.value?.number).toBe(2 + round);
      for (const server of cluster.servers) server.mode = "up";
    }
    expect(cluster.clock.nowMs).toBe(timeMs);
  });

  test("R9: a request that a stopping server refuses is asked elsewhere at once", async () => {
    const client = await rig.makeInRoom();
    cluster.server(1).script = () => refusal(RejectionCode.UNAVAILABLE, 1_000);
    const timeMs = cluster.clock.nowMs;
    const [sent] = sendAll(client, ["one"]);
    const read = watch(client.listRooms());
    await cluster.settle();
    expect([sent, read]).toEqual([{}, {}]);
    cluster.sayGoodbye(RejectionCode.UNAVAILABLE, 1_000);
    await cluster.settle();
    expect([sent?.value?.number, read.value?.length]).toEqual([2, 1]);
    expect(cluster.clock.nowMs).toBe(timeMs);
  });

  test("R2: the list of servers is followed, and told to whoever keeps it", async () => {
    const [one, two, three] = cluster.servers as [FakeServer, FakeServer, FakeServer];
    cluster.members = [one, two];
    const client = await rig.makeInRoom({ addresses: [one.address] });
    const heard: (readonly string[])[] = [];
    client.on("servers", (servers) => heard.push(servers));
    expect(client.store.getState().servers).toEqual([one.address, two.address]);
    cluster.announceServers(three, two);
    await cluster.settle();
    expect(heard).toEqual([[three.address, two.address]]);
    cluster.announceServers(two, three);
    await cluster.settle();
    expect(heard.length).toBe(1);
    cluster.kill(one);
    await cluster.settle();
    expect([two, three]).toContain(cluster.connectedServer());
  });

  test("K1: the list of an earlier run leads to a cluster of other servers", async () => {
    const [one, two, three] = cluster.servers as [FakeServer, FakeServer, FakeServer];
    cluster.members = [two, three];
    one.mode = "down";
    const client = rig.make({ addresses: [one.address], knownServers: [two.address] });
    client.start();
    await cluster.settle();
    expect(cluster.attempts).toEqual([two.address]);
    expect(client.store.getState().servers).toEqual([two.address, three.address]);
  });

  test("K1: the addresses that were given stay the last resort", async () => {
    const [one, two, three] = cluster.servers as [FakeServer, FakeServer, FakeServer];
    const client = rig.make({ addresses: [one.address], knownServers: [two.address] });
    cluster.kill(two);
    client.start();
    await cluster.settle();
    expect(cluster.attempts).toEqual([two.address, one.address]);
    cluster.announceServers(two, three);
    cluster.kill(three);
    cluster.breakConnections(one);
    await cluster.run(1_000);
    expect(cluster.connectedServer()).toBe(one);
  });

  test("a hello that is refused for now is tried elsewhere", async () => {
    cluster.server(1).script = ({ body }) =>
      body.case === "hello" ? refusal(RejectionCode.UNAVAILABLE, 100) : undefined;
    const client = rig.make();
    client.start();
    const ready = watch(client.ready());
    await cluster.settle();
    expect(ready.value?.serverId).toBe(2);
  });

  test("a goodbye to a hello that did not come is no log-out", async () => {
    cluster.server(1).script = ({ body }) => (body.case === "hello" ? "silence" : undefined);
    const client = rig.make();
    client.start();
    const ready = watch(client.ready());
    await cluster.settle();
    cluster.sayGoodbye(RejectionCode.UNAUTHENTICATED);
    await cluster.settle();
    expect(ready.value?.serverId).toBe(2);
  });

  test("without a token, start says so", () => {
    const client = createClient({ addresses: ["http://s1:4801"], connect: cluster.connect });
    expect(() => client.start()).toThrow(RejectedError);
  });
});

describe("the end of a log-in session", () => {
  test("an unknown token ends the client with a clear error and no further attempt", async () => {
    const client = rig.make({ token: "token-of-nobody" });
    client.start();
    const ready = watch(client.ready());
    const sent = watch(client.send({ room: "general", body: "one" }));
    const read = watch(client.listRooms());
    await cluster.run(60_000);
    expect(cluster.attempts.length).toBe(1);
    for (const outcome of [ready, sent, read]) expect(outcome.error?.code).toBe("UNAUTHENTICATED");
    expect(client.store.getState().connection.kind).toBe("ended");
    expect(client.token).toBeUndefined();
    expect(cluster.clock.timers).toBe(0);
  });

  test("S3: a session that is ended from elsewhere ends the client", async () => {
    const client = await rig.makeInRoom();
    const body = {
      case: "sessionEnded" as const,
      value: { $typeName: "chat.v1.SessionEnded" as const, sessionId: 1 },
    };
    cluster.sendFrame({ events: [{ $typeName: "chat.v1.Event", position: 500n, body }] });
    await cluster.run(60_000);
    expect(cluster.attempts.length).toBe(1);
    await expect(client.ready()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  test("S3: a goodbye without authentication ends the client, too", async () => {
    const client = await rig.makeInRoom();
    cluster.sayGoodbye(RejectionCode.UNAUTHENTICATED);
    await cluster.run(60_000);
    expect(cluster.attempts.length).toBe(1);
    expect(client.store.getState().connection.kind).toBe("ended");
  });

  test("a message refused for lack of authentication stays in the outbox", async () => {
    const client = await rig.makeInRoom();
    cluster.server(1).script = ({ body }) =>
      body.case === "sendMessage" ? refusal(RejectionCode.UNAUTHENTICATED) : undefined;
    const [sent] = sendAll(client, ["one"]);
    await cluster.settle();
    expect(sent?.error?.code).toBe("UNAUTHENTICATED");
    expect(client.store.getState().pending.map(({ body }) => body)).toEqual(["one"]);
    expect(client.store.getState().connection.kind).toBe("ended");
  });

  test("a stopped client leaves nothing behind and can be started again", async () => {
    const client = await rig.makeInRoom();
    cluster.kill(cluster.server(1));
    cluster.kill(cluster.server(2));
    cluster.kill(cluster.server(3));
    const [sent] = sendAll(client, ["one"]);
    const read = watch(client.listRooms());
    await cluster.run(200);
    await client.stop();
    await cluster.run(60_000);
    expect(cluster.clock.timers).toBe(0);
    expect(sent?.error?.code).toBe("UNAVAILABLE");
    expect(read.error?.code).toBe("UNAVAILABLE");
    expect(client.store.getState().connection).toEqual({ kind: "stopped" });
    for (const server of cluster.servers) server.mode = "up";
    client.start();
    await cluster.settle();
    expect(cluster.bodiesOf(1)).toEqual(["one"]);
  });

  test("a listener that stops the client in the middle of an attempt is obeyed", async () => {
    const client = rig.make();
    client.on("connection", ({ kind }) => {
      if (kind === "connecting") void client.stop();
    });
    client.start();
    await cluster.run(5_000);
    expect(cluster.attempts.length).toBe(0);
    expect(cluster.clock.timers).toBe(0);
  });
});

function describeState(state: ConnectionState): string {
  const address = "address" in state ? state.address.replace(/^http:\/\/(s\d).*$/, " $1") : "";
  return `${state.kind}${address}`;
}
