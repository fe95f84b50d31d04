// Whom a strike meets: servers, ways between them, strengths. Draws only; does nothing to anybody.
import type { Random } from "../../src/base/random.ts";
import type { FaultCluster, Way } from "./fault-cluster.ts";

/** A server: with this chance the one that leads, where one does. */
export async function drawServer(
  { cluster, random }: { readonly cluster: FaultCluster; readonly random: Random },
  leaderChance = 0.5,
): Promise<number> {
  const any = drawFrom(random, cluster.ids);
  const wantsLeader = random.nextBoolean(leaderChance);
  return wantsLeader ? (await cluster.findLeader()) || any : any;
}

/** Two different servers. */
export function drawWay({
  cluster,
  random,
}: {
  readonly cluster: FaultCluster;
  readonly random: Random;
}): Way {
  const from = drawFrom(random, cluster.ids);
  const to = drawFrom(
    random,
    cluster.ids.filter((id) => id !== from),
  );
  return { from, to };
}

/** All ways from a server to the others. */
export function waysFrom(cluster: FaultCluster, from: number): Way[] {
  return cluster.ids.filter((id) => id !== from).map((to) => ({ from, to }));
}

/** All ways from the others to a server. */
export function waysTo(cluster: FaultCluster, to: number): Way[] {
  return cluster.ids.filter((id) => id !== to).map((from) => ({ from, to }));
}

/** Both directions between a server and the others. */
export function waysAround(cluster: FaultCluster, server: number): Way[] {
  return [...waysFrom(cluster, server), ...waysTo(cluster, server)];
}

/** Both directions of a way. */
export function bothWays({ from, to }: Way): Way[] {
  return [
    { from, to },
    { from: to, to: from },
  ];
}

/** One of several. */
export function drawFrom<T>(random: Random, all: readonly T[]): T {
  const drawn = all[random.nextInteger(0, all.length)];
  if (drawn === undefined) throw new Error("nothing to draw from");
  return drawn;
}

/** A whole number in [min, max], as likely to be small by a factor as to be large by it. */
export function drawScaled(
  random: Random,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  return min === max ? min : Math.round(min * (max / min) ** random.nextFloat());
}

/** Ways as people read them. */
export function describeWays(ways: readonly Way[]): string {
  return ways.map(({ from, to }) => `${from}→${to}`).join(" ");
}
