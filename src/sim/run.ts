// One run from one seed: a cluster forms, clients work while faults strike (safety), the faults
// stop and the cluster must come back (liveness), then everything is judged. Same seed, same run.

import { Random } from "../base/random.ts";
import type { Observer } from "../raft/index.ts";
import { type ClusterChecker, LivenessViolation, SafetyViolation } from "./checker.ts";
import { createHeld } from "./checkers/history/held.ts";
import { contractFreeCheckers, historyCheckers } from "./checkers/history/index.ts";
import { createClusterCheckers } from "./checkers/index.ts";
import { createIslandCheckers, type IslandCheckers } from "./checkers/islands/index.ts";
import { ServerLogs } from "./checkers/server-logs.ts";
import { Cluster } from "./cluster.ts";
import type { ClusterEvent, ServerId } from "./cluster-event.ts";
import type { FaultKind } from "./fault-kind.ts";
import { FaultPlan } from "./faults.ts";
import { drain, installVirtualGlobals } from "./globals.ts";
import { troubleBirth } from "./hard-birth.ts";
import type { HistoryRecord } from "./history.ts";
import { clientAddressOf } from "./network-addresses.ts";
import { Recovery } from "./recovery.ts";
import { RunCounts } from "./run-counts.ts";
import { drawSwarm, type Swarm } from "./swarm.ts";
import { VirtualTime } from "./virtual-time.ts";
import { drawWorkload, readFinalTimelines, Workload, type WorkloadOptions } from "./workload.ts";

/** How a run ended. */
export type Verdict = "passed" | "safety" | "liveness" | "crash";

/** What a run is made from. */
export interface RunOptions {
  readonly seed: number;
  /** Length of the safety phase; by default the swarm's. */
  readonly simulatedMs?: number;
  /** Fixes what would be drawn. */
  readonly swarm?: Partial<Swarm>;
  /** Hears of everything that happens. */
  readonly onEvent?: (event: ClusterEvent) => void;
  readonly onRecord?: (record: HistoryRecord) => void;
  /** Hears everything that a server's core tells, besides. */
  readonly observerOf?: (server: ServerId) => Observer;
}

/** What came of a run. */
export interface RunResult extends ReturnType<RunCounts["figures"]> {
  readonly verdict: Verdict;
  readonly seed: number;
  readonly swarm: Swarm;
  /** What went wrong; empty where nothing did. */
  readonly message: string;
  /** The checker that found it; empty for none. */
  readonly checker: string;
  readonly simulatedMs: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly crashPoints: Readonly<Record<string, number>>;
}

const beyondContract: readonly FaultKind[] = ["loss", "doubling", "reordering"];

/** Virtual ms within which a new cluster must have formed, and clients settle. */
const formWithinMs = 120_000;
const settleWithinMs = 1_200_000;

/** What a run will draw from its seed; the first line of a run says it. */
export function swarmOf(options: Pick<RunOptions, "seed" | "swarm">): Swarm {
  const random = new Random(options.seed);
  return drawSwarm(new Random(random.nextUint32()), options.swarm);
}

/** Runs one seed to its end. Never rejects: whatever is thrown is a verdict. */
export async function runSimulation(options: RunOptions): Promise<RunResult> {
  const time = new VirtualTime();
  const random = new Random(options.seed ^ 0x5eed);
  const uninstall = installVirtualGlobals(time, new Random(random.nextUint32()));
  try {
    return await new Run(options, { time, random }).run();
  } finally {
    uninstall();
  }
}

class Run {
  readonly #options: RunOptions;
  readonly #swarm: Swarm;
  readonly #time: VirtualTime;
  readonly #counts = new RunCounts();
  readonly #checkers: readonly ClusterChecker[];
  readonly #islands: IslandCheckers;
  readonly #cluster: Cluster;
  readonly #birthChance: Random;
  readonly #plan: FaultPlan;
  readonly #workload: Workload;
  readonly #recovery: Recovery;
  readonly #world: ReturnType<Cluster["clientWorld"]>;
  #commitIndex = 0;

  constructor(options: RunOptions, parts: { time: VirtualTime; random: Random }) {
    const { time, random } = parts;
    this.#options = options;
    this.#time = time;
    this.#swarm = swarmOf(options);
    const { servers, timings, segmentBytes, sizes, dateOffsetsMs } = this.#swarm;
    const logs = new ServerLogs(servers);
    this.#islands = createIslandCheckers(logs, timings);
    this.#checkers = [...createClusterCheckers({ servers, logs }), ...this.#islands.checkers];
    this.#cluster = new Cluster({
      random,
      time,
      servers,
      timings,
      segmentBytes,
      sizes,
      logs,
      dateOffsetsMs,
      checkers: this.#checkers,
      onEvent: (event) => this.#handleEvent(event),
      observerOf: options.observerOf,
    });
    this.#birthChance = new Random(random.nextUint32());
    this.#plan = new FaultPlan(this.#cluster, this.#swarm);
    const world = this.#cluster.clientWorld(new Random(random.nextUint32()));
    const { onRecord } = options;
    this.#world = onRecord === undefined ? world : { ...world, onRecord };
    const drawn = drawWorkload(new Random(random.nextUint32()));
    this.#workload = new Workload(this.#world, paced(drawn, this.#swarm));
    this.#recovery = new Recovery({
      cluster: this.#cluster,
      plan: this.#plan,
      swarm: this.#swarm,
      workload: this.#workload,
      commitIndex: () => this.#commitIndex,
      until: (condition, bound) => this.#until(condition, bound),
      settle: (promise, what) => this.#settle(promise, what),
    });
  }

  async run(): Promise<RunResult> {
    try {
      await this.#form();
      await this.#workUnderFaults();
      await this.#recovery.run();
      await this.#judge();
      return this.#result("passed");
    } catch (error) {
      return this.#result(verdictOf(error), error as Error);
    }
  }

  async #form(): Promise<void> {
    for (const id of this.#cluster.servers) this.#cluster.start(id);
    if (this.#swarm.faults.length > 0) troubleBirth(this.#cluster, this.#birthChance);
    const isFormed = () =>
      this.#cluster.servers.every((id) => {
        const { replica, chat } = this.#cluster.server(id);
        return replica?.readiness().ready === true && chat?.tokenKey() !== undefined;
      });
    await this.#until(isFormed, { withinMs: formWithinMs, what: "the cluster has formed" });
  }

  async #workUnderFaults(): Promise<void> {
    this.#workload.start();
    this.#plan.start();
    const endMs = this.#time.nowMs + (this.#options.simulatedMs ?? this.#swarm.simulatedMs);
    let isOver = false;
    this.#time.at(endMs - this.#time.nowMs, () => {
      isOver = true;
    });
    while (!isOver) await this.#step();
  }

  async #judge(): Promise<void> {
    const { servers: expected } = this.#cluster;
    const addresses = expected.map(clientAddressOf);
    const reading = readFinalTimelines(this.#world, addresses, this.#workload);
    const timelines = await this.#settle(reading, "every server's timelines are read");
    await this.#recovery.becomeEqual();
    const history = [...this.#workload.history, ...timelines];
    this.#counts.addHistory(history);
    const servers = this.#cluster.finalServers().filter(({ server }) => expected.includes(server));
    for (const checker of this.#checkers) checker.finish?.(servers);
    for (const checker of this.#historyCheckers()) checker.check(history);
  }

  /** Clients' order is only promised on a transport that keeps its contract. */
  #historyCheckers(): typeof historyCheckers {
    const { faults } = this.#swarm;
    const breaksContract = beyondContract.some((kind) => faults.includes(kind));
    const checkers = breaksContract ? contractFreeCheckers : historyCheckers;
    const held = createHeld((authorId, id) => this.#islands.mayBeMissing(authorId, id));
    return checkers.map((checker) => (checker.name === held.name ? held : checker));
  }

  #handleEvent(event: ClusterEvent): void {
    if (event.kind === "committed" && event.commitIndex > this.#commitIndex) {
      this.#commitIndex = event.commitIndex;
    }
    this.#counts.see(event);
    this.#options.onEvent?.(event);
  }

  // ---- Time -------------------------------------------------------------------------------------

  async #step(): Promise<void> {
    if (!this.#time.step()) throw new LivenessViolation("nothing is left to happen");
    await drain();
    if (this.#cluster.failure !== undefined) throw this.#cluster.failure;
  }

  async #until(
    condition: () => boolean,
    { withinMs, what }: { readonly withinMs: number; readonly what: string },
  ): Promise<void> {
    const endMs = this.#time.nowMs + withinMs;
    while (!condition()) {
      if (this.#time.nowMs > endMs) throw new LivenessViolation(`not in ${withinMs} ms: ${what}`);
      await this.#step();
    }
  }

  /** Runs on until a promise of the client side settles. */
  async #settle<T>(promise: Promise<T>, what: string): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await drain();
    await this.#until(() => isSettled, { withinMs: settleWithinMs, what });
    return promise;
  }

  #result(verdict: Verdict, error?: Error): RunResult {
    return {
      verdict,
      seed: this.#options.seed,
      swarm: this.#swarm,
      message: error === undefined ? "" : messageOf(error),
      checker: error instanceof SafetyViolation ? error.checker : "",
      simulatedMs: this.#time.nowMs,
      ...this.#counts.figures(),
      faults: this.#plan.counts,
      crashPoints: this.#cluster.crashPoints,
    };
  }
}

/** The workload at the swarm's intensity, but slow enough for the length of the run. */
function paced(drawn: WorkloadOptions, swarm: Swarm): WorkloadOptions {
  const { weights, devices, burstMessages } = drawn;
  const weightSum = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const burstShare = weights.burst / weightSum;
  const operationsPerAction = 1 + burstShare * (burstMessages / 2);
  const actors = devices.reduce((sum, count) => sum + count, 0);
  const slowestMs = (actors * operationsPerAction * swarm.simulatedMs) / swarm.operationsMax;
  return { ...drawn, thinkMs: Math.max(drawn.thinkMs / swarm.intensity, slowestMs) };
}

function verdictOf(error: unknown): Verdict {
  if (error instanceof SafetyViolation) return "safety";
  return error instanceof LivenessViolation ? "liveness" : "crash";
}

function messageOf(error: Error): string {
  if (error instanceof SafetyViolation || error instanceof LivenessViolation) return error.message;
  const cause = error.cause instanceof Error ? `\n${error.cause.stack ?? ""}` : "";
  return `${error.stack ?? error.message}${cause}`;
}
