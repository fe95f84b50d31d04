// Faults that take a majority away for so long that islands open (docs/decisions/0013): servers
// that are down together, links that leave groups of which none or only one is a majority; and what
// happens to those who are left meanwhile. With `survival` "quorum" they are long outages.
import { drawByFactor, drawOne, drawOrder } from "../chance.ts";
import type { ServerId } from "../cluster-event.ts";
import type { Episode, FaultScene } from "../fault-scene.ts";
import type { Direction } from "../link-cuts.ts";
import { between } from "./link-faults.ts";

/** How long the majority is away after an island may have opened, in `islandAfterMs`. */
const lengthFactor = { min: 0.5, max: 6 };
/** Servers go, and come back, all in one moment in so many cases. */
const atOnceShare = 0.4;
/** In so many cases something happens to one of those who are left. */
const survivorShare = 0.6;
/** A survivor that was struck comes back in most cases, while the others are away. */
const downFactor = { min: 0.05, max: 1.5 };
/** Share of cases in which a disk among those that are away is lost, where disks are lost. */
const lostDiskShare = 0.25;
const dayMs = 86_400_000;

/**
 * So many servers go down that the others are no majority: at once or one after the other, in any
 * order; they come back in any order, too.
 */
export function takeMajority(scene: FaultScene): boolean {
  const { random, target } = scene;
  const { servers } = target;
  const order = drawOrder(random, scene.running());
  const least = Math.ceil(servers.length / 2);
  if (servers.length < 3 || order.length <= least) return false;
  const victims = order.slice(0, random.nextInteger(least, order.length));
  const episode = scene.begin({ servers: victims, name: "majority", isOutage: true });
  if (episode === undefined) return false;
  const isAtOnce = random.nextBoolean(atOnceShare);
  let atMs = 0;
  for (const victim of victims) {
    if (atMs === 0) scene.takeDown(victim);
    else episode.after(atMs, () => scene.takeDown(victim));
    // Sometimes the others elect somebody in between.
    if (!isAtOnce) atMs += random.nextFloat() * 3 * scene.electionMs;
  }
  const lengthMs = drawLengthMs(scene);
  maybeLoseDisk(scene, episode, { victims, atMs: atMs + lengthMs / 2 });
  troubleSurvivors(scene, episode, {
    survivors: order.slice(victims.length),
    fromMs: atMs,
    lengthMs,
  });
  comeBack(scene, episode, { victims, fromMs: atMs + lengthMs });
  return true;
}

/**
 * Groups that cannot reach each other: none is a majority, or one is. Before they are whole again
 * some meet.
 */
export function cutIntoIslands(scene: FaultScene): boolean {
  const { random, target } = scene;
  const { servers } = target;
  if (servers.length < 3) return false;
  const groups = drawGroups(scene);
  const [first = [], second = [], ...others] = drawOrder(random, groups);
  const meeting = between(first, second);
  const apart: Direction[] = [];
  for (const [at, group] of others.entries()) {
    apart.push(...between(group, [...first, ...second, ...others.slice(at + 1).flat()]));
  }
  // Two cuts, so that two groups may meet while the others are still away.
  const met = scene.begin({ cuts: meeting, name: "islands that meet", isOutage: true });
  if (met === undefined) return false;
  const episode = scene.begin({ cuts: apart, name: "islands", isOutage: true });
  if (episode === undefined) {
    met.end();
    return false;
  }
  const lengthMs = drawLengthMs(scene);
  const isMeeting = random.nextBoolean(0.5);
  met.endAfter(lengthMs * (isMeeting ? 0.3 + 0.5 * random.nextFloat() : 1));
  episode.endAfter(lengthMs * (isMeeting ? 1.5 : 1));
  troubleSurvivors(scene, episode, { survivors: servers, fromMs: 0, lengthMs });
  return true;
}

function drawLengthMs(scene: FaultScene): number {
  const { islandAfterMs } = scene.swarm.timings;
  return islandAfterMs * (1 + drawByFactor(scene.random, lengthFactor));
}

/** 3: all alone, or one and two. 5: from one and four to all alone. */
function drawGroups(scene: FaultScene): ServerId[][] {
  const order = drawOrder(scene.random, scene.target.servers);
  const groups: ServerId[][] = [];
  while (order.length > 0) {
    const isMajorityWanted = groups.length > 0 && scene.random.nextBoolean(0.2);
    const most = isMajorityWanted ? order.length : Math.min(order.length, 2);
    groups.push(order.splice(0, scene.random.nextInteger(1, most + 1)));
  }
  return groups;
}

/** One of those who are away comes back without its disk. */
function maybeLoseDisk(
  scene: FaultScene,
  episode: Episode,
  { victims, atMs }: { readonly victims: readonly ServerId[]; readonly atMs: number },
): void {
  if (!scene.swarm.faults.includes("emptyDisk")) return;
  if (!scene.random.nextBoolean(lostDiskShare)) return;
  const { target } = scene;
  episode.after(atMs, () => {
    const { budget } = scene;
    const victim = victims.find((one) => budget.mayDestroy(one) && target.condition(one).isFounder);
    if (victim !== undefined) scene.empty(victim);
  });
}

/** A survivor dies and comes back, or its date is another, while the others are away. */
function troubleSurvivors(
  scene: FaultScene,
  episode: Episode,
  span: {
    readonly survivors: readonly ServerId[];
    readonly fromMs: number;
    readonly lengthMs: number;
  },
): void {
  const { random, target } = scene;
  const survivor = drawOne(random, span.survivors);
  if (survivor === undefined || !random.nextBoolean(survivorShare)) return;
  const { islandAfterMs } = scene.swarm.timings;
  const whenMs = span.fromMs + random.nextFloat() * span.lengthMs;
  const downMs = islandAfterMs * drawByFactor(random, downFactor);
  const jumpMs = (2 * random.nextFloat() - 1) * dayMs;
  const isClock = random.nextBoolean(0.3);
  episode.after(whenMs, () => {
    if (isClock) {
      if (scene.swarm.faults.includes("clockJump")) target.jumpClock(survivor, jumpMs);
      return;
    }
    const struck = scene.begin({ servers: [survivor], isOutage: true });
    if (struck === undefined) return;
    scene.takeDown(survivor);
    struck.endAfter(downMs);
  });
}

/** All at once, or one after the other. */
function comeBack(
  scene: FaultScene,
  episode: Episode,
  { victims, fromMs }: { readonly victims: readonly ServerId[]; readonly fromMs: number },
): void {
  const { random } = scene;
  let atMs = fromMs;
  const isAtOnce = random.nextBoolean(atOnceShare);
  for (const victim of isAtOnce ? [] : drawOrder(random, victims)) {
    episode.after(atMs, () => scene.bringUp(victim));
    atMs += random.nextFloat() * 2 * scene.swarm.timings.islandAfterMs;
  }
  episode.endAfter(atMs);
}
