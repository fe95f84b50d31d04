// Acknowledged messages a second, and how long each took, with so many under way through one
// session stream.
import type { Cluster } from "../e2e/cluster.ts";
import { Load, openClients, sendWindow } from "../e2e/load.ts";
import type { Client } from "../src/client/index.ts";
import { percentile, printResult, processorSeconds, round } from "./measure.ts";

/** Sends through one client for a while and prints what came of it. */
async function measure(options: {
  readonly cluster: Cluster;
  readonly client: Client;
  readonly through: string;
  readonly outstanding: number;
  readonly seconds: number;
  readonly room: string;
}): Promise<void> {
  const { cluster, client, through, outstanding, seconds, room } = options;
  const run = async (durationMs: number): Promise<Load> => {
    const load = new Load(room, { bodyBytes: 200 });
    const endMs = performance.now() + durationMs;
    const stopped = (): boolean => performance.now() >= endMs;
    await sendWindow(load, { clients: [client], outstanding, stopped });
    return load;
  };
  await run(1_000);
  const pids = cluster.ids.map((id) => cluster.pid(id));
  const cpuBefore = processorSeconds(pids);
  const startMs = performance.now();
  const result = await (await run(seconds * 1_000)).finish();
  const elapsedS = (performance.now() - startMs) / 1_000;
  const cpuS = processorSeconds(pids) - cpuBefore;
  const waits = result.waits.map(({ waitMs }) => waitMs).sort((a, b) => a - b);
  const acked = result.acked.length;
  printResult({
    bench: "acknowledgements",
    through,
    outstanding,
    ackedPerSecond: Math.round(acked / elapsedS),
    p50Ms: round(percentile(waits, 0.5), 2),
    p99Ms: round(percentile(waits, 0.99), 2),
    maxMs: round(waits.at(-1) ?? Number.NaN, 1),
    serverCpuSecondsPer100k: round((cpuS / acked) * 100_000, 1),
    failed: result.failed.length,
    acked,
  });
}

/** 1, 16 and 256 under way, through the leader and through a follower. */
export async function benchAcknowledgements(cluster: Cluster, seconds: number): Promise<void> {
  const leader = await cluster.waitLeader();
  const follower = (leader % cluster.ids.length) + 1;
  for (const [through, id] of [
    ["leader", leader],
    ["follower", follower],
  ] as const) {
    const room = `bench-${through}`;
    const addresses = [cluster.server(id).clientAddress];
    const [client] = await openClients({ addresses, count: 1, room, prefix: through });
    if (client === undefined) throw new Error("no client");
    for (const outstanding of [1, 16, 256]) {
      await measure({ cluster, client, through, outstanding, seconds, room });
    }
    await client.stop();
  }
}
