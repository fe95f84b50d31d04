// Faults of the network between the servers. What is cut is cut by scene.cuts, so that faults that
// overlap do not mend each other's.
import { drawByFactor, drawOne, drawOrder } from "../chance.ts";
import type { ServerId } from "../cluster-event.ts";
import type { FaultScene } from "../fault-scene.ts";
import type { Direction } from "../link-cuts.ts";

/** Shares and delays are drawn from this part of the strongest up to it. */
const faintest = 0.02;

/** Two groups that cannot reach each other. */
export function partition(scene: FaultScene): boolean {
  const order = drawOrder(scene.random, scene.target.servers);
  const size = scene.random.nextInteger(1, order.length);
  return cutForATime(scene, between(order.slice(0, size), order.slice(size)));
}

/** One server reaches nobody; sometimes no client either. */
export function isolate(scene: FaultScene): boolean {
  const { random, target } = scene;
  const one = drawOne(random, target.servers);
  if (one === undefined) return false;
  const others = target.servers.filter((server) => server !== one);
  return cutForATime(scene, between([one], others), random.nextBoolean(0.3) ? one : undefined);
}

/** One server hears nobody or is heard by nobody, or one link passes in one direction only. */
export function cutOneWay(scene: FaultScene): boolean {
  const { random } = scene;
  const [one, ...others] = drawOrder(scene.random, scene.target.servers);
  if (one === undefined) return false;
  const far = random.nextBoolean(0.5) ? others : others.slice(0, 1);
  const isMute = random.nextBoolean(0.5);
  const cuts = far.map((other) => (isMute ? { from: one, to: other } : { from: other, to: one }));
  return cutForATime(scene, cuts);
}

/** Some pairs cannot reach each other, while one server still reaches all: not transitive. */
export function cutPartially(scene: FaultScene): boolean {
  const [, ...others] = drawOrder(scene.random, scene.target.servers);
  const cuts: Direction[] = [];
  for (const [at, one] of others.entries()) {
    for (const other of others.slice(at + 1)) {
      if (cuts.length === 0 || scene.random.nextBoolean(0.5)) cuts.push(...between([one], [other]));
    }
  }
  return cuts.length > 0 && cutForATime(scene, cuts);
}

/** Connections break; they are made again by themselves. */
export function breakConnection(scene: FaultScene): boolean {
  const [one, ...others] = drawOrder(scene.random, scene.target.servers);
  const far = scene.random.nextBoolean(0.7) ? others.slice(0, 1) : others;
  if (one === undefined || far.length === 0) return false;
  for (const other of far) scene.target.links.breakConnection(one, other);
  return true;
}

/** Frames of one direction, or of all that one server sends, wait; then all come at once. */
export function clog(scene: FaultScene): boolean {
  const [one, ...others] = drawOrder(scene.random, scene.target.servers);
  const far = scene.random.nextBoolean(0.7) ? others.slice(0, 1) : others;
  if (one === undefined || far.length === 0) return false;
  const durationMs = scene.drawEpisodeMs();
  for (const other of far) scene.target.links.clog(one, other, durationMs);
  return true;
}

/** All frames take longer for a time. */
export function delay(scene: FaultScene): boolean {
  const { links } = scene.target;
  const setMs = (meanMs: number) => links.setDelayMs(meanMs);
  return setForATime(scene, "delay", setMs, scene.swarm.strengths.delayMsMax);
}

/** Some frames are lost for a time. */
export function lose(scene: FaultScene): boolean {
  const { links } = scene.target;
  const set = (share: number) => links.setLoss(share);
  return setForATime(scene, "loss", set, scene.swarm.strengths.lossMax);
}

/** Some frames come twice for a time. */
export function double(scene: FaultScene): boolean {
  const { links } = scene.target;
  const set = (share: number) => links.setDoubling(share);
  return setForATime(scene, "doubling", set, scene.swarm.strengths.doublingMax);
}

/** Some frames overtake others for a time. */
export function reorder(scene: FaultScene): boolean {
  const { links } = scene.target;
  const set = (share: number) => links.setReordering(share);
  return setForATime(scene, "reordering", set, scene.swarm.strengths.reorderingMax);
}

function setForATime(
  scene: FaultScene,
  name: string,
  set: (strength: number) => void,
  strongest: number,
): boolean {
  const episode = scene.begin({ name });
  if (episode === undefined) return false;
  set(drawByFactor(scene.random, { min: strongest * faintest, max: strongest }));
  episode.onEnd(() => set(0));
  episode.endAfter(scene.drawEpisodeMs());
  return true;
}

function cutForATime(
  scene: FaultScene,
  cuts: readonly Direction[],
  cutFromClients?: ServerId,
): boolean {
  const episode = scene.begin({ cuts });
  if (episode === undefined) return false;
  if (cutFromClients !== undefined) {
    const { clientLinks } = scene.target;
    clientLinks.cut(cutFromClients);
    episode.onEnd(() => clientLinks.mend(cutFromClients));
  }
  episode.endAfter(scene.drawEpisodeMs());
  return true;
}

/** Both directions between each of these and each of those. */
export function between(these: readonly ServerId[], those: readonly ServerId[]): Direction[] {
  return these.flatMap((one) =>
    those.flatMap((other) => [
      { from: one, to: other },
      { from: other, to: one },
    ]),
  );
}
