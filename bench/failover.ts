// How long people cannot write when servers fail or change places: three servers with their default
// settings, six senders spread over them, a light constant load, and one event after the other.
import { loadavg } from "node:os";
import { type Cluster, startCluster } from "../e2e/cluster.ts";
import { ConstantLoad } from "../e2e/survive/constant-load.ts";
import { leaveNothing } from "../e2e/survive/leave-nothing.ts";
import { hasCommand, transferLeadership } from "../e2e/survive/operator.ts";
import { foundTown, openSenders, type Town } from "../e2e/survive/senders.ts";
import { waitWhole } from "../e2e/survive/whole.ts";
import { percentile, printResult, round } from "./measure.ts";

const senderCount = 6;
const perSecond = 300;
/** So long the load is even before an event. */
const calmMs = 1_200;
/** What follows within this time counts as the event's doing. */
const settleMs = 1_000;
/** How long all may take to be answered again, ms; far more than any aim. */
const answeredTimeoutMs = 30_000;
/** How long two dead servers are waited for until somebody's write is held, ms. */
const heldTimeoutMs = 15_000;

/** What happens, and how good that should be. */
interface FailoverScenario {
  readonly aimMedianMs?: number;
  readonly aimMaxMs: number;
  /** Of senders at other servers than those that it happens to. */
  readonly aimElsewhereMaxMs?: number;
  /** Why it cannot be shown; undefined where it can. */
  readonly lacks?: () => Promise<string | undefined>;
  /** To which servers it happens; default the leader. */
  readonly struck?: (cluster: Cluster, leader: number) => readonly number[];
  /** Makes it happen; returns at once, or when it has happened. */
  readonly strike: (cluster: Cluster, struck: readonly number[]) => Promise<void> | void;
  /** Makes the servers run again; waiting for them is done for it. */
  readonly mend: (cluster: Cluster) => void;
  /** Ends the pause at the first message that was held, instead of stored. */
  readonly untilHeld?: boolean;
}

function firstFollower(cluster: Cluster, leader: number): number {
  return cluster.ids.find((id) => id !== leader)!;
}

function startStopped(cluster: Cluster): void {
  for (const id of cluster.ids.filter((id) => !cluster.isRunning(id))) cluster.start(id);
}

function pauseAll(cluster: Cluster, struck: readonly number[]): void {
  for (const id of struck) cluster.pause(id);
}

function resumeAll(cluster: Cluster): void {
  for (const id of cluster.ids) cluster.resume(id);
}

async function terminateAll(cluster: Cluster, struck: readonly number[]): Promise<void> {
  for (const id of struck) {
    const { code, stderr } = await cluster.terminate(id);
    if (code !== 0) throw new Error(`a stop of server ${id} ended with ${code}: ${stderr}`);
  }
}

/** By name, in the order in which they run. */
export const failoverScenarios = {
  "kill-leader": {
    aimMedianMs: 150,
    aimMaxMs: 600,
    strike: (cluster, struck) => cluster.killAll(struck),
    mend: startStopped,
  },
  "pause-leader": { aimMaxMs: 1_200, strike: pauseAll, mend: resumeAll },
  "pause-follower": {
    aimMaxMs: 1_200,
    // The default of liveTimeoutMs (R5), and what it takes to find out that it has passed.
    aimElsewhereMaxMs: 600,
    struck: (cluster, leader) => [firstFollower(cluster, leader)],
    strike: pauseAll,
    mend: resumeAll,
  },
  "terminate-leader": { aimMaxMs: 50, strike: terminateAll, mend: startStopped },
  "transfer-leadership": {
    aimMaxMs: 50,
    lacks: async () =>
      (await hasCommand("transfer")) ? undefined : "there is no command `holdfast transfer` yet",
    strike: (cluster) => {
      const { dataFolder } = cluster.server(1);
      return transferLeadership({ addresses: cluster.addresses, dataFolder });
    },
    mend: () => undefined,
  },
  "kill-two": {
    aimMaxMs: 4_000,
    untilHeld: true,
    struck: (cluster, leader) => [leader, firstFollower(cluster, leader)],
    strike: (cluster, struck) => cluster.killAll(struck),
    mend: startStopped,
  },
} as const satisfies Record<string, FailoverScenario>;

/** The name of a scenario. */
export type FailoverName = keyof typeof failoverScenarios;

/**
 * What one repetition showed. A sender's pause is the longest time between two acknowledgements in
 * a row of which the later one came after the event, minus that sender's usual gap. A repetition is
 * over when every sender has an acknowledgement of a message that it sent `settleMs` after the
 * event. At its beginning all servers are alive and have caught up, and every third of the senders
 * is connected to one of them.
 */
interface Repetition {
  /** Of the worst sender. */
  readonly pauseMs: number;
  /** Of the worst sender at a server that it happened to, and of the worst at any other. */
  readonly atStruckMs: number;
  readonly elsewhereMs: number;
  /** So long the measuring process itself stood still at most. */
  readonly ownStallMs: number;
}

/** Nobody's message was held in time. */
class NothingHeldError extends Error {}

async function repeatOnce(
  cluster: Cluster,
  town: Town,
  scenario: FailoverScenario,
): Promise<Repetition> {
  const leader = await waitWhole(cluster);
  const senders = await openSenders(town, cluster.addresses);
  const load = new ConstantLoad(senders, { perSecond, name: `at ${performance.now()}` });
  try {
    load.start();
    await load.run(calmMs);
    const struck = scenario.struck?.(cluster, leader) ?? [leader];
    const struckAddresses = struck.map((id) => cluster.server(id).clientAddress);
    const isAtStruck = senders.map(({ client }) => struckAddresses.includes(client.address ?? ""));
    const ownStallBeforeMs = load.longestOwnStallMs;
    const fromMs = performance.now();
    const striking = scenario.strike(cluster, struck);
    const pausesMs =
      scenario.untilHeld === true ? await waitHeld(load, fromMs) : await waitStored(load, fromMs);
    await striking;
    const worst = (atStruck: boolean): number =>
      Math.max(0, ...pausesMs.filter((_, i) => isAtStruck[i] === atStruck));
    return {
      pauseMs: Math.max(worst(true), worst(false)),
      atStruckMs: worst(true),
      elsewhereMs: worst(false),
      ownStallMs: load.longestOwnStallMs > ownStallBeforeMs ? load.longestOwnStallMs : 0,
    };
  } finally {
    scenario.mend(cluster);
    await load.close();
  }
}

async function waitStored(load: ConstantLoad, fromMs: number): Promise<readonly number[]> {
  await load.waitAnswered(fromMs + settleMs, answeredTimeoutMs);
  return load.pausesMs({ fromMs, toMs: performance.now() });
}

/** From the event to the first message that anybody may call held. */
async function waitHeld(load: ConstantLoad, fromMs: number): Promise<readonly number[]> {
  const held = await load.waitAck(({ held, atMs }) => held && atMs >= fromMs, heldTimeoutMs);
  if (held === undefined) throw new NothingHeldError();
  return load.senders.map(() => held.atMs - fromMs);
}

/** Runs one scenario and prints its line. */
async function runScenario(
  name: FailoverName,
  cluster: Cluster,
  town: Town,
  repetitions: number,
): Promise<void> {
  const scenario: FailoverScenario = failoverScenarios[name];
  const missing = await scenario.lacks?.();
  if (missing !== undefined) {
    printResult({ bench: "failover", scenario: name, available: false, reason: missing });
    return;
  }
  const results: Repetition[] = [];
  while (results.length < repetitions) {
    try {
      const result = await repeatOnce(cluster, town, scenario);
      results.push(result);
      process.stderr.write(
        `${name} ${results.length}/${repetitions}: ${round(result.pauseMs, 1)} ms ` +
          `(at servers struck ${round(result.atStruckMs, 1)}, ` +
          `elsewhere ${round(result.elsewhereMs, 1)})\n`,
      );
    } catch (error) {
      if (!(error instanceof NothingHeldError)) throw error;
      const reason = `no message was held within ${heldTimeoutMs} ms: there is no island mode yet`;
      printResult({ bench: "failover", scenario: name, available: false, reason });
      return;
    }
  }
  printSummary(name, scenario, results);
}

function printSummary(
  name: FailoverName,
  { aimMedianMs, aimMaxMs, aimElsewhereMaxMs }: FailoverScenario,
  results: readonly Repetition[],
): void {
  const figures = (of: (result: Repetition) => number): Figures => {
    const sorted = results.map(of).sort((a, b) => a - b);
    const at = (share: number): number => round(percentile(sorted, share), 1);
    return { medianMs: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  };
  const all = figures(({ pauseMs }) => pauseMs);
  const atStruck = figures(({ atStruckMs }) => atStruckMs);
  const elsewhere = figures(({ elsewhereMs }) => elsewhereMs);
  const isMet =
    (aimMedianMs === undefined || all.medianMs < aimMedianMs) &&
    all.maxMs < aimMaxMs &&
    (aimElsewhereMaxMs === undefined || elsewhere.maxMs < aimElsewhereMaxMs);
  printResult({
    bench: "failover",
    scenario: name,
    repetitions: results.length,
    ...all,
    ...(aimMedianMs === undefined ? {} : { aimMedianMs }),
    aimMaxMs,
    ...(aimElsewhereMaxMs === undefined ? {} : { aimElsewhereMaxMs }),
    met: isMet,
    medianAtStruckMs: atStruck.medianMs,
    maxAtStruckMs: atStruck.maxMs,
    medianElsewhereMs: elsewhere.medianMs,
    maxElsewhereMs: elsewhere.maxMs,
    ownStallMs: round(Math.max(...results.map(({ ownStallMs }) => ownStallMs)), 1),
    loadAverage: round(loadavg()[0] ?? Number.NaN, 1),
  });
}

/** Over all repetitions. */
interface Figures {
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Runs these scenarios, one after the other, in a cluster of their own. */
export async function benchFailover(
  names: readonly FailoverName[],
  repetitions: number,
): Promise<void> {
  await leaveNothing(await startCluster(), async (cluster) => {
    await waitWhole(cluster);
    const town = await foundTown({ addresses: cluster.addresses, people: senderCount });
    for (const name of names) await runScenario(name, cluster, town, repetitions);
  });
}
