// Two of three servers are killed while people write, in every order; two people go on writing to
// the one that is left, and what it holds is merged when the others come back (R5, R8).
import { type Cluster, startCluster } from "../cluster.ts";
import { leaveNothing } from "./leave-nothing.ts";
import { type Outcome, runUnderLoad, type ScenarioOptions, type Stage } from "./scenario.ts";
import { waitWhole } from "./whole.ts";

/** How long the survivor may take until it holds somebody's message, ms. */
const heldTimeoutMs = 15_000;
/** Who goes on writing on the island. */
const islanders = [0, 1];

/** Kills two servers, and answers which, in the order in which they come back. */
type Blow = (
  cluster: Cluster,
  leader: number,
  between: () => Promise<void>,
) => Promise<[number, number]>;

function followersOf(cluster: Cluster, leader: number): [number, number] {
  const [a, b] = cluster.ids.filter((id) => id !== leader);
  return [a!, b!];
}

async function killInTurn(
  cluster: Cluster,
  [first, second]: [number, number],
  between: () => Promise<void>,
): Promise<[number, number]> {
  await cluster.kill(first);
  await between();
  await cluster.kill(second);
  return [first, second];
}

async function killAtOnce(cluster: Cluster, ids: [number, number]): Promise<[number, number]> {
  await cluster.killAll(ids);
  return ids;
}

/** By the name of the sub-run. */
const blows = {
  "leader-then-follower": (cluster, leader, between) =>
    killInTurn(cluster, [leader, followersOf(cluster, leader)[0]], between),
  "follower-then-leader": (cluster, leader, between) =>
    killInTurn(cluster, [followersOf(cluster, leader)[0], leader], between),
  "follower-then-follower": (cluster, leader, between) =>
    killInTurn(cluster, followersOf(cluster, leader), between),
  "leader-and-follower-at-once": (cluster, leader) =>
    killAtOnce(cluster, [leader, followersOf(cluster, leader)[0]]),
  "followers-at-once": (cluster, leader) => killAtOnce(cluster, followersOf(cluster, leader)),
} as const satisfies Record<string, Blow>;

/** A way of losing two servers. */
export type BlowName = keyof typeof blows;

const allBlows = Object.keys(blows) as BlowName[];

/** Goes on while at least one server of three is left. */
async function survive(blow: Blow, stage: Stage): Promise<readonly number[]> {
  const { cluster, durations, load, step } = stage;
  const leader = await cluster.waitLeader();
  // What is acknowledged between the two blows is on the two disks that are left, not on three.
  const between = (): Promise<void> => load.run(durations.calmMs);
  const [first, second] = await step("two servers killed", () => blow(cluster, leader, between));
  const killedMs = performance.now();
  await step("the first message held", async () => {
    const held = await load.waitAck(({ held, atMs }) => held && atMs >= killedMs, heldTimeoutMs);
    if (held === undefined) {
      throw new Error(
        `no message was held within ${heldTimeoutMs} ms after two of three servers were killed: ` +
          `there is no island mode`,
      );
    }
  });
  load.keepOnly(islanders);
  await step("two people on the island", () => load.run(durations.islandMs));
  await step(`server ${first} came back`, async () => {
    cluster.start(first);
    await cluster.waitReady(cluster.ids.filter((id) => id !== second));
    await load.run(durations.calmMs);
  });
  load.keepAll();
  await step(`server ${second} came back`, async () => {
    cluster.start(second);
    await waitWhole(cluster);
  });
  return cluster.ids;
}

/** The scenario: each way of losing two servers in a cluster of its own. */
export async function runTwoOfThree(
  options: ScenarioOptions,
  ways: readonly BlowName[] = allBlows,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const way of ways) {
    const name = `two-of-three/${way}`;
    const outcome = await leaveNothing(await startCluster(), (cluster) =>
      runUnderLoad({ ...options, name, cluster, isPlanned: false }, (stage) =>
        survive(blows[way], stage),
      ),
    );
    outcomes.push(outcome);
  }
  return outcomes;
}
