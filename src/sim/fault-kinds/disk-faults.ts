// Faults of a disk that leave its contents whole: calls that fail, a read that answers bytes from
// elsewhere. The process that meets one stops by itself and starts anew. Not here: what destroys a
// copy (copy-faults.ts, stray-write.ts).
import { drawOne } from "../chance.ts";
import type { ServerId } from "../cluster-event.ts";
import type { FaultScene } from "../fault-scene.ts";
import type { DiskFaults } from "../fault-target.ts";

const errorOperations = ["read", "write", "sync", "allocate"] as const;
const fullOperations = ["write", "sync", "allocate"] as const;
/** Share of disk errors that strike a start. */
const atStartShare = 0.3;
/** How long a start may take that is refused and, a second later, tried again. */
const startAgainMs = 3_000;
const lookMs = 200;

/** The next call of some kind fails with EIO. */
export function failDisk(scene: FaultScene): boolean {
  const operation = drawOne(scene.random, errorOperations)!;
  return failNext(scene, (disk) => disk.failNext(operation, "EIO"));
}

/** The next call that needs room fails with ENOSPC. */
export function fillDisk(scene: FaultScene): boolean {
  const operation = drawOne(scene.random, fullOperations)!;
  return failNext(scene, (disk) => disk.failNext(operation, "ENOSPC"));
}

/**
 * The next read of a server that runs answers bytes from elsewhere. Never a read of a start: one
 * that reads zeros in place of its last batch cannot know better, and would forget what it has
 * acknowledged. What is armed is over with its process, so the next start reads right again.
 */
export function misdirectRead(scene: FaultScene): boolean {
  return strikeRunning(scene, scene.drawGood(), (disk) => disk.misdirectNextRead());
}

function failNext(scene: FaultScene, arm: (disk: DiskFaults) => void): boolean {
  const victim = scene.drawGood();
  if (!scene.random.nextBoolean(atStartShare)) return strikeRunning(scene, victim, arm);
  if (victim === undefined) return false;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  scene.takeDown(victim);
  arm(scene.target.disk(victim));
  scene.armed.add(victim);
  scene.target.start(victim);
  episode.endAfter(startAgainMs);
  return true;
}

/** Keeps its hands on the server until it has died of it and is up again, or nothing came of it. */
function strikeRunning(
  scene: FaultScene,
  victim: ServerId | undefined,
  arm: (disk: DiskFaults) => void,
): boolean {
  if (victim === undefined) return false;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  const { target } = scene;
  arm(target.disk(victim));
  scene.armed.add(victim);
  const untilMs = target.nowMs() + scene.drawEpisodeMs();
  episode.every(lookMs, () => {
    const { up } = target.condition(victim);
    if (up && target.nowMs() < untilMs) return false;
    if (!up) scene.handleDown(victim);
    episode.endAfter(up ? 0 : startAgainMs);
    return true;
  });
  return true;
}
