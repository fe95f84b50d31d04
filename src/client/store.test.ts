// What is drawn from: same objects while nothing changes, one call a turn when something does.
import { expect, test } from "vitest";
import { createClient } from "./client.ts";
import { FakeCluster } from "./fake-cluster.test-support.ts";
import { seededRandom } from "./manual-clock.test-support.ts";
import type { ViewState } from "./store.ts";

async function prepare() {
  const cluster = new FakeCluster();
  const client = createClient({
    addresses: cluster.servers.map(({ address }) => address),
    token: "token-ada",
    connect: cluster.connect,
    clock: cluster.clock,
    random: seededRandom(1),
  });
  client.start();
  const created = client.createRoom("general");
  await cluster.settle();
  await created;
  const opened = client.openRoom("general");
  await cluster.settle();
  await opened;
  return { cluster, client };
}

test("the state is the same object until something changes", async () => {
  const { client } = await prepare();
  expect(client.store.getState()).toBe(client.store.getState());
});

test("parts that have not changed stay the same objects", async () => {
  const { cluster, client } = await prepare();
  const before = client.store.getState();
  void client.send({ room: 1, body: "hello" });
  const sending = client.store.getState();
  expect(changedParts(before, sending)).toEqual(["pending"]);
  await cluster.settle();
  expect(changedParts(sending, client.store.getState())).toEqual(["pending", "rooms", "timelines"]);
});

test("a message is shown as pending until it is stored, then as an item", async () => {
  const { cluster, client } = await prepare();
  void client.send({ room: 1, body: "hello" });
  expect(client.store.getState().pending).toMatchObject([{ room: 1, body: "hello" }]);
  await cluster.settle();
  const { pending, timelines, rooms } = client.store.getState();
  expect(pending).toEqual([]);
  expect(timelines.get(1)?.items.at(-1)).toMatchObject({
    content: { kind: "message", body: "hello" },
  });
  expect(rooms.get(1)?.lastNumber).toBe(2);
});

test("subscribers are called once a turn, and not after they left", async () => {
  const { cluster, client } = await prepare();
  let calls = 0;
  const leave = client.store.subscribe(() => calls++);
  for (let i = 0; i < 10; i++) void client.send({ room: 1, body: `message ${i}` });
  cluster.clock.runSoon();
  expect(calls).toBe(1);
  leave();
  await cluster.settle();
  expect(calls).toBe(1);
});

test("the connection is shown", async () => {
  const { cluster, client } = await prepare();
  expect(client.store.getState().connection).toMatchObject({ kind: "connected", serverId: 1 });
  for (const server of cluster.servers) cluster.kill(server);
  await cluster.run(100);
  expect(client.store.getState().connection).toMatchObject({
    kind: "waiting",
    reason: "connection refused",
  });
  await client.stop();
  expect(client.store.getState().connection).toEqual({ kind: "stopped" });
});

function changedParts(before: ViewState, after: ViewState): string[] {
  return (Object.keys(before) as (keyof ViewState)[])
    .filter((part) => before[part] !== after[part])
    .sort();
}
