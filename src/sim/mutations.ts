// All known bugs: the simulator is worth as much as what of this list it catches. One file a floor
// in known-bugs/. Each is a mistake that somebody could really make.
import type { KnownBug } from "./known-bug.ts";
import { chatBugs } from "./known-bugs/chat.ts";
import { clientBugs } from "./known-bugs/client.ts";
import { electionBugs } from "./known-bugs/elections.ts";
import { gatewayBugs } from "./known-bugs/gateways.ts";
import { islandBugs } from "./known-bugs/islands.ts";
import { livenessBugs } from "./known-bugs/liveness.ts";
import { memberBugs } from "./known-bugs/members.ts";
import { readBugs } from "./known-bugs/reads.ts";
import { replicaBugs } from "./known-bugs/replica.ts";
import { replicationBugs } from "./known-bugs/replication.ts";
import { storageBugs } from "./known-bugs/storage.ts";

/** Every bug that can be switched in. */
export const knownBugs: readonly KnownBug[] = [
  ...electionBugs,
  ...replicationBugs,
  ...readBugs,
  ...storageBugs,
  ...replicaBugs,
  ...chatBugs,
  ...gatewayBugs,
  ...clientBugs,
  ...livenessBugs,
  ...memberBugs,
  ...islandBugs,
];

/** The environment variable that names the bug to switch in. */
export const knownBugVariable = "HOLDFAST_KNOWN_BUG";
