// What the runs of some known bugs are given instead of drawn, so that what the bug needs happens
// often. Only to be quick: every bug of the list can strike in a run that is drawn whole.
import type { FaultKind } from "../fault-kind.ts";
import type { JobOptions } from "../run-job.ts";

/** Each of these kinds strikes once in so many virtual ms. */
function everyMs(kinds: readonly FaultKind[], waitMs: number) {
  return {
    faults: kinds,
    meanWaitMs: Object.fromEntries(kinds.map((kind) => [kind, waitMs])),
  };
}

const strengths = {
  episodeMsMin: 100,
  episodeMsMax: 1_500,
  delayMsMax: 100,
  lossMax: 0.1,
  doublingMax: 0.1,
  reorderingMax: 0.1,
  slowDiskMsMax: 200,
  clockRateErrorMax: 0.01,
  clockJumpMsMax: 60_000,
};

/** Elections all the time: servers die, are cut off and come back, frames are late. */
export const elections: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    servers: 3,
    pace: "fast",
    intensity: 0.5,
    ...everyMs(["kill", "killFurthest", "powerLoss", "partition", "isolate", "delay"], 3_000),
    strengths,
    outageShare: 1,
    stormMs: 30_000,
    calmMs: 2_000,
  },
};

/** The same with five servers, slow disks, and frames that are lost, doubled and overtake. */
export const manyElections: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...elections.swarm,
    servers: 5,
    ...everyMs(
      [
        "kill",
        "powerLoss",
        "partition",
        "isolate",
        "partialCut",
        "delay",
        "reordering",
        "loss",
        "slowDisk",
      ],
      3_000,
    ),
  },
};

/** Elections among frames that are later than an election time-out. */
export const lateFrames: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...elections.swarm,
    ...everyMs(["kill", "isolate", "clog", "delay", "oneWayCut"], 2_000),
    strengths: { ...strengths, delayMsMax: 800 },
  },
};

/** Elections among servers whose disks take longer than an election time-out now and then. */
export const slowDisks: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...elections.swarm,
    ...everyMs(["kill", "killFurthest", "powerLoss", "isolate", "slowDisk"], 2_000),
    strengths: { ...strengths, slowDiskMsMax: 1_000 },
  },
};

/** Frames that are lost one by one, come twice, or overtake others. */
export const strayFrames: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...elections.swarm,
    ...everyMs(["kill", "partition", "loss", "doubling", "reordering"], 4_000),
    strengths: { ...strengths, lossMax: 0.2, doublingMax: 0.4, reorderingMax: 0.4 },
  },
};
