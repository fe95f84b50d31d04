// Faults after which a server's copy must be made anew, within what fault-budget.ts allows: an
// empty disk in place of the old one, bits that flip on the platter, a state that rots or cannot be
// read.
import { drawOne } from "../chance.ts";
import type { ServerId } from "../cluster-event.ts";
import type { FaultScene } from "../fault-scene.ts";
import { drawDownMs } from "./process-faults.ts";

/** Share of bit flips that strike a server which runs on for a while before it meets them. */
const whileRunningShare = 0.5;
const flipsMax = 3;
/** Half of the flips strike a file of one kind, so that each is struck. */
const fileKinds = ["", "", "", "", "log/", "snapshots/", "vote", "identity", "island"];
/**
 * How often to ask for a checkpoint until a rotten state is found, and when to give up, in election
 * time-outs.
 */
const checkpointElections = 4;
const rotPatienceElections = 100;

/** A founder comes back with a disk on which there is nothing, and has to be taken in anew. */
export function emptyDisk(scene: FaultScene): boolean {
  const victim = drawDestructible(scene, ({ isFounder }) => isFounder);
  if (victim === undefined) return false;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  scene.takeDown(victim);
  scene.empty(victim);
  episode.endAfter(drawDownMs(scene));
  return true;
}

/** Some bits are not what they were. The server meets them at its next start at the latest. */
export function flipBits(scene: FaultScene): boolean {
  const victim = drawDestructible(scene);
  if (victim === undefined) return false;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  scene.budget.destroy(victim);
  if (!scene.random.nextBoolean(whileRunningShare)) {
    scene.takeDown(victim);
    flip(scene, victim);
    episode.endAfter(drawDownMs(scene));
    return true;
  }
  flip(scene, victim);
  episode.after(scene.drawEpisodeMs(), () => {
    scene.takeDown(victim);
    episode.endAfter(drawDownMs(scene));
  });
  // Nobody runs on with damage that it may not have met.
  episode.onEnd(() => scene.kill(victim));
  return true;
}

function flip(scene: FaultScene, victim: ServerId): void {
  const flips = scene.random.nextInteger(1, flipsMax + 1);
  const disk = scene.target.disk(victim);
  for (let count = 0; count < flips; count++) {
    if (!disk.flipBit(drawOne(scene.random, fileKinds))) disk.flipBit();
  }
}

/** The state cannot be read any more: by the next process, or by the next copy. */
export function corruptState(scene: FaultScene): boolean {
  const victim = drawDestructible(scene);
  if (victim === undefined) return false;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  scene.budget.destroy(victim);
  scene.target.corruptState(victim);
  episode.after(scene.drawEpisodeMs(), () => {
    scene.takeDown(victim);
    episode.endAfter(drawDownMs(scene));
  });
  episode.onEnd(() => scene.kill(victim));
  return true;
}

/**
 * A value in the state changes. Nobody can know before the next checkpoint, when all states are
 * compared; until then people would be shown it, so they are kept away.
 */
export function rotRow(scene: FaultScene): boolean {
  const { target, electionMs } = scene;
  const victim = drawDestructible(scene);
  if (victim === undefined) return false;
  const episode = scene.begin({ servers: [victim], name: "rotRow" });
  if (episode === undefined) return false;
  scene.takeDown(victim);
  if (!target.rotRow(victim)) {
    episode.end();
    return false;
  }
  scene.budget.destroy(victim);
  target.clientLinks.cut(victim);
  episode.onEnd(() => target.clientLinks.mend(victim));
  const untilMs = target.nowMs() + rotPatienceElections * electionMs;
  episode.every(checkpointElections * electionMs, () => {
    scene.bringUp(victim);
    if (target.condition(victim).isWhole || target.nowMs() > untilMs) {
      episode.end();
      return true;
    }
    target.takeCheckpoint();
    return false;
  });
  return true;
}

/** One that runs and whose copy may be destroyed, or is already but for what can be seen. */
export function drawDestructible(
  scene: FaultScene,
  fits: (machine: { readonly isFounder: boolean }) => boolean = () => true,
): ServerId | undefined {
  const { target } = scene;
  const candidates = scene
    .running()
    .filter((server) => scene.budget.mayDestroy(server) && scene.mayStartAsUsual(server))
    .filter((server) => fits({ isFounder: target.condition(server).isFounder }));
  return drawOne(scene.random, candidates);
}
