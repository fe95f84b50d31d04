// Every server is stopped as an operator stops it and started again, one after the other, while
// people write: none of them is to notice (R9).
import { startCluster } from "../cluster.ts";
import { leaveNothing } from "./leave-nothing.ts";
import { type Outcome, runUnderLoad, type ScenarioOptions, type Stage } from "./scenario.ts";
import { waitWhole } from "./whole.ts";

const pauseBoundMs = 100;

async function restartAll({ cluster, durations, load, step }: Stage): Promise<readonly number[]> {
  for (const id of cluster.ids) {
    const leader = await waitWhole(cluster);
    const who = `server ${id}${id === leader ? ", the leader," : ""}`;
    await step(`${who} stopped`, async () => {
      const { code, stdout, stderr } = await cluster.terminate(id);
      if (code !== 0) throw new Error(`${who} ended with ${code}: ${stdout}${stderr}`);
      await load.run(durations.calmMs);
    });
    await step(`${who} started again`, async () => {
      cluster.start(id);
      await waitWhole(cluster);
      await load.run(durations.calmMs);
    });
  }
  return cluster.ids;
}

/** The scenario. */
export async function runRollingRestart(options: ScenarioOptions): Promise<readonly Outcome[]> {
  const name = "rolling-restart";
  return await leaveNothing(await startCluster(), async (cluster) => [
    await runUnderLoad({ ...options, name, cluster, isPlanned: true, pauseBoundMs }, restartAll),
  ]);
}
