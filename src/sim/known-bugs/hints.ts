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

/** Much is written, disks are slow, and the power fails in the midst of it. */
export const powerCuts: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...elections.swarm,
    intensity: 3,
    segmentBytes: 272 * 1024,
    ...everyMs(["kill", "powerLoss", "powerLossOfAll", "slowDisk"], 3_000),
    strengths: { ...strengths, slowDiskMsMax: 300 },
  },
};

/** Servers live for a second or so, and what one has handed over is applied in the next one. */
export const shortLives: JobOptions = {
  simulatedMs: 60_000,
  swarm: {
    ...elections.swarm,
    intensity: 3,
    ...everyMs(["kill", "powerLoss", "crashLoop", "delay"], 1_000),
    strengths: { ...strengths, episodeMsMin: 20, episodeMsMax: 300, delayMsMax: 300 },
  },
};

/** Clients lose their servers for a while, and much is written meanwhile. */
export const absentClients: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...elections.swarm,
    intensity: 3,
    ...everyMs(["breakClients", "cutClients", "kill"], 5_000),
    strengths: { ...strengths, episodeMsMin: 2_000, episodeMsMax: 20_000 },
  },
};

/** Clients go from server to server, and some servers are far behind. */
export const laggingServers: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...elections.swarm,
    intensity: 2,
    ...everyMs(["breakClients", "cutClients", "clog", "delay", "slowDisk", "pause"], 2_000),
    strengths: { ...strengths, episodeMsMax: 3_000, delayMsMax: 200, slowDiskMsMax: 500 },
  },
};

/** A server that has just come back dies again while its slow disk writes. */
export const crashesInARow: JobOptions = {
  simulatedMs: 60_000,
  swarm: {
    ...elections.swarm,
    intensity: 4,
    faults: ["kill", "powerLoss", "slowDisk"],
    meanWaitMs: { kill: 300, powerLoss: 300, slowDisk: 50 },
    strengths: { ...strengths, episodeMsMin: 10, episodeMsMax: 300, slowDiskMsMax: 150 },
    calmMs: 500,
  },
};

/** Servers are farther from each other than clients are from them. */
export const farServers: JobOptions = {
  simulatedMs: 60_000,
  swarm: {
    ...elections.swarm,
    intensity: 4,
    timings: {
      tickMs: 10,
      heartbeatIntervalTicks: 5,
      electionTimeoutTicksMin: 30,
      electionTimeoutTicksMax: 60,
      liveTimeoutMs: 500,
      islandAfterMs: 5_000,
      survival: "quorum",
      proposalTimeoutMs: 5_000,
      acks: "majority",
    },
    ...everyMs(["delay", "slowDisk", "breakClients"], 1_000),
    strengths: {
      ...strengths,
      episodeMsMin: 2_000,
      episodeMsMax: 20_000,
      delayMsMax: 60,
      slowDiskMsMax: 500,
    },
  },
};

/** A majority is away most of the time, in many ways, and machines lose power meanwhile. */
export const islands: JobOptions = {
  simulatedMs: 60_000,
  swarm: {
    ...elections.swarm,
    intensity: 1,
    timings: {
      tickMs: 10,
      heartbeatIntervalTicks: 5,
      electionTimeoutTicksMin: 30,
      electionTimeoutTicksMax: 60,
      liveTimeoutMs: 500,
      islandAfterMs: 900,
      survival: "island",
      proposalTimeoutMs: 5_000,
      acks: "live",
    },
    sizes: { checkpointBytes: 64 * 1024 * 1024, logKeepBytes: 16 * 1024 * 1024 },
    ...everyMs(
      ["majorityDown", "islands", "kill", "powerLoss", "delay", "breakClients", "slowDisk"],
      4_000,
    ),
    strengths: { ...strengths, delayMsMax: 300 },
  },
};

/** Some are cut off from a majority that goes on, and people change sides. */
export const islandsBesideAMajority: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...islands.swarm,
    servers: 5,
    intensity: 4,
    ...everyMs(["islands", "breakClients"], 2_000),
  },
};

/** Islands, and bits flip. */
export const islandsAndDamage: JobOptions = {
  simulatedMs: 60_000,
  swarm: {
    ...islands.swarm,
    intensity: 2,
    ...everyMs(["majorityDown", "islands", "kill", "bitFlip"], 4_000),
  },
};

/** Servers come, go and lose leadership all the time; some die meanwhile. */
export const members: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...elections.swarm,
    intensity: 2,
    ...everyMs(
      ["joinServer", "removeServer", "replaceServer", "transferLeadership", "kill", "stop"],
      4_000,
    ),
    strengths,
  },
};

/** Snapshots are taken every few seconds, and those who were away need them. */
export const snapshots: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...elections.swarm,
    intensity: 3,
    sizes: { checkpointBytes: 4_096, logKeepBytes: 0 },
    ...everyMs(["kill", "powerLoss", "isolate", "takeCheckpoint"], 3_000),
    strengths: { ...strengths, episodeMsMin: 1_000, episodeMsMax: 10_000 },
  },
};

/** Newcomers join a cluster in which much is written, and get all of its log. */
export const longLogs: JobOptions = {
  simulatedMs: 240_000,
  swarm: {
    ...elections.swarm,
    intensity: 4,
    operationsMax: 20_000,
    sizes: { checkpointBytes: 64 * 1024 * 1024, logKeepBytes: 16 * 1024 * 1024 },
    ...everyMs(["joinServer", "removeServer", "slowDisk"], 10_000),
    strengths: { ...strengths, slowDiskMsMax: 600, episodeMsMin: 10_000, episodeMsMax: 40_000 },
    stormMs: 200_000,
  },
};

/** Much is lost while leaders die: whoever has forgotten is asked for its vote. */
export const lostLogs: JobOptions = {
  simulatedMs: 180_000,
  swarm: {
    ...elections.swarm,
    servers: 5,
    intensity: 4,
    sizes: { checkpointBytes: 64 * 1024 * 1024, logKeepBytes: 16 * 1024 * 1024 },
    ...everyMs(["kill", "killFurthest", "isolate", "bitFlip", "emptyDisk"], 1_500),
    strengths: { ...strengths, episodeMsMin: 50, episodeMsMax: 1_000 },
    stormMs: 60_000,
  },
};

/** Disks are emptied and rot, again and again, among elections. */
export const damagedDisks: JobOptions = {
  simulatedMs: 120_000,
  swarm: {
    ...snapshots.swarm,
    sizes: { checkpointBytes: 16_384, logKeepBytes: 4_096 },
    ...everyMs(
      ["kill", "isolate", "bitFlip", "emptyDisk", "rotRow", "misdirectedWrite", "takeCheckpoint"],
      4_000,
    ),
  },
};
