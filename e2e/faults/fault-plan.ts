// When which fault strikes: drawn from a seed before the run begins, so that a run can print it.
// Whom a strike meets is drawn by the strike itself, from a seed that the plan gives it. What
// really happens then differs from run to run: the servers are real.
import { Random } from "../../src/base/random.ts";
import { type FaultName, faultKind, faultNames } from "./fault-kinds.ts";
import { drawScaled } from "./strike-targets.ts";

/** One strike that is planned. */
export interface Strike {
  /** Since the beginning of the faults, ms. */
  readonly atMs: number;
  readonly fault: FaultName;
  readonly durationMs: number;
  /** For all that the strike draws itself. */
  readonly seed: number;
}

/** A plan, in the order of its strikes. */
export interface FaultPlan {
  /** Mean time between two strikes of each kind, ms. */
  readonly meanGapMs: Readonly<Partial<Record<FaultName, number>>>;
  readonly strikes: readonly Strike[];
}

/** All kinds together strike about so often, ms, counted in flurries. */
const meanGapOfAllMs = 900;
/** And one kind alone never more often than so, ms, in the mean. */
const meanGapOfOneMs = 5_000;
/**
 * Faults come in flurries of this length, ms, with a calm of that length after each: a cluster that
 * never has a majority has little to get wrong.
 */
const flurryMs = 6_000;
const calmMs = 3_000;
/** Each kind is up to so many times more or less frequent than the others. */
const intensityMax = 2;
/** No strike begins in the last part of a run: it could not last. */
const strikesUntil = 0.95;

/** Draws a plan. Each kind draws by itself: without one of them the others strike as before. */
export function drawFaultPlan(options: {
  readonly seed: number;
  readonly runMs: number;
  readonly faults: readonly FaultName[];
}): FaultPlan {
  const { seed, runMs, faults } = options;
  const meanGapMs: Partial<Record<FaultName, number>> = {};
  const strikes: Strike[] = [];
  for (const fault of faults) {
    const random = new Random(new Random(seed + faultNames.indexOf(fault) + 1).nextUint32());
    const { frequency = 1 } = faultKind(fault);
    const intensity = frequency * intensityMax ** (2 * random.nextFloat() - 1);
    const gapMs = Math.max(meanGapOfOneMs, faults.length * meanGapOfAllMs) / intensity;
    meanGapMs[fault] = Math.round(gapMs);
    strikes.push(...drawStrikes({ random, fault, gapMs, untilMs: flurriesIn(runMs) }));
  }
  strikes.sort((a, b) => a.atMs - b.atMs);
  return { meanGapMs, strikes };
}

function drawStrikes(options: {
  readonly random: Random;
  readonly fault: FaultName;
  readonly gapMs: number;
  readonly untilMs: number;
}): Strike[] {
  const { random, fault, gapMs, untilMs } = options;
  const { durationMs } = faultKind(fault);
  const strikeAt = (inFlurriesMs: number): Strike => ({
    atMs: Math.floor(inFlurriesMs) + Math.floor(inFlurriesMs / flurryMs) * calmMs,
    fault,
    durationMs: drawScaled(random, durationMs),
    seed: random.nextUint32(),
  });
  // Once at least, however short the run is.
  const strikes: Strike[] = [];
  let atMs = random.nextFloat() * Math.min(gapMs, untilMs);
  while (atMs < untilMs) {
    strikes.push(strikeAt(atMs));
    atMs += -Math.log(1 - random.nextFloat()) * gapMs;
  }
  return strikes;
}

/** How much of a run is flurries, ms. */
function flurriesIn(runMs: number): number {
  const untilMs = runMs * strikesUntil;
  const cycles = Math.floor(untilMs / (flurryMs + calmMs));
  return cycles * flurryMs + Math.min(flurryMs, untilMs - cycles * (flurryMs + calmMs));
}
