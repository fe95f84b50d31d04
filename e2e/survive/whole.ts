// Waits until a cluster is whole: one leads, and counts every server as alive, which it does when
// a server is connected and has caught up, and every server has its vote.
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../../src/testing/index.ts";
import type { Cluster, ServerStatusJson } from "../cluster.ts";

const wholeTimeoutMs = 60_000;
const voter = "MEMBERSHIP_VOTER";
/** Between two questions: servers that are measured are not to be kept busy by them. */
const pollMs = 20;

/** Resolves with the leader's id as soon as these servers, and no others, are all well. */
export async function waitWhole(
  cluster: Cluster,
  ids: readonly number[] = cluster.ids,
  timeoutMs = wholeTimeoutMs,
): Promise<number> {
  let last: readonly ServerStatusJson[] = [];
  try {
    return await eventually(
      "the cluster to be whole",
      async () => {
        const leader = await cluster.findLeader();
        if (leader !== 0) last = (await cluster.status(leader)) ?? [];
        if (leader !== 0 && isWhole(last, ids)) return leader;
        await delay(pollMs);
        return false;
      },
      { timeoutMs },
    );
  } catch (error) {
    throw new Error(`${String(error)}; the leader says ${JSON.stringify(last)}`);
  }
}

/** What the leader tells of all servers. */
function isWhole(servers: readonly ServerStatusJson[], ids: readonly number[]): boolean {
  const told = servers.map(({ replicaId }) => replicaId).toSorted((a, b) => a - b);
  if (told.join() !== ids.toSorted((a, b) => a - b).join()) return false;
  const isVoter = ({ membership = voter }: ServerStatusJson): boolean => membership === voter;
  return servers.every((server) => server.live === true && isVoter(server));
}
