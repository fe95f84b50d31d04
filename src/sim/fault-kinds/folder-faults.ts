// Whole folders that are not where they belong: an older copy of a server's own, and that of
// another server.
import { assert } from "../../base/assert.ts";
import { drawByFactor, drawOne, drawOrder } from "../chance.ts";
import type { ServerId } from "../cluster-event.ts";
import type { FaultScene } from "../fault-scene.ts";
import { drawDownMs } from "./process-faults.ts";

/** Share of strikes that use a copy, where there is one, instead of keeping a newer one. */
const useShare = 0.6;
/** How many election time-outs to wait until a server may forget. */
const patienceElections = 10;

/**
 * Keeps a copy of a server's folder, or gives one back that was kept earlier. For the second all
 * others are killed and started, so that they elect a leader in a later term while it is down:
 * fault-budget.ts says why. Counts only disks that were really given back.
 */
export function olderDisk(scene: FaultScene, copies: Set<ServerId>): boolean {
  const victim = drawOne(scene.random, [...copies]);
  if (victim === undefined || !scene.random.nextBoolean(useShare)) {
    keepCopy(scene, copies);
    return false;
  }
  if (!isRestorable(scene, victim)) return false;
  const { target, electionMs } = scene;
  const episode = scene.begin({ servers: target.servers, isOutage: true });
  if (episode === undefined) return false;
  scene.takeDown(victim);
  for (const other of target.servers) {
    if (other === victim) continue;
    scene.kill(other);
    scene.bringUp(other);
  }
  const untilMs = target.nowMs() + patienceElections * electionMs;
  episode.every(electionMs / 4, () => {
    const isTooLate = target.nowMs() > untilMs || target.condition(victim).up;
    if (!isTooLate && !scene.budget.mayForget(victim, scene.cuts.isWhole)) return false;
    if (!isTooLate && target.restoreDiskCopy(victim)) {
      scene.budget.forget(victim);
      scene.count("olderDisk");
    }
    episode.end();
    return true;
  });
  return false;
}

function isRestorable(scene: FaultScene, victim: ServerId): boolean {
  const { target } = scene;
  const areFree = target.servers.every((server) => scene.isFree(server));
  return areFree && scene.budget.destroyed.length === 0 && target.condition(victim).up;
}

function keepCopy(scene: FaultScene, copies: Set<ServerId>): void {
  const victim = scene.drawWhole();
  if (victim === undefined || scene.target.servers.length < 3) return;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return;
  scene.takeDown(victim);
  scene.target.keepDiskCopy(victim);
  copies.add(victim);
  episode.endAfter(drawDownMs(scene));
}

/** Two servers find each other's folders, and must refuse them, until somebody mends it. */
export function swapDisks(scene: FaultScene): boolean {
  const { random, target } = scene;
  const good = scene.running().filter((server) => target.condition(server).isWhole);
  const [one, other] = drawOrder(random, good);
  if (one === undefined || other === undefined) return false;
  const servers = [one, other];
  const episode = scene.begin({ servers, isOutage: true });
  if (episode === undefined) return false;
  const swap = () => {
    // Right before, since a supervisor may have started one again.
    for (const server of servers) scene.kill(server);
    target.swapDisks(one, other);
  };
  for (const server of servers) scene.takeDown(server);
  swap();
  episode.onEnd(swap);
  episode.after(drawDownMs(scene), () => {
    for (const server of servers) {
      target.start(server);
      assert(!target.condition(server).up, `server ${server} runs with another server's folder`);
    }
    episode.endAfter(drawByFactor(random, { min: 10, max: 2 * scene.electionMs }));
  });
  return true;
}
