// A cluster that people write to grows from one server to three and five, and shrinks to three and
// one again; the leader is among those that go (R2, R9).
import { type GrowingCluster, openGrowingCluster } from "./growing-cluster.ts";
import { leaveNothing } from "./leave-nothing.ts";
import { requireCommands } from "./operator.ts";
import { type Outcome, runUnderLoad, type ScenarioOptions, type Stage } from "./scenario.ts";

async function growAndShrink(cluster: GrowingCluster, stage: Stage): Promise<readonly number[]> {
  const { durations, load, step } = stage;
  for (let id = 2; id <= durations.serversMax; id++) {
    await step(`server ${id} joined`, async () => {
      await cluster.join(id);
      await load.run(durations.calmMs);
    });
  }
  while (cluster.members.length > 1) {
    const leader = await cluster.waitLeader();
    // The leader of five goes, then a follower; and so again with three.
    const isLeadersTurn = cluster.members.length % 2 === 1;
    const follower = cluster.members.find((id) => id !== leader)!;
    const id = isLeadersTurn ? leader : follower;
    await step(`server ${id}${isLeadersTurn ? ", the leader," : ""} was removed`, async () => {
      await cluster.removeForGood(id);
      await load.run(durations.calmMs);
    });
  }
  return cluster.members;
}

/** The scenario. */
export async function runGrowShrink(options: ScenarioOptions): Promise<readonly Outcome[]> {
  await requireCommands("member add", "member remove", "join");
  const cluster = await openGrowingCluster({ founders: 1, places: options.durations.serversMax });
  return await leaveNothing(cluster, async () => [
    await runUnderLoad(
      { ...options, name: "grow-shrink", cluster, isPlanned: true, members: cluster.members },
      (stage) => growAndShrink(cluster, stage),
    ),
  ]);
}
