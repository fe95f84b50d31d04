// When which fault strikes: each kind by itself after waits without memory, in storms with calms
// between them; and the end of all faults. Strikes nothing that must not be struck
// (fault-budget.ts), and in most runs leaves a majority that can work nearly always, since a run in
// which nothing is acknowledged tests little. Not here: what a fault does (fault-kinds/), what was
// drawn for the run (swarm.ts).
import { drawExponential } from "./chance.ts";
import type { ServerId } from "./cluster-event.ts";
import { type FaultKind, faultKinds } from "./fault-kind.ts";
import { createStrikes } from "./fault-kinds/index.ts";
import { FaultScene } from "./fault-scene.ts";
import type { FaultTarget } from "./fault-target.ts";
import type { Swarm } from "./swarm.ts";

/** How often to look whether a server is down in nobody's hands. */
const watchMs = 1_000;
/** Looks until it is started: more than the supervisor of the cluster takes itself. */
const patienceLooks = 3;

/** The faults of one run. */
export class FaultPlan {
  readonly #scene: FaultScene;
  readonly #target: FaultTarget;
  readonly #swarm: Swarm;
  readonly #strikes = createStrikes();
  readonly #downLooks = new Map<ServerId, number>();
  #isCalm = false;

  constructor(target: FaultTarget, swarm: Swarm) {
    this.#target = target;
    this.#swarm = swarm;
    this.#scene = new FaultScene(target, swarm);
    for (const kind of faultKinds) this.#scene.counts[kind] = 0;
  }

  /** How often each kind has struck; 0 for those that have not. */
  get counts(): Record<string, number> {
    return this.#scene.counts;
  }

  /** Faults begin. The cluster must have formed: all its servers run and have voted. */
  start(): void {
    for (const [at, rate] of this.#swarm.clockRates.entries()) {
      const server = this.#target.servers[at];
      if (server !== undefined && rate !== 1) this.#target.setClockRate(server, rate);
    }
    for (const kind of this.#swarm.faults) this.#strikeLater(kind);
    this.#watch();
    if (this.#swarm.calmMs > 0) this.#calmLater();
  }

  /**
   * All faults are over, at once and for good: links are mended, clocks run at their speed (dates
   * stay wrong), armed faults are forgotten, everybody runs. A server whose copy was struck is
   * started once more, so that it meets the damage now, and has to come back by itself.
   */
  stop(): void {
    const scene = this.#scene;
    scene.isOver = true;
    this.#mend();
    for (const server of this.#target.servers) {
      this.#target.setClockRate(server, 1);
      if (scene.armed.has(server)) scene.kill(server);
      if (scene.budget.isDestroyed(server)) scene.kill(server);
      scene.bringUp(server);
    }
  }

  /** The members whose copy is whole: by themselves they must be able to go on. */
  expectedUp(): ServerId[] {
    const { good } = this.#scene.budget;
    return this.#target.members().filter((server) => good.includes(server));
  }

  // ---- Waits ------------------------------------------------------------------------------------

  #strikeLater(kind: FaultKind): void {
    const meanMs = this.#swarm.meanWaitMs[kind];
    if (meanMs === undefined) return;
    this.#target.after(drawExponential(this.#scene.random, meanMs), () => {
      if (this.#scene.isOver) return;
      if (!this.#isCalm && this.#strikes[kind](this.#scene)) this.#scene.count(kind);
      this.#strikeLater(kind);
    });
  }

  #calmLater(): void {
    this.#after(this.#swarm.stormMs, () => {
      this.#isCalm = true;
      this.#mend();
      this.#after(this.#swarm.calmMs, () => {
        this.#isCalm = false;
        this.#calmLater();
      });
    });
  }

  /** Runs the callback after half to one and a half of this time, unless faults are over then. */
  #after(aboutMs: number, callback: () => void): void {
    this.#target.after(aboutMs * (0.5 + this.#scene.random.nextFloat()), () => {
      if (!this.#scene.isOver) callback();
    });
  }

  /** Everything that lasts is over; what was destroyed stays so. */
  #mend(): void {
    this.#scene.endAll();
    this.#target.links.mendAll();
    this.#target.clientLinks.mendAll();
    this.#target.disarmCrashPoints();
    for (const server of this.#target.servers) this.#target.disk(server).setSlowMs(0);
  }

  // ---- Servers that are down by themselves ------------------------------------------------------

  #watch(): void {
    this.#target.after(watchMs, () => {
      if (this.#scene.isOver) return;
      for (const server of this.#target.servers) this.#look(server);
      this.#watch();
    });
  }

  #look(server: ServerId): void {
    const scene = this.#scene;
    if (this.#target.condition(server).up) {
      this.#downLooks.set(server, 0);
      scene.steadiness.set(server, (scene.steadiness.get(server) ?? 0) + 1);
      return;
    }
    scene.handleDown(server);
    if (!scene.isFree(server)) return;
    const looks = (this.#downLooks.get(server) ?? 0) + 1;
    this.#downLooks.set(server, looks);
    if (looks < patienceLooks) return;
    this.#downLooks.set(server, 0);
    scene.bringUp(server);
  }
}
