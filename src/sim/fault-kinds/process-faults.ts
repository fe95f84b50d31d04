// Faults of processes and machines that spare the disk: kills, power failures, stops, pauses, crash
// points. Each one takes servers into its hands and gives them back running.
import type { CrashPoint } from "../../replica/index.ts";
import { drawByFactor, drawOne } from "../chance.ts";
import type { ServerId } from "../cluster-event.ts";
import type { Episode, FaultScene } from "../fault-scene.ts";

/** Every point, once: a new one that is missing here does not compile. */
const crashPoints: readonly CrashPoint[] = Object.keys({
  "before-vote-save": 1,
  "after-vote-save": 1,
  "before-append": 1,
  "after-append": 1,
  "after-durable": 1,
  "before-send": 1,
  "after-send": 1,
  "before-apply": 1,
  "after-apply": 1,
  "before-answer": 1,
} satisfies Record<CrashPoint, 1>) as CrashPoint[];

const passesMax = 50;
/** A vote is saved once an election, so that more of them are seldom seen. */
const voteSavesMax = 3;
/** A process that hangs, or a machine that is suspended, for up to so long. */
const pauseMs = { min: 5, max: 10_000 };
/** In a crash loop a process lives for up to so long. */
const shortLifeMsMax = 2_000;
/** Share of deaths after which the process is started again at once. */
const atOnceShare = 0.25;
const atOnceMsMax = 100;
/** A server that has not ended so long after SIGTERM is killed, as supervisors do. */
const stopPatienceMs = 10_000;
const lookMs = 200;

/** kill -9 of anybody. */
export function killAnybody(scene: FaultScene): boolean {
  return strikeDown(scene, scene.drawRunning(), (victim) => scene.kill(victim));
}

/** kill -9 of the server whose log reaches furthest, which is mostly the leader. */
export function killFurthest(scene: FaultScene): boolean {
  let furthest: ServerId | undefined;
  let index = -1;
  for (const server of scene.running()) {
    const { durableIndex } = scene.target.condition(server);
    if (durableIndex > index) [furthest, index] = [server, durableIndex];
  }
  return strikeDown(scene, furthest, (victim) => scene.kill(victim));
}

/** One machine loses power. */
export function losePower(scene: FaultScene): boolean {
  return strikeDown(scene, scene.drawRunning(), (victim) => scene.losePower(victim));
}

/** All machines lose power at once, whatever else is being done to them. */
export function losePowerOfAll(scene: FaultScene): boolean {
  const { servers } = scene.target;
  const episode = scene.begin({
    servers: servers.filter((server) => scene.isFree(server)),
    isOutage: true,
  });
  if (episode === undefined) return false;
  for (const server of servers) scene.losePower(server);
  episode.endAfter(drawDownMs(scene));
  return true;
}

/** SIGTERM; started again some time after it has ended. */
export function stopGracefully(scene: FaultScene): boolean {
  const victim = scene.drawRunning();
  // It may give votes back.
  if (victim === undefined || !scene.budget.mayShrink) return false;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  const { target } = scene;
  target.stop(victim);
  const untilMs = target.nowMs() + stopPatienceMs;
  episode.every(lookMs, () => {
    if (target.condition(victim).up && target.nowMs() < untilMs) return false;
    scene.kill(victim);
    episode.endAfter(drawDownMs(scene));
    return true;
  });
  // One that is on its way out must not go down after it was brought up.
  episode.onEnd(() => scene.kill(victim));
  return true;
}

/** A process hangs. */
export function pause(scene: FaultScene): boolean {
  const victim = scene.drawRunning();
  if (victim === undefined) return false;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  scene.target.pause(victim);
  episode.endAfter(drawByFactor(scene.random, pauseMs));
  return true;
}

/** One server, or where it may be all of them, die at a point of their own code. */
export function armCrashPoint(scene: FaultScene): boolean {
  const { random, target } = scene;
  const running = scene.running();
  const one = drawOne(random, running);
  const point = drawOne(random, crashPoints);
  if (one === undefined || point === undefined) return false;
  const victims = random.nextBoolean(0.2) ? running : [one];
  // One at a time, since points are disarmed all together.
  const episode = scene.begin({ servers: victims, name: "crashPoint" });
  if (episode === undefined) return false;
  const max = point.endsWith("vote-save") ? voteSavesMax : passesMax;
  const passes = Math.ceil(drawByFactor(random, { min: 0.5, max }));
  for (const victim of victims) target.armCrashPoint(victim, point, passes);
  episode.onEnd(() => target.disarmCrashPoints());
  const patienceMs = scene.electionMs * drawByFactor(random, { min: 3, max: 30 });
  const untilMs = target.nowMs() + patienceMs;
  episode.every(lookMs, () => {
    const down = victims.filter((victim) => !target.condition(victim).up);
    if (down.length === 0 && target.nowMs() < untilMs) return false;
    for (const victim of down) scene.handleDown(victim);
    episode.endAfter(down.length === 0 ? 0 : drawDownMs(scene));
    return true;
  });
  return true;
}

/** A process is killed again and again, soon after each start. */
export function crashLoop(scene: FaultScene): boolean {
  const victim = scene.drawRunning();
  if (victim === undefined) return false;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  crashAgain(scene, { victim, episode, rounds: scene.random.nextInteger(2, 7) });
  return true;
}

function crashAgain(
  scene: FaultScene,
  loop: { readonly victim: ServerId; readonly episode: Episode; readonly rounds: number },
): void {
  const { victim, episode, rounds } = loop;
  const { random, target } = scene;
  scene.takeDown(victim);
  if (rounds === 0) {
    episode.endAfter(drawDownMs(scene));
    return;
  }
  episode.after(random.nextFloat() * atOnceMsMax, () => {
    scene.bringUp(victim);
    const point = drawOne(random, crashPoints)!;
    if (random.nextBoolean(0.3)) target.armCrashPoint(victim, point, random.nextInteger(1, 4));
    const lifeMs = random.nextFloat() * shortLifeMsMax;
    episode.after(lifeMs, () => crashAgain(scene, { ...loop, rounds: rounds - 1 }));
  });
}

function strikeDown(
  scene: FaultScene,
  victim: ServerId | undefined,
  strike: (victim: ServerId) => void,
): boolean {
  if (victim === undefined) return false;
  const episode = scene.begin({ servers: [victim] });
  if (episode === undefined) return false;
  strike(victim);
  episode.endAfter(drawDownMs(scene));
  return true;
}

/** How long a server stays down. */
export function drawDownMs(scene: FaultScene): number {
  const { random } = scene;
  if (random.nextBoolean(atOnceShare)) return random.nextFloat() * atOnceMsMax;
  return scene.drawEpisodeMs();
}
