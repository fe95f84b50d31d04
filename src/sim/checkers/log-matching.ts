// Log Matching (Raft §5.3): entries of equal index and term are equal, and so are all before them,
// in whatever log of whatever server they ever stood.
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import type { ServerLogs } from "./server-logs.ts";

/** Judges every entry that is appended, and every log that is recovered. */
export class LogMatching implements ClusterChecker {
  readonly name = "log-matching";
  readonly #logs: ServerLogs;

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    const { problem } = this.#logs;
    if (problem === undefined) return;
    throw new SafetyViolation(this.name, `server ${event.server}: ${problem}`);
  }
}
