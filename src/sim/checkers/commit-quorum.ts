// A leader commits what is durable on a majority of disks (Raft §5.3, §5.4.2), and never less.
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import type { ServerLogs } from "./server-logs.ts";

/** Judges every commit of a leader, at the moment of the commit. */
export class CommitQuorum implements ClusterChecker {
  readonly name = "commit-quorum";
  readonly #logs: ServerLogs;

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(_event: ClusterEvent): void {
    const { newCommit, majority } = this.#logs;
    if (newCommit === undefined) return;
    const { role, term, terms } = this.#logs.of(newCommit.server);
    const entryTerm = terms[newCommit.index];
    if (role !== "leader" || entryTerm === undefined) return;
    const disks = this.#logs.disksWith(newCommit.index, entryTerm);
    if (disks >= majority) return;
    throw new SafetyViolation(
      this.name,
      `server ${newCommit.server}, leader of term ${term}, commits entry ${newCommit.index}, ` +
        `which is durable on ${disks} disks; a majority is ${majority}`,
    );
  }
}
