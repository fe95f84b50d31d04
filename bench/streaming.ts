// What a joining server costs the others: three servers that hold a large state, acknowledged
// messages a second before a fourth one joins, while the state is streamed to it, and afterwards.
// The figure is the ratio of the second to the mean of the others: a shared machine changes.
import { loadavg } from "node:os";
import { Load, openClients, sendWindow } from "../e2e/load.ts";
import { type GrowingCluster, openGrowingCluster } from "../e2e/survive/growing-cluster.ts";
import { leaveNothing } from "../e2e/survive/leave-nothing.ts";
import { MissingCommandError, requireCommands, verifyDigests } from "../e2e/survive/operator.ts";
import { type Client, createClient } from "../src/client/index.ts";
import { printResult, round } from "./measure.ts";

const room = "streaming";
const founders = 3;
const aimRatio = 0.8;
/** The largest body that servers take. */
const fillBodyBytes = 16_384;
const fillOutstanding = 64;
/** Messages whose bodies are remembered at a time while the state grows. */
const fillBatch = 1_024;
const bodyBytes = 200;
const outstanding = 16;
const clientCount = 3;
const calmMs = 10_000;
const warmUpMs = 2_000;

/** Writes until the rooms hold so much. */
async function fill(cluster: GrowingCluster, token: string, bytes: number): Promise<void> {
  const { addresses } = cluster.desk;
  const client = createClient({ addresses, token, subscribe: false });
  client.start();
  try {
    let left = Math.ceil(bytes / fillBodyBytes);
    while (left > 0) {
      const batch = Math.min(left, fillBatch);
      const load = new Load(room, { bodyBytes: fillBodyBytes });
      let begun = 0;
      const stopped = (): boolean => begun++ >= batch;
      await sendWindow(load, { clients: [client], outstanding: fillOutstanding, stopped });
      const { failed } = await load.finish();
      if (failed.length > 0) throw new Error(`the state could not be made: ${failed[0]}`);
      left -= batch;
    }
  } finally {
    await client.stop();
  }
}

/** Acknowledged messages a second while `until` is under way. */
async function measure(clients: readonly Client[], until: Promise<void>): Promise<number> {
  const load = new Load(room, { bodyBytes });
  let isOver = false;
  const ending = until.finally(() => {
    isOver = true;
  });
  // Its failure is told by the await below.
  ending.catch(() => undefined);
  const startMs = performance.now();
  await sendWindow(load, { clients, outstanding, stopped: () => isOver });
  const elapsedS = (performance.now() - startMs) / 1_000;
  await ending;
  const { acked, failed } = await load.finish();
  if (failed.length > 0) throw new Error(`${failed.length} messages were refused: ${failed[0]}`);
  return acked.length / elapsedS;
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Makes a state of that size, lets a server join, and prints the ratio. */
export async function benchStreaming(stateMib: number): Promise<void> {
  try {
    await requireCommands("member add", "join");
  } catch (error) {
    if (!(error instanceof MissingCommandError)) throw error;
    printResult({ bench: "streaming", available: false, reason: error.message });
    return;
  }
  const opened = await openGrowingCluster({ founders, places: founders + 1 });
  await leaveNothing(opened, async (cluster) => {
    const { addresses } = cluster.desk;
    const clients = await openClients({ addresses, count: clientCount, room });
    await fill(cluster, clients[0]?.token ?? "", stateMib * 2 ** 20);
    // Copies of the state that the filling has caused are not the join's doing.
    if (!(await verifyDigests(cluster.desk))) throw new Error("the servers do not hold the same");
    await measure(clients, after(warmUpMs));
    const beforePerSecond = await measure(clients, after(calmMs));
    const startMs = performance.now();
    const duringPerSecond = await measure(clients, cluster.join(founders + 1));
    const joinedMs = performance.now() - startMs;
    await measure(clients, after(warmUpMs));
    const afterPerSecond = await measure(clients, after(calmMs));
    await Promise.all(clients.map((client) => client.stop()));
    const ratio = round(duringPerSecond / ((beforePerSecond + afterPerSecond) / 2), 3);
    printResult({
      bench: "streaming",
      stateMib,
      outstanding,
      beforePerSecond: Math.round(beforePerSecond),
      duringPerSecond: Math.round(duringPerSecond),
      afterPerSecond: Math.round(afterPerSecond),
      ratio,
      aimRatio,
      met: ratio >= aimRatio,
      joinedMs: Math.round(joinedMs),
      loadAverage: round(loadavg()[0] ?? Number.NaN, 1),
    });
  });
}
