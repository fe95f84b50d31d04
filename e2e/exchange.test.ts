// People on different servers talk: the main job, through the client library (C2, C3, C5, R1, R4,
// R6).
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, createClient, type Item, untilStored } from "../src/client/index.ts";
import { eventually } from "../src/testing/index.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { judgeServers } from "./judge.ts";
import { Load, openClients } from "./load.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.close());

async function person(username: string, server: number): Promise<Client> {
  const client = createClient({ addresses: [cluster.server(server).clientAddress] });
  const account = { username, password: "correct horse battery" };
  await client.register(account);
  await client.logIn(account);
  client.start();
  await client.ready();
  return client;
}

function bodies(items: readonly Item[]): string[] {
  return items.map(({ content }) => (content.kind === "message" ? content.body : content.kind));
}

describe("an exchange through three servers", () => {
  it("C2: people follow each other's rooms and get what is posted, on any server", async () => {
    const ada = await person("ada", 1);
    const bob = await person("bob", 2);
    const eve = await person("eve", 3);
    const heard: string[] = [];
    bob.on("item", ({ content }) => heard.push(content.kind === "message" ? content.body : ""));
    await bob.joinRoom("@ada");
    await eve.joinRoom("@ada");
    const receipt = await ada.send({ room: "@ada", body: "hello" });
    expect(receipt.disks).toBe(3);
    await eventually("the message at bob's", () => heard.includes("hello"));
    await expect(bob.send({ room: "@ada", body: "no" })).rejects.toMatchObject({
      code: "NOT_THE_OWNER",
    });
    const { items } = await eve.readTimeline({ room: "@ada" });
    expect(bodies(items).slice(-3)).toEqual(["joined", "joined", "hello"]);
    await Promise.all([ada, bob, eve].map((client) => client.stop()));
  });

  it("R6 C5: everyone sees one order, the last 20 on entering, then everything live", async () => {
    const room = "exchange";
    const clients = await openClients({ addresses: cluster.addresses, count: 3, room });
    const load = new Load(room);
    for (let i = 0; i < 90; i++) void load.send(clients[i % 3]!);
    const { acked } = await load.finish();
    expect(acked).toHaveLength(90);
    const token = clients[0]?.token ?? "";
    const { addresses } = cluster;
    expect(await judgeServers({ addresses, token, room, acked })).toEqual({
      acked: 90,
      lost: 0,
      doubled: 0,
      differences: 0,
    });
    const timeline = await clients[2]!.openRoom(room);
    expect(timeline.items()).toHaveLength(20);
    const { number } = await untilStored(await clients[0]!.send({ room, body: "newest" }));
    await eventually("the newest item", () => timeline.items().at(-1)?.number === number);
    expect(bodies(timeline.items()).at(-1)).toBe("newest");
    timeline.close();
    await Promise.all(clients.map((client) => client.stop()));
  });

  it("R7: a server that has lost its disk comes back by itself, and gets its vote", async () => {
    const other = await startCluster();
    try {
      const leader = await other.waitLeader();
      const lost = (leader % 3) + 1;
      await other.kill(lost);
      rmSync(other.server(lost).dataFolder, { recursive: true });
      other.start(lost);
      const own = await eventually(
        "the server to have its vote back",
        async () => {
          const servers = (await other.status(leader)) ?? [];
          const line = servers.find((server) => server.replicaId === lost);
          return line?.membership === "MEMBERSHIP_VOTER" && line.live ? line : undefined;
        },
        { timeoutMs: 20_000 },
      );
      expect(own.condition ?? "").toBe("");
      const ready = await fetch(`${other.server(lost).clientAddress}/readyz`);
      expect(ready.status).toBe(200);
    } finally {
      await other.close();
    }
  });
});
