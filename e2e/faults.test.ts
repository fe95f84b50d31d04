// Servers that die, hang and come back while people write: nothing acknowledged is lost or doubled,
// the order is the same everywhere, the numbers are dense. Real processes, real signals.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Client } from "../src/client/index.ts";
import { eventually } from "../src/testing/index.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { judgeServers } from "./judge.ts";
import { Load, type LoadResult, openClients, sendAtRate, sendWindow } from "./load.ts";

const room = "faults";
let cluster: Cluster;
let clients: Client[] = [];

beforeEach(async () => {
  cluster = await startCluster();
  clients = await openClients({ addresses: cluster.addresses, count: 6, room });
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.stop()));
  await cluster.close();
});

/** All servers hold what was acknowledged, once, in one order, without a gap. */
async function expectKept(result: LoadResult): Promise<void> {
  const token = clients[0]?.token ?? "";
  const { addresses } = cluster;
  const verdict = await judgeServers({ addresses, token, room, acked: result.acked });
  expect(verdict).toEqual({ acked: result.acked.length, lost: 0, doubled: 0, differences: 0 });
  expect(result.failed).toEqual([]);
}

describe("faults under load", () => {
  it("R3 R4 R6: kill -9 of the leader, then of a follower, each restarted", async () => {
    const load = new Load(room);
    const faults = (async () => {
      await eventually("a first part of the load", () => load.ackedCount > 100, {
        timeoutMs: 20_000,
      });
      const leader = await cluster.waitLeader();
      await cluster.kill(leader);
      const next = await cluster.waitLeader();
      expect(next).not.toBe(leader);
      await cluster.restart(leader);
      const follower = cluster.ids.find((id) => id !== next && id !== leader)!;
      await cluster.restart(follower);
    })();
    await sendAtRate(load, { clients, total: 1_000, perSecond: 200 });
    await faults;
    const result = await load.finish();
    expect(result.acked).toHaveLength(1_000);
    await expectKept(result);
  });

  it("R3: a leader that is stopped for 5 s is no leader then, and nothing is lost", async () => {
    const load = new Load(room);
    const leader = await cluster.waitLeader();
    const sending = sendAtRate(load, { clients, total: 1_400, perSecond: 200 });
    await eventually("a first part of the load", () => load.ackedCount > 100, {
      timeoutMs: 20_000,
    });
    cluster.pause(leader);
    const pausedAtMs = performance.now();
    const next = await cluster.waitLeader();
    expect(next).not.toBe(leader);
    await eventually("5 s to pass", () => performance.now() - pausedAtMs > 5_000, {
      timeoutMs: 10_000,
    });
    cluster.resume(leader);
    await eventually("the old leader to follow", async () => {
      const own = (await cluster.status(leader))?.find((server) => server.replicaId === leader);
      return own?.role === "ROLE_FOLLOWER";
    });
    await sending;
    const result = await load.finish();
    expect(result.acked).toHaveLength(1_400);
    await expectKept(result);
  });

  it("R5: a server that hangs delays writes once, and counts again when back", async () => {
    const load = new Load(room);
    const leader = await cluster.waitLeader();
    const hung = (leader % 3) + 1;
    const near = clients.filter((client) => client.address !== cluster.server(hung).clientAddress);
    await load.send(near[0]!);
    cluster.pause(hung);
    for (let i = 0; i < 20; i++) await load.send(near[i % near.length]!);
    const disks = () => load.result().acked.at(-1)?.disks;
    expect(disks()).toBe(2);
    cluster.resume(hung);
    await eventually("three disks again", async () => {
      await load.send(near[0]!);
      return disks() === 3;
    });
    await expectKept(await load.finish());
  });

  it("R13: all three are killed at once at full load and restarted", async () => {
    const load = new Load(room);
    let stopped = false;
    const sending = sendWindow(load, { clients, outstanding: 64, stopped: () => stopped });
    await eventually("a first part of the load", () => load.ackedCount > 2_000, {
      timeoutMs: 30_000,
    });
    await cluster.killAll();
    const before = load.result();
    for (const id of cluster.ids) cluster.start(id);
    await cluster.waitReady();
    stopped = true;
    await sending;
    const result = await load.finish();
    expect(result.acked.length).toBeGreaterThanOrEqual(before.acked.length);
    await expectKept(result);
  });
});
