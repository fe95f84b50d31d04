// Every server of three is replaced by a new one while people write, who know the old addresses
// only: each new one gets its vote before an old one goes (R2, R9).
import { type GrowingCluster, openGrowingCluster } from "./growing-cluster.ts";
import { leaveNothing } from "./leave-nothing.ts";
import { requireCommands } from "./operator.ts";
import { type Outcome, runUnderLoad, type ScenarioOptions, type Stage } from "./scenario.ts";

const size = 3;

async function replaceAll(cluster: GrowingCluster, stage: Stage): Promise<readonly number[]> {
  const { durations, load, step } = stage;
  for (const oldId of [...cluster.members]) {
    const newId = oldId + size;
    await step(`server ${newId} joined`, async () => {
      await cluster.join(newId);
      await load.run(durations.calmMs);
    });
    await step(`server ${oldId} was removed`, async () => {
      await cluster.removeForGood(oldId);
      await load.run(durations.calmMs);
    });
  }
  return cluster.members;
}

/** The scenario. */
export async function runReplaceAll(options: ScenarioOptions): Promise<readonly Outcome[]> {
  await requireCommands("member add", "member remove", "join");
  const cluster = await openGrowingCluster({ founders: size, places: 2 * size });
  return await leaveNothing(cluster, async () => [
    await runUnderLoad(
      { ...options, name: "replace-all", cluster, isPlanned: true, members: cluster.members },
      (stage) => replaceAll(cluster, stage),
    ),
  ]);
}
