// In a cluster of five the leader and one follower are cut off, each alone, while people write on
// all three sides: two islands and a majority. Then the links are healed (R8, R11).
import { type FaultCluster, openFaultCluster, type Way } from "../faults/fault-cluster.ts";
import { leaveNothing } from "./leave-nothing.ts";
import { type Outcome, runUnderLoad, type ScenarioOptions, type Stage } from "./scenario.ts";
import { waitWhole } from "./whole.ts";

const size = 5;
const fault = "islands";
/** How long a server may take until it holds somebody's message, ms. */
const heldTimeoutMs = 15_000;

/** All ways between a server and the others, both directions. */
function waysAround(cluster: FaultCluster, id: number): Way[] {
  return cluster.ids
    .filter((other) => other !== id)
    .flatMap((other) => [
      { from: id, to: other },
      { from: other, to: id },
    ]);
}

async function cutAndHeal(cluster: FaultCluster, stage: Stage): Promise<readonly number[]> {
  const { durations, load, step } = stage;
  const leader = await cluster.waitLeader();
  const follower = cluster.ids.find((id) => id !== leader)!;
  const islands = [leader, follower];
  const ways = islands.flatMap((id) => waysAround(cluster, id));
  await step(`servers ${islands.join(" and ")} cut off`, async () => {
    const cutMs = performance.now();
    for (const way of ways) await cluster.imposeOnWay(fault, way, { isHeld: true });
    for (const id of islands) {
      const address = cluster.publicAddress(id);
      const held = await load.waitAck(
        (ack) => ack.held && ack.address === address && ack.atMs >= cutMs,
        heldTimeoutMs,
      );
      if (held !== undefined) continue;
      throw new Error(
        `server ${id}, cut off alone, held no message within ${heldTimeoutMs} ms: ` +
          `there is no island mode`,
      );
    }
  });
  await step("two islands and a majority", () => load.run(durations.islandMs));
  await step("healed", async () => {
    // Old connections end first: what was held back in them is of another time.
    for (const way of ways) await cluster.resetConnections(way);
    for (const way of ways) await cluster.liftFromWay(fault, way);
    await waitWhole(cluster);
  });
  return cluster.ids;
}

/** The scenario. */
export async function runTwoIslands(options: ScenarioOptions): Promise<readonly Outcome[]> {
  const cluster = await openFaultCluster({ size, inNamespaces: false, faketimePath: undefined });
  return await leaveNothing(cluster, async () => [
    await runUnderLoad(
      {
        ...options,
        name: "two-islands",
        cluster,
        isPlanned: false,
        addresses: cluster.publicAddresses,
      },
      (stage) => cutAndHeal(cluster, stage),
    ),
  ]);
}
