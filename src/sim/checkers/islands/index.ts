// The judges of island mode from inside (docs/decisions/0013); the others (../index.ts) judge what
// comes into the log, wherever it comes from.
import type { ClusterChecker } from "../../checker.ts";
import type { ServerLogs } from "../server-logs.ts";
import { HeldLogs } from "./held-logs.ts";
import { HeldOnDisks } from "./held-on-disks.ts";
import { HeldSurvives } from "./held-survives.ts";
import { IslandErasing } from "./island-erasing.ts";
import { IslandLeavesLog } from "./island-leaves-log.ts";
import { IslandOpening, type IslandTimings } from "./island-opening.ts";

/** What must be true of islands, whatever fails. One set for each run. */
export interface IslandCheckers {
  /** To be told of every event after those that keep the logs. */
  readonly checkers: readonly ClusterChecker[];
  /** Whether every disk that held a message was destroyed, so that it may be missing. */
  mayBeMissing(authorId: number, commandId: string): boolean;
}

/** The judges of one run. */
export function createIslandCheckers(logs: ServerLogs, timings: IslandTimings): IslandCheckers {
  const held = new HeldLogs();
  const survives = new HeldSurvives(held);
  return {
    checkers: [
      { name: "held-logs", see: (event) => held.see(event) },
      new IslandOpening(logs, timings),
      new IslandLeavesLog(logs, held),
      new IslandErasing(logs, held),
      new HeldOnDisks(held),
      survives,
    ],
    mayBeMissing: (authorId, commandId) => survives.mayBeMissing(authorId, commandId),
  };
}
