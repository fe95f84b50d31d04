// The end of a run: the faults have stopped, and the cluster must come back by itself. A majority
// commits soon; whatever was damaged is made anew; newcomers get their votes, removed servers end;
// everything that clients asked is answered, and all members become equal. Then the drills. Each
// step has a bound in virtual time. Not here: whether what is there is right (checkers/).
import { LivenessViolation } from "./checker.ts";
import type { Cluster } from "./cluster.ts";
import type { ServerId } from "./cluster-event.ts";
import { Drills, type DrillWorld, probeCommand } from "./drills.ts";
import type { FaultPlan } from "./faults.ts";
import type { Swarm } from "./swarm.ts";
import type { Workload } from "./workload.ts";

/** What the end of a run works with. */
export interface RecoveryWorld {
  readonly cluster: Cluster;
  readonly plan: FaultPlan;
  readonly swarm: Swarm;
  readonly workload: Workload;
  /** The highest index that anybody has called committed. */
  commitIndex(): number;
  readonly until: DrillWorld["until"];
  /** Lets time go on until a promise of the clients settles. */
  settle<T>(promise: Promise<T>, what: string): Promise<T>;
}

const connectWithinMs = 60_000;
const finishWithinMs = 120_000;
const equalWithinMs = 120_000;
const checkpointPauseMs = 10_000;
/**
 * States are fetched, votes given anew, wishes that are open run out: in election time-outs
 * besides.
 */
const wholeWithinMs = 60_000;
const wholeElections = 60;
/** Election time-outs in which nobody stands when all is well. */
const calmElections = 5;

/** Brings one run to its end. */
export class Recovery {
  readonly #world: RecoveryWorld;

  constructor(world: RecoveryWorld) {
    this.#world = world;
  }

  async run(): Promise<void> {
    const { plan, cluster, swarm, workload, until } = this.#world;
    plan.stop();
    await this.#commit();
    const calmSinceMs = cluster.time.nowMs;
    const withinMs = finishWithinMs + this.#wholeWithinMs;
    await this.#world.settle(workload.finish(withinMs), "the workload has ended");
    const tookMs = cluster.time.nowMs - calmSinceMs;
    await this.becomeWhole();
    // Some clients know one server only, which may have been removed.
    const { founders } = cluster;
    const areAllThere = founders.every((id) => cluster.members().includes(id));
    if (areAllThere && tookMs >= withinMs) {
      throw new LivenessViolation(`not in ${withinMs} ms: what clients asked is answered`);
    }
    await this.becomeEqual();
    await this.#mergeAll();
    await this.#eraseAll();
    const drills = new Drills({
      cluster,
      swarm,
      until,
      becomeWhole: () => this.becomeWhole(),
    });
    await drills.run();
    await this.becomeEqual();
    await this.#stayCalm();
  }

  /** A majority of whole servers commits within twice the election time-out. */
  async #commit(): Promise<void> {
    const { cluster, plan, swarm, until } = this.#world;
    // Who is a member may still change: wishes are open.
    const areConnected = () => {
      const expected = plan.expectedUp();
      return expected.every((a) => {
        const isUp = cluster.server(a).replica !== undefined;
        return isUp && expected.every((b) => cluster.isConnected(a, b));
      });
    };
    await until(areConnected, {
      withinMs: connectWithinMs,
      what: "the servers with good copies are up and connected",
    });
    const before = this.#world.commitIndex();
    for (const id of plan.expectedUp()) {
      cluster.server(id).replica?.propose(probeCommand(id), () => {});
    }
    const { tickMs, electionTimeoutTicksMax } = swarm.timings;
    await until(() => this.#world.commitIndex() > before, {
      withinMs: 2 * tickMs * electionTimeoutTicksMax,
      what: "a majority commits within twice the election time-out",
    });
  }

  get #wholeWithinMs(): number {
    return wholeWithinMs + wholeElections * this.#electionMs;
  }

  get #electionMs(): number {
    const { tickMs, electionTimeoutTicksMax } = this.#world.swarm.timings;
    return tickMs * electionTimeoutTicksMax;
  }

  /**
   * Every machine in use is a member that takes full part, or has learnt that it was removed; no
   * change of members is under way.
   */
  async becomeWhole(): Promise<void> {
    const { cluster } = this.#world;
    const isWhole = (id: ServerId) => cluster.condition(id).isWhole;
    const missing = () => cluster.servers.filter((id) => !isWhole(id));
    const isOver = () => missing().length === 0 && cluster.voterSets().length === 1;
    try {
      await this.#world.until(isOver, { withinMs: this.#wholeWithinMs, what: "" });
    } catch (error) {
      if (!(error instanceof LivenessViolation)) throw error;
      const reasons = missing().map((id) => `server ${id} (${cluster.describe(id)})`);
      throw new LivenessViolation(
        `not in ${this.#wholeWithinMs} ms: all are whole again, but ${reasons.join(", ")}; ` +
          `lists of voters: ${JSON.stringify(cluster.voterSets())}`,
      );
    }
  }

  async becomeEqual(): Promise<void> {
    const { cluster, until } = this.#world;
    const areEqual = () => {
      const indexes = cluster.servers.map((id) => cluster.server(id).chat?.appliedIndex() ?? 0);
      const commitIndex = this.#world.commitIndex();
      return indexes.every((index) => index === indexes[0] && index >= commitIndex);
    };
    await until(areEqual, { withinMs: equalWithinMs, what: "all servers are equal" });
  }

  /** No island is open, and nothing is held any more: it is in the log, or was set aside. */
  async #mergeAll(): Promise<void> {
    const { cluster, until } = this.#world;
    const holds = (id: ServerId) => {
      const island = cluster.server(id).replica?.island;
      return island?.islandState().open === true || (island?.heldItems().length ?? 0) > 0;
    };
    await until(() => !cluster.servers.some(holds), {
      withinMs: equalWithinMs,
      what: "everything that was held is merged",
    });
    await this.becomeEqual();
  }

  /** After a checkpoint of all, no island log holds anything (decision 0013). */
  async #eraseAll(): Promise<void> {
    const { cluster, until } = this.#world;
    const keeps = (id: ServerId) => (cluster.server(id).folder?.islandLog.items().length ?? 0) > 0;
    let askedMs = Number.NEGATIVE_INFINITY;
    const isErased = () => {
      if (!cluster.servers.some(keeps)) return true;
      // Whoever leads may change while it is asked.
      if (cluster.time.nowMs - askedMs < checkpointPauseMs) return false;
      askedMs = cluster.time.nowMs;
      cluster.takeCheckpoint();
      return false;
    };
    await until(isErased, {
      withinMs: this.#wholeWithinMs,
      what: "what was held is erased after a checkpoint",
    });
  }

  /** Nobody raises the term: neither members, nor whoever was removed. */
  async #stayCalm(): Promise<void> {
    const { cluster, until } = this.#world;
    const termOf = () => Math.max(...cluster.servers.map((id) => cluster.condition(id).term ?? 0));
    const term = termOf();
    const endMs = cluster.time.nowMs + calmElections * this.#electionMs;
    await until(() => cluster.time.nowMs >= endMs, {
      withinMs: 2 * calmElections * this.#electionMs,
      what: "time goes on",
    });
    if (termOf() === term) return;
    throw new LivenessViolation(`the term rose from ${term} to ${termOf()} while all was well`);
  }
}
