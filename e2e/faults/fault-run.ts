// One run from a seed: real servers, the workload of the simulator on real connections, faults, and
// then everything mended, read and judged. Prints nothing itself; whoever runs it hears lines.
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "../../src/base/random.ts";
import {
  createFetchTransportFactory,
  createHostClock,
  createHostRandom,
  createWebSocketFactory,
} from "../../src/client/index.ts";
import {
  drawWorkload,
  type HistoryRecord,
  historyLine,
  readFinalTimelines,
  Workload,
  type WorkloadOptions,
  type WorkloadWorld,
} from "../../src/sim/index.ts";
import { eventually } from "../../src/testing/index.ts";
import { describeError } from "./commands.ts";
import { type FaultCluster, openFaultCluster } from "./fault-cluster.ts";
import { type FaultName, faultKind } from "./fault-kinds.ts";
import { drawFaultPlan, type FaultPlan } from "./fault-plan.ts";
import { FaultRunner } from "./fault-runner.ts";
import { countHistory, type HistoryCounts, judgeHistory, type Violation } from "./judgement.ts";
import { type Machine, type MachineNeed, probeMachine } from "./machine.ts";
import { drawScaled } from "./strike-targets.ts";

/** What is run. */
export interface FaultRunOptions {
  readonly seed: number;
  /** How long faults strike, ms; the whole run takes some seconds more. */
  readonly runMs: number;
  readonly servers: number;
  readonly faults: readonly FaultName[];
  /** Where the history is written, as JSON lines. */
  readonly historyFile?: string | undefined;
  readonly say: (line: string) => void;
  /** Ends the run early: it is cleaned up, and the result has no worth. */
  readonly signal?: AbortSignal;
}

/** A fault that was asked for and cannot be made here. */
export interface MissingFault {
  readonly fault: FaultName;
  readonly reason: string;
}

/** The report of a run, plain JSON. */
export interface FaultRunReport extends HistoryCounts {
  readonly seed: number;
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  readonly couldNotDo: readonly MissingFault[];
  readonly violations: readonly Violation[];
}

/** What a run came to. */
export interface FaultRunResult {
  readonly report: FaultRunReport;
  readonly history: readonly HistoryRecord[];
}

/** Mean time between two actions of one device, ms: quick, since a run is short. */
const thinkMs = { min: 20, max: 300 };
/** How long clients may take to finish what they have begun, ms. */
const finishTimeoutMs = 30_000;
/** How long the last reading may take, ms. */
const readTimeoutMs = 60_000;
/** How long a cluster without faults may take until all servers are ready and equal, ms. */
const recoveryTimeoutMs = 60_000;

/** Runs once. Rejects where the run itself could not be made, not for what the servers do. */
export async function runFaults(options: FaultRunOptions): Promise<FaultRunResult> {
  const { seed, runMs, servers, say } = options;
  const { machine, faults, couldNotDo } = await findFaults(options);
  const plan = drawFaultPlan({ seed, runMs, faults });
  const workload = drawQuickWorkload(seed);
  const { meanGapMs } = plan;
  const strikes = plan.strikes.length;
  say(JSON.stringify({ seed, runMs, servers, strikes, meanGapMs, workload, couldNotDo }));
  for (const { fault, reason } of couldNotDo) say(`cannot do ${fault} here: ${reason}`);
  const inNamespaces = faults.some((name) => isNetworkNeed(faultKind(name).needs));
  const { faketimePath } = machine;
  const cluster = await openFaultCluster({ size: servers, inNamespaces, faketimePath });
  try {
    say(`servers are ready${inNamespaces ? ", each in a network namespace of its own" : ""}`);
    const outcome = await runOn(cluster, { options, plan, workload });
    if (options.signal?.aborted === true) throw new Error("the run was ended early");
    const { history, counts, violations } = outcome;
    const report = { seed, ...countHistory(history), faults: counts, couldNotDo, violations };
    return { report, history };
  } finally {
    await cluster.close();
  }
}

/** Which of the faults can be made on this machine, and why the others cannot. */
async function findFaults(options: FaultRunOptions): Promise<{
  readonly machine: Machine;
  readonly faults: readonly FaultName[];
  readonly couldNotDo: readonly MissingFault[];
}> {
  const needs = options.faults.map((name) => faultKind(name).needs);
  const machine = await probeMachine(new Set(needs.filter((need) => need !== undefined)));
  const couldNotDo = options.faults.flatMap((fault) => {
    const { needs: need, serversMin = 1 } = faultKind(fault);
    const reason = need === undefined ? undefined : machine.lacks.get(need);
    if (reason !== undefined) return [{ fault, reason }];
    if (options.servers < serversMin) {
      return [{ fault, reason: `makes no sense with fewer than ${serversMin} servers` }];
    }
    return [];
  });
  const missing = new Set(couldNotDo.map(({ fault }) => fault));
  const faults = options.faults.filter((name) => !missing.has(name));
  return { machine, faults, couldNotDo };
}

function isNetworkNeed(need: MachineNeed | undefined): boolean {
  return need === "namespaces" || need === "packet-chance";
}

function drawQuickWorkload(seed: number): WorkloadOptions {
  const random = new Random(seed);
  const workload = drawWorkload(random);
  return { ...workload, thinkMs: drawScaled(random, thinkMs) };
}

interface Outcome {
  readonly history: readonly HistoryRecord[];
  readonly counts: Readonly<Partial<Record<FaultName, number>>>;
  readonly violations: readonly Violation[];
}

/** The phases of a run on servers that are ready. */
async function runOn(
  cluster: FaultCluster,
  run: {
    readonly options: FaultRunOptions;
    readonly plan: FaultPlan;
    readonly workload: WorkloadOptions;
  },
): Promise<Outcome> {
  const { options, plan } = run;
  const { say } = options;
  const startedAtMs = Date.now();
  const world = createWorld(cluster, options.seed);
  const workload = new Workload(world, run.workload);
  const faults = new FaultRunner({ cluster, plan, say });
  const violations: Violation[] = [];
  let final: readonly HistoryRecord[] = [];
  workload.start();
  faults.start();
  await waitUntilOver(cluster, options);
  await faults.stop();
  say("faults are over");
  try {
    await cluster.waitEqual(recoveryTimeoutMs);
    say("servers are ready and equal; clients finish");
    await workload.finish(finishTimeoutMs);
    await cluster.waitEqual(recoveryTimeoutMs);
    const auditor = { ...workload.auditor, withinMs: readTimeoutMs };
    final = await readFinalTimelines(world, cluster.publicAddresses, { auditor });
  } catch (error) {
    const message = `${describeError(error)}\n${describeServers(cluster)}`;
    violations.push({ kind: "liveness", checker: "recovery", message });
    await workload.finish(0);
  }
  const history = [...workload.history, ...final];
  violations.push(...judgeServers(cluster, faults));
  // Without the last reading nothing can be said of what the servers hold.
  if (final.length > 0) {
    violations.push(...judgeHistory(history, { startedAtMs, endedAtMs: Date.now() }));
  }
  keepHistory(options, { history, isWanted: violations.length > 0 });
  return { history, counts: faults.counts, violations };
}

function createWorld(cluster: FaultCluster, seed: number): WorkloadWorld {
  const startedAt = process.hrtime.bigint();
  return {
    random: new Random(seed),
    clock: createHostClock(),
    // A difference of days fits a number without loss.
    nowNs: () => Number(process.hrtime.bigint() - startedAt),
    addresses: cluster.publicAddresses,
    connect: createWebSocketFactory(),
    transport: createFetchTransportFactory(),
    clientRandom: createHostRandom(),
    serverOf: (address) => cluster.serverOf(address),
  };
}

/** Resolves when the time is up, when a server has crashed, or when the caller wants no more. */
async function waitUntilOver(
  cluster: FaultCluster,
  { runMs, signal }: FaultRunOptions,
): Promise<void> {
  const deadlineMs = performance.now() + runMs;
  await eventually(
    "the end of the run",
    () => performance.now() >= deadlineMs || cluster.crashes.length > 0 || signal?.aborted === true,
    { timeoutMs: runMs + 60_000 },
  );
  if (signal?.aborted === true) throw new Error("the run was ended early");
}

function judgeServers(cluster: FaultCluster, faults: FaultRunner): Violation[] {
  const crashes = cluster.crashes.map(({ server, code, output }) => ({
    kind: "crash" as const,
    checker: "processes",
    message: `server ${server} ended by itself with code ${code}:\n${output}`,
  }));
  return [...crashes, ...faults.complaints];
}

/** The end of what each server has written. */
function describeServers(cluster: FaultCluster): string {
  return cluster.ids.map((id) => `--- server ${id}\n${cluster.log(id).slice(-1_000)}`).join("\n");
}

/** Writes the history where it was asked for, or where somebody will want to look at it. */
function keepHistory(
  { historyFile, seed, say }: FaultRunOptions,
  { history, isWanted }: { readonly history: readonly HistoryRecord[]; readonly isWanted: boolean },
): void {
  if (historyFile === undefined && !isWanted) return;
  const file = historyFile ?? join(tmpdir(), `holdfast-history-${seed}.jsonl`);
  writeFileSync(file, history.map((record) => `${historyLine(record)}\n`).join(""));
  say(`history: ${file}`);
}
