// A misdirected write: a batch of the log lands elsewhere in its file, and nobody is told. Knows
// when a start can prove the damage, and keeps the server from starting before that.
import { drawOne } from "../chance.ts";
import type { ServerId } from "../cluster-event.ts";
import type { FaultScene } from "../fault-scene.ts";

/** Rises of the durable index after which the damage can be proved. */
const provingRises = 3;
/** Looks of the watch, a second each, in which a server must have been up. */
const steadyLooks = 3;
const lookMs = 200;

/**
 * Misdirects the next write to the log of a server that runs.
 *
 * The server goes on with what it has in memory, which is right, and acknowledges a batch that its
 * disk does not hold. A later start can prove that only by a later batch, which says that the one
 * before was durable; a missing last batch looks like one that was never written (decision 0008). A
 * server that came up without it would have forgotten what it acknowledged. So:
 * - the copy counts as destroyed from the moment the write is armed (fault-budget.ts);
 * - only the log is struck. A vote whose second slot lands on its first leaves the vote before it
 *   as the only one that is whole, which no start can know;
 * - the plan counts how often the durable index rises. The first rise may be of a batch that was
 *   written before, the second is the stray one at the earliest, the third then follows it. After
 *   that the damage can be proved: the server is started on its folder, and has to mend it;
 * - one that goes down earlier gets an empty disk before it starts again, and is taken in anew.
 * A server that has died by itself is started once more by its supervisor a second later, past the
 * plan. So only one is struck that has been up for some time, and its death is found sooner.
 */
export function misdirectWrite(scene: FaultScene): boolean {
  const candidates = scene
    .running()
    .filter(
      (server) =>
        (scene.steadiness.get(server) ?? 0) >= steadyLooks &&
        scene.budget.mayDestroy(server) &&
        scene.mayStartAsUsual(server) &&
        scene.target.condition(server).isFounder,
    );
  const victim = drawOne(scene.random, candidates);
  if (victim === undefined || !scene.isAllowed({ servers: [victim] })) return false;
  scene.budget.destroy(victim);
  scene.target.disk(victim).misdirectNextWrite("log");
  new StrayWrite(scene, victim).watch();
  return true;
}

/** One stray write from the moment it is armed. */
class StrayWrite {
  readonly #scene: FaultScene;
  readonly #victim: ServerId;
  #durableIndex: number;
  #rises = 0;

  constructor(scene: FaultScene, victim: ServerId) {
    this.#scene = scene;
    this.#victim = victim;
    this.#durableIndex = scene.target.condition(victim).durableIndex;
    scene.startInstead(victim, () => this.#start());
  }

  watch(): void {
    this.#scene.target.after(lookMs, () => {
      if (this.#scene.isOver || this.#scene.mayStartAsUsual(this.#victim)) return;
      if (this.#look()) this.watch();
    });
  }

  /** Whether to go on looking. */
  #look(): boolean {
    const scene = this.#scene;
    const { up, durableIndex } = scene.target.condition(this.#victim);
    if (!up) {
      scene.handleDown(this.#victim);
      if (this.#rises < provingRises) scene.empty(this.#victim);
      if (scene.isFree(this.#victim)) scene.bringUp(this.#victim);
      return false;
    }
    if (durableIndex > this.#durableIndex) this.#rises += 1;
    this.#durableIndex = durableIndex;
    return true;
  }

  #start(): void {
    const scene = this.#scene;
    if (this.#rises >= provingRises) {
      // What the file cache holds is as damaged as the platter; this is for disks that differ.
      scene.losePower(this.#victim);
      scene.startAsUsual(this.#victim);
    } else {
      // Not proved, or nothing went astray after all: either way it begins anew.
      scene.empty(this.#victim);
    }
    scene.target.start(this.#victim);
  }
}
