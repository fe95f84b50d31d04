// What operators do while everything else goes wrong: servers join, are removed and replaced,
// leadership is handed over, checkpoints are taken. None of it may cost anybody anything.
import { drawOne } from "../chance.ts";
import type { FaultScene } from "../fault-scene.ts";

/** A cluster grows by so many at most beyond what it began with. */
const growthMax = 2;
/** Share of newcomers that stay without a vote until they are promoted. */
const readerShare = 0.2;
/** Share of removals that name one that cannot answer now, where there is one. */
const downShare = 0.3;
/** Election time-outs that a replacement waits for the removal. */
const patienceElections = 60;

/** A new machine joins; now and then a reader gets a vote instead. */
export function joinServer(scene: FaultScene): boolean {
  const { random, target } = scene;
  const member = drawOne(random, target.members());
  if (member !== undefined && random.nextBoolean(readerShare)) {
    return target.changeMembers({ kind: "promote", replicaId: member });
  }
  const spare = target.spareMachine();
  if (spare === undefined || target.servers.length >= scene.swarm.servers + growthMax) return false;
  target.joinServer(spare, { reader: random.nextBoolean(readerShare) });
  return true;
}

/** A member is removed: anybody, the leader and servers that are down included. */
export function removeServer(scene: FaultScene): boolean {
  const victim = drawRemovable(scene);
  if (victim === undefined) return false;
  return scene.target.changeMembers({ kind: "remove", replicaId: victim });
}

/** A member is removed, and a new machine joins for it. */
export function replaceServer(scene: FaultScene): boolean {
  const { target, electionMs, random } = scene;
  const victim = drawRemovable(scene);
  if (victim === undefined) return false;
  const episode = scene.begin({ name: "replaceServer" });
  if (episode === undefined) return false;
  if (!target.changeMembers({ kind: "remove", replicaId: victim })) {
    episode.end();
    return false;
  }
  const untilMs = target.nowMs() + patienceElections * electionMs;
  episode.every(electionMs / 2, () => {
    if (target.members().includes(victim) && target.nowMs() < untilMs) return false;
    const spare = target.spareMachine();
    const isGone = !target.members().includes(victim);
    if (isGone && spare !== undefined)
      target.joinServer(spare, { reader: random.nextBoolean(0.1) });
    episode.end();
    return true;
  });
  return true;
}

function drawRemovable(scene: FaultScene): number | undefined {
  const { random, target } = scene;
  const members = target.members();
  if (!scene.budget.mayShrink) return undefined;
  // The last but one goes, too, but not often: with one server nothing can go wrong among servers.
  const fewest = random.nextBoolean(0.1) ? 1 : 2;
  if (members.length <= fewest) return undefined;
  const down = members.filter((member) => !target.condition(member).up);
  const isDown = down.length > 0 && random.nextBoolean(downShare);
  return drawOne(random, isDown ? down : members);
}

/** Leadership goes to a member, or to whoever is furthest. */
export function transferLeadership(scene: FaultScene): boolean {
  const { random, target } = scene;
  const to = random.nextBoolean(0.5) ? 0 : (drawOne(random, target.members()) ?? 0);
  return target.transferLeadership(to);
}

/** All take a snapshot. */
export function takeCheckpoint(scene: FaultScene): boolean {
  return scene.target.takeCheckpoint();
}
