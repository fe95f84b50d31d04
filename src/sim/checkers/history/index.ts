// The judges of what clients saw, in the order in which their findings are easiest to understand:
// what the servers hold, then what was acknowledged, then what was read and delivered.
import type { HistoryChecker } from "../../history.ts";
import { audience } from "./audience.ts";
import { counts } from "./counts.ts";
import { denseNumbers } from "./dense-numbers.ts";
import { exactlyOnce } from "./exactly-once.ts";
import { fifo } from "./fifo.ts";
import { held } from "./held.ts";
import { linearizability } from "./linearizability.ts";
import { monotonicReads } from "./monotonic-reads.ts";
import { pages } from "./pages.ts";
import { readYourWrites } from "./read-your-writes.ts";
import { refusals } from "./refusals.ts";
import { sameEverywhere } from "./same-everywhere.ts";
import { subscriptions } from "./subscriptions.ts";
import { time } from "./time.ts";

/** All properties that a history must have, whatever failed meanwhile. */
export const historyCheckers: readonly HistoryChecker[] = [
  sameEverywhere,
  denseNumbers,
  exactlyOnce,
  held,
  linearizability,
  time,
  fifo,
  pages,
  readYourWrites,
  monotonicReads,
  subscriptions,
  audience,
  counts,
  refusals,
];

/**
 * Those for a run whose network breaks the transport's contract (frames lost one by one, doubled or
 * overtaking): order per sender is not promised there, all else is.
 */
export const contractFreeCheckers: readonly HistoryChecker[] = historyCheckers.filter(
  (checker) => checker !== fifo,
);
