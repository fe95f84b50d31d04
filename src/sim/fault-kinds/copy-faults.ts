// Faults after which a server's copy is gone for good, within what fault-budget.ts allows: an empty
// disk in place of the old one, bits that flip on the platter.
import { drawOne } from "../chance.ts";
import type { ServerId } from "../cluster-event.ts";
import type { FaultScene } from "../fault-scene.ts";
import { drawDownMs } from "./process-faults.ts";

/** Share of bit flips that strike a server which runs on; it meets them later, or never. */
const whileRunningShare = 0.5;
const flipsMax = 3;

/** A server comes back with a disk on which there is nothing, and has to stay out. */
export function emptyDisk(scene: FaultScene): boolean {
  const victim = drawDestructible(scene);
  if (victim === undefined) return false;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  scene.takeDown(victim);
  scene.empty(victim);
  episode.endAfter(drawDownMs(scene));
  return true;
}

/**
 * Some bits are not what they were. The server refuses to start, or to go on, when it comes by
 * them; where nothing depends on them it may live on.
 */
export function flipBits(scene: FaultScene): boolean {
  const victim = drawDestructible(scene);
  if (victim === undefined) return false;
  if (scene.random.nextBoolean(whileRunningShare)) {
    if (!scene.isAllowed({ servers: [victim] })) return false;
    scene.budget.destroy(victim);
    flip(scene, victim);
    return true;
  }
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  scene.takeDown(victim);
  scene.budget.destroy(victim);
  flip(scene, victim);
  episode.endAfter(drawDownMs(scene));
  return true;
}

function flip(scene: FaultScene, victim: ServerId): void {
  const flips = scene.random.nextInteger(1, flipsMax + 1);
  for (let count = 0; count < flips; count++) scene.target.disk(victim).flipBit();
}

/** One that runs and whose copy may be destroyed, or is already but for what can be seen. */
export function drawDestructible(scene: FaultScene): ServerId | undefined {
  const candidates = scene
    .running()
    .filter((server) => scene.budget.mayDestroy(server) && !scene.emptied.has(server));
  return drawOne(scene.random, candidates);
}
