// Faults of what is around a server: its clients' connections, its clock, its disk's speed.
import { drawByFactor, drawOne, drawSign } from "../chance.ts";
import type { FaultScene } from "../fault-scene.ts";

/** The smallest jump of a clock. */
const clockJumpMsMin = 1;
/** Errors of clocks and times of syncs are drawn from this part of the strongest up to it. */
const faintest = 0.01;
/** Share of jumps that are as large as they may be. */
const largestJumpShare = 0.3;

/** All clients of a server lose their connections, and are told. */
export function breakClients(scene: FaultScene): boolean {
  const server = drawOne(scene.random, scene.target.servers);
  if (server === undefined) return false;
  scene.target.clientLinks.breakConnections(server);
  return true;
}

/** Clients and one server cannot reach each other; nobody is told. */
export function cutClients(scene: FaultScene): boolean {
  const server = drawOne(scene.random, scene.target.servers);
  if (server === undefined) return false;
  const { clientLinks } = scene.target;
  const episode = scene.begin({ name: "cutClients" });
  if (episode === undefined) return false;
  clientLinks.cut(server);
  episode.onEnd(() => clientLinks.mend(server));
  episode.endAfter(scene.drawEpisodeMs());
  return true;
}

/** The date of a machine jumps, for good. */
export function jumpClock(scene: FaultScene): boolean {
  const { random, swarm } = scene;
  const server = drawOne(random, scene.target.servers);
  if (server === undefined) return false;
  const max = swarm.strengths.clockJumpMsMax;
  const isLargest = random.nextBoolean(largestJumpShare);
  const byMs = isLargest ? max : drawByFactor(random, { min: clockJumpMsMin, max });
  scene.target.jumpClock(server, Math.round(byMs) * drawSign(random));
  return true;
}

/** The clock of a machine runs too fast or too slow for a time. */
export function setClockRate(scene: FaultScene): boolean {
  const { random, swarm, target } = scene;
  const server = drawOne(random, target.servers);
  if (server === undefined) return false;
  const episode = scene.begin({ name: `clockRate ${server}` });
  if (episode === undefined) return false;
  const max = swarm.strengths.clockRateErrorMax;
  const error = drawByFactor(random, { min: max * faintest, max }) * drawSign(random);
  target.setClockRate(server, 1 + error);
  episode.onEnd(() => target.setClockRate(server, swarm.clockRates[server - 1] ?? 1));
  episode.endAfter(scene.drawEpisodeMs());
  return true;
}

/** A disk takes longer to sync for a time. */
export function slowDisk(scene: FaultScene): boolean {
  const { random, swarm, target } = scene;
  const server = drawOne(random, target.servers);
  if (server === undefined) return false;
  const episode = scene.begin({ name: `slowDisk ${server}` });
  if (episode === undefined) return false;
  const max = swarm.strengths.slowDiskMsMax;
  target.disk(server).setSlowMs(drawByFactor(random, { min: max * faintest, max }));
  episode.onEnd(() => target.disk(server).setSlowMs(0));
  episode.endAfter(scene.drawEpisodeMs());
  return true;
}
