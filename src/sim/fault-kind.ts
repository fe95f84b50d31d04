// The names of everything that the fault plan can do, in the order in which they are printed. Not
// here: what each of them does (fault-kinds/) and when (faults.ts).

/** All kinds of faults. */
export const faultKinds = [
  "kill",
  "killFurthest",
  "powerLoss",
  "powerLossOfAll",
  "stop",
  "pause",
  "crashPoint",
  "crashLoop",
  "partition",
  "isolate",
  "oneWayCut",
  "partialCut",
  "breakConnection",
  "clog",
  "delay",
  "loss",
  "doubling",
  "reordering",
  "breakClients",
  "cutClients",
  "clockJump",
  "clockRate",
  "slowDisk",
  "diskError",
  "diskFull",
  "misdirectedRead",
  "misdirectedWrite",
  "bitFlip",
  "emptyDisk",
  "olderDisk",
  "swappedDisks",
  "majorityDown",
  "islands",
  "rotRow",
  "corruptState",
  "joinServer",
  "removeServer",
  "replaceServer",
  "transferLeadership",
  "takeCheckpoint",
] as const;

/** One of `faultKinds`. */
export type FaultKind = (typeof faultKinds)[number];

/** Those that need somebody else: a cluster of one does without. */
export const kindsAmongServers: readonly FaultKind[] = [
  "partition",
  "isolate",
  "oneWayCut",
  "partialCut",
  "breakConnection",
  "clog",
  "delay",
  "loss",
  "doubling",
  "reordering",
  "misdirectedWrite",
  "bitFlip",
  "emptyDisk",
  "olderDisk",
  "swappedDisks",
  "majorityDown",
  "islands",
  "rotRow",
  "corruptState",
  "transferLeadership",
];

/**
 * Those after which a copy must be made anew; fault-budget.ts says how many there may be at a time.
 */
export const destroyingKinds: readonly FaultKind[] = [
  "misdirectedWrite",
  "bitFlip",
  "emptyDisk",
  "rotRow",
  "corruptState",
];

/** Those that change who the members are. */
export const memberKinds: readonly FaultKind[] = ["joinServer", "removeServer", "replaceServer"];

/** Those that take a majority away for so long that islands open (docs/decisions/0013). */
export const kindsOfIslands: readonly FaultKind[] = ["majorityDown", "islands"];
