// What a run is like: how many servers, how fast they count, how long, which faults exist and how
// often they strike. Drawn once from a seed; plain JSON, so that a run prints it in its first line.
// Swarm testing: a run in which most kinds of faults are absent reaches states that a run with all
// of them never does. Not here: which server is struck and when (faults.ts), what people do
// (draw-workload.ts).
import { Random } from "../base/random.ts";
import type { ReplicaSizes, ReplicaTimings } from "../replica/index.ts";
import { drawByFactor, drawByShare, drawExponential, drawOne, drawSign } from "./chance.ts";
import {
  destroyingKinds,
  type FaultKind,
  faultKinds,
  kindsAmongServers,
  kindsOfIslands,
} from "./fault-kind.ts";

/** How fast the servers count. */
export type Pace = "fast" | "medium" | "slow";

/** How strong what happens is, up to the given value each time. */
export interface FaultStrengths {
  /** Most things last about so long: a server is down, a link is cut, a disk is slow. */
  readonly episodeMsMin: number;
  readonly episodeMsMax: number;
  /** Mean extra delay of each frame. */
  readonly delayMsMax: number;
  /** Shares of frames, 0 to 1. */
  readonly lossMax: number;
  readonly doublingMax: number;
  readonly reorderingMax: number;
  /** Mean extra time of each sync. */
  readonly slowDiskMsMax: number;
  /** By how much a clock runs too fast or too slow, as a share of its speed. */
  readonly clockRateErrorMax: number;
  readonly clockJumpMsMax: number;
}

/** What a run is made of; plain JSON. */
export interface Swarm {
  /** 1, 3 or 5. */
  readonly servers: number;
  readonly pace: Pace;
  readonly timings: ReplicaTimings;
  /** Length of the phase in which faults strike. */
  readonly simulatedMs: number;
  /** Bytes of one segment of the log, a multiple of 4096. */
  readonly segmentBytes: number;
  /** Growth of the log until snapshots are taken, and how much of it stays behind them. */
  readonly sizes: ReplicaSizes;
  /** Times the usual load of clients. */
  readonly intensity: number;
  /** About how many operations the clients do in the whole run at most. */
  readonly operationsMax: number;
  /** By how much each server's date is wrong at the start, by server. */
  readonly dateOffsetsMs: readonly number[];
  /** How fast each server's clock runs when no fault has changed it, by server; 1 is right. */
  readonly clockRates: readonly number[];
  /** The kinds of faults that exist in this run. */
  readonly faults: readonly FaultKind[];
  /** Mean virtual ms between two strikes of a kind; for each kind that exists. */
  readonly meanWaitMs: Readonly<Partial<Record<FaultKind, number>>>;
  readonly strengths: FaultStrengths;
  /** In this share of cases a fault strikes though it leaves no majority that could work. */
  readonly outageShare: number;
  /** Faults strike for about so long, then all are over for about `calmMs`; 0: never calm. */
  readonly stormMs: number;
  readonly calmMs: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const minuteMs = 60_000;

/** What depends on the pace. All count a heartbeat every 5 and an election after 30 to 60 ticks. */
const paces: Readonly<
  Record<
    Pace,
    {
      readonly tickMs: number;
      /** Share of all runs; slow ones are cheap for what they show. */
      readonly share: number;
      readonly simulatedMs: { readonly min: number; readonly max: number };
      readonly intensity: { readonly min: number; readonly max: number };
    }
  >
> = {
  fast: {
    tickMs: 10,
    share: 0.25,
    simulatedMs: { min: minuteMs / 2, max: 4 * minuteMs },
    intensity: { min: 0.5, max: 4 },
  },
  medium: {
    tickMs: 50,
    share: 0.25,
    simulatedMs: { min: 2 * minuteMs, max: 15 * minuteMs },
    intensity: { min: 0.2, max: 2 },
  },
  slow: {
    tickMs: 100,
    share: 0.5,
    simulatedMs: { min: 10 * minuteMs, max: 4 * hourMs },
    intensity: { min: 0.05, max: 1 },
  },
};

/** A majority is taken away once in so many election time-outs at most. */
const islandWaitElections = 40;

const heartbeatTicks = 5;
const electionTicksMin = 30;
const electionTicksMax = 60;

/**
 * An entry must fit into one segment: 256 KiB of commands (entryBytesMax of the replica), and what
 * its encoding adds.
 */
export const simulatedSegmentBytesMin = 272 * 1024;
const segmentBytesMax = 1024 * 1024;
const segmentBytesStep = 4096;

/**
 * Draws what a run is like. `fixed` takes the place of what would be drawn; what follows from it
 * (waits from the kinds, times from the pace) follows, and nothing else changes.
 */
export function drawSwarm(random: Random, fixed: Partial<Swarm> = {}): Swarm {
  const parts = {
    size: new Random(random.nextUint32()),
    pace: new Random(random.nextUint32()),
    timings: new Random(random.nextUint32()),
    length: new Random(random.nextUint32()),
    clocks: new Random(random.nextUint32()),
    kinds: new Random(random.nextUint32()),
    waits: new Random(random.nextUint32()),
    strengths: new Random(random.nextUint32()),
    weather: new Random(random.nextUint32()),
    sizes: new Random(random.nextUint32()),
  };
  const servers = fixed.servers ?? drawSize(parts.size);
  const pace = fixed.pace ?? drawPace(parts.pace);
  const { simulatedMs, intensity } = paces[pace];
  const timings = fixed.timings ?? drawTimings(parts.timings, pace);
  const electionMs = timings.tickMs * timings.electionTimeoutTicksMax;
  const lengthMs = fixed.simulatedMs ?? Math.round(drawByFactor(parts.length, simulatedMs));
  const faults = fixed.faults ?? drawFaults(parts.kinds, servers);
  return {
    servers,
    pace,
    timings,
    simulatedMs: lengthMs,
    segmentBytes: drawSegmentBytes(parts.length),
    sizes: drawSizes(parts.sizes),
    intensity: rounded(drawByFactor(parts.length, intensity)),
    operationsMax: Math.round(drawByFactor(parts.length, { min: 200, max: 6_000 })),
    ...drawClocks(parts.clocks, servers),
    faults,
    meanWaitMs: drawWaits(parts.waits, { faults, electionMs, lengthMs }),
    strengths: drawStrengths(parts.strengths, electionMs),
    ...drawWeather(parts.weather, { servers, electionMs }),
    ...fixed,
  };
}

function drawPace(random: Random): Pace {
  const { fast, medium, slow } = paces;
  const shares = { fast: fast.share, medium: medium.share, slow: slow.share };
  return drawByShare(random, shares);
}

function drawSize(random: Random): number {
  return Number(drawByShare(random, { 1: 0.1, 3: 0.65, 5: 0.25 }));
}

function drawTimings(random: Random, pace: Pace): ReplicaTimings {
  const { tickMs } = paces[pace];
  const electionMs = tickMs * electionTicksMax;
  const scaled = (min: number, max: number) => {
    return Math.round(drawByFactor(random, { min: min * electionMs, max: max * electionMs }));
  };
  return {
    tickMs,
    heartbeatIntervalTicks: heartbeatTicks,
    electionTimeoutTicksMin: electionTicksMin,
    electionTimeoutTicksMax: electionTicksMax,
    // Not below four heartbeats, or a live follower would be taken for one that hangs.
    liveTimeoutMs: scaled(0.35, 2),
    proposalTimeoutMs: scaled(4, 17),
    acks: random.nextBoolean(0.7) ? "live" : "majority",
    survival: random.nextBoolean(0.6) ? "island" : "quorum",
    islandAfterMs: scaled(1.2, 5),
  };
}

function drawSegmentBytes(random: Random): number {
  const range = { min: simulatedSegmentBytesMin, max: segmentBytesMax };
  return Math.floor(drawByFactor(random, range) / segmentBytesStep) * segmentBytesStep;
}

/** In most runs snapshots are taken all the time, and the log is cut right behind them in some. */
function drawSizes(random: Random): ReplicaSizes {
  if (random.nextBoolean(0.2)) return { checkpointBytes: 64 * 1024 * 1024, logKeepBytes: 16e6 };
  const checkpointBytes = Math.round(drawByFactor(random, { min: 2 * 1024, max: 512 * 1024 }));
  const logKeepBytes = Math.round(drawByFactor(random, { min: 256, max: 256 * 1024 }));
  return { checkpointBytes, logKeepBytes: random.nextBoolean(0.3) ? 0 : logKeepBytes };
}

/** Half of all clusters have right clocks; of the others' clocks some are off by up to a day. */
function drawClocks(random: Random, servers: number) {
  const areWrong = random.nextBoolean(0.5);
  const dateOffsetsMs: number[] = [];
  const clockRates: number[] = [];
  for (let server = 0; server < servers; server++) {
    const offsetMs = Math.round(drawByFactor(random, { min: 10, max: dayMs })) * drawSign(random);
    const driftPpm = random.nextInteger(-200, 201);
    dateOffsetsMs.push(areWrong && random.nextBoolean(0.7) ? offsetMs : 0);
    clockRates.push(areWrong ? 1 + driftPpm / 1e6 : 1);
  }
  return { dateOffsetsMs, clockRates };
}

/** Each kind is absent in about half of the runs; some runs have one kind only, some none. */
function drawFaults(random: Random, servers: number): FaultKind[] {
  const possible = faultKinds.filter((kind) => servers > 1 || !kindsAmongServers.includes(kind));
  const only = drawOne(random, possible);
  const share = random.nextFloat();
  if (share < 0.04) return [];
  if (share < 0.14 && only !== undefined) return [only];
  return possible.filter(() => random.nextBoolean(0.5));
}

/**
 * All kinds together strike once in so many election time-outs as is drawn, each by a weight of its
 * own. What destroys a copy comes about once in a run: it is possible so seldom, and what follows
 * it is to be seen.
 */
function drawWaits(
  random: Random,
  run: {
    readonly faults: readonly FaultKind[];
    readonly electionMs: number;
    readonly lengthMs: number;
  },
): Partial<Record<FaultKind, number>> {
  const togetherMs = run.electionMs * drawByFactor(random, { min: 1, max: 20 });
  const weights = faultKinds.map((kind) => ({
    kind,
    weight: 0.1 + drawExponential(random, 1),
    seldomMs: run.lengthMs * (0.3 + random.nextFloat()),
  }));
  const present = weights.filter(({ kind }) => run.faults.includes(kind));
  const sum = present.reduce((total, { weight }) => total + weight, 0);
  const waits: Partial<Record<FaultKind, number>> = {};
  for (const { kind, weight, seldomMs } of present) {
    const waitMs = (togetherMs * sum) / weight;
    const isSeldom = destroyingKinds.includes(kind);
    const islandMs = kindsOfIslands.includes(kind) ? islandWaitElections * run.electionMs : 0;
    waits[kind] = Math.round(Math.max(waitMs, isSeldom ? seldomMs : islandMs));
  }
  return waits;
}

function drawStrengths(random: Random, electionMs: number): FaultStrengths {
  return {
    episodeMsMin: Math.round(electionMs * drawByFactor(random, { min: 0.1, max: 1 })),
    episodeMsMax: Math.round(electionMs * drawByFactor(random, { min: 2, max: 20 })),
    delayMsMax: Math.round(electionMs * drawByFactor(random, { min: 0.02, max: 0.6 })),
    lossMax: rounded(drawByFactor(random, { min: 0.005, max: 0.2 })),
    doublingMax: rounded(drawByFactor(random, { min: 0.005, max: 0.2 })),
    reorderingMax: rounded(drawByFactor(random, { min: 0.005, max: 0.2 })),
    slowDiskMsMax: Math.round(drawByFactor(random, { min: 5, max: electionMs })),
    clockRateErrorMax: rounded(drawByFactor(random, { min: 0.001, max: 0.1 })),
    clockJumpMsMax: Math.round(drawByFactor(random, { min: 100, max: hourMs })),
  };
}

/** Most runs spare a majority nearly always, and all but a few have times of calm. */
function drawWeather(
  random: Random,
  run: { readonly servers: number; readonly electionMs: number },
) {
  const isHarsh = random.nextBoolean(0.2);
  const gentleShare = random.nextFloat() * 0.15;
  const hasCalm = random.nextBoolean(0.9);
  const stormMs = Math.round(run.electionMs * drawByFactor(random, { min: 15, max: 150 }));
  const calmMs = Math.round(run.electionMs * drawByFactor(random, { min: 4, max: 15 }));
  return {
    // The only server of a cluster cannot be spared.
    outageShare: isHarsh || run.servers === 1 ? 1 : rounded(gentleShare),
    stormMs,
    calmMs: hasCalm ? calmMs : 0,
  };
}

/** Three digits are enough, and read better in a run's first line. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
