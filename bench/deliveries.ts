// Deliveries a second to 100 subscribers of one room, while 16 messages are under way; and how long
// a message takes to be acknowledged while it is delivered to them at a calm 100 messages a second.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Cluster } from "../e2e/cluster.ts";
import { Load, openClients, sendAtRate, sendWindow } from "../e2e/load.ts";
import { percentile, printResult, round } from "./measure.ts";

const subscriberCount = 100;

/** The process with the subscribers. */
class Subscribers {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(address: string, token: string) {
    const program = fileURLToPath(new URL("./subscribers.ts", import.meta.url));
    this.#child = spawn(process.execPath, [program, address, token, String(subscriberCount)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("no output");
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async ready(): Promise<void> {
    await this.#lines.next();
  }

  async count(): Promise<number> {
    this.#child.stdin?.write("\n");
    return Number((await this.#lines.next()).value);
  }

  stop(): void {
    this.#child.stdin?.end();
  }
}

/** All subscribers are with the follower, the writer with the leader, as people would be spread. */
export async function benchDeliveries(cluster: Cluster, seconds: number): Promise<void> {
  const leader = await cluster.waitLeader();
  for (const [through, id] of [
    ["leader", leader],
    ["follower", (leader % cluster.ids.length) + 1],
  ] as const) {
    const room = `deliveries-${through}`;
    const addresses = [cluster.server(leader).clientAddress];
    const [writer, reader] = await openClients({ addresses, count: 2, room, prefix: room });
    if (writer === undefined || reader === undefined) throw new Error("no clients");
    await reader.stop();
    const subscribers = new Subscribers(cluster.server(id).clientAddress, reader.token ?? "");
    await subscribers.ready();
    const load = new Load(room, { bodyBytes: 200 });
    const endMs = performance.now() + seconds * 1_000;
    const before = await subscribers.count();
    const startMs = performance.now();
    const stopped = (): boolean => performance.now() >= endMs;
    await sendWindow(load, { clients: [writer], outstanding: 16, stopped });
    const delivered = (await subscribers.count()) - before;
    const elapsedS = (performance.now() - startMs) / 1_000;
    const calm = new Load(room, { bodyBytes: 200 });
    await sendAtRate(calm, { clients: [writer], total: 100 * seconds, perSecond: 100 });
    const waits = (await calm.finish()).waits.map(({ waitMs }) => waitMs).sort((a, b) => a - b);
    printResult({
      bench: "deliveries",
      subscribers: subscriberCount,
      at: through,
      outstanding: 16,
      deliveriesPerSecond: Math.round(delivered / elapsedS),
      ackedPerSecond: Math.round(load.ackedCount / elapsedS),
      calmAckP50Ms: round(percentile(waits, 0.5), 2),
      calmAckP99Ms: round(percentile(waits, 0.99), 2),
    });
    subscribers.stop();
    await writer.stop();
  }
}
