// A leader commits what is durable on a majority of disks, and by counting only entries of its own
// term (Raft §5.3, §5.4.2): what stands before those is committed with them.
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

  see(event: ClusterEvent): void {
    if (event.kind !== "committed") return;
    const { server, commitIndex } = event;
    const { role, term, terms } = this.#logs.of(server);
    const entryTerm = terms[commitIndex];
    if (role !== "leader" || entryTerm === undefined) return;
    if (entryTerm !== term) {
      this.#fail(
        `server ${server}, leader of term ${term}, commits by entry ${commitIndex} ` +
          `of term ${entryTerm}`,
      );
    }
    const { majority } = this.#logs;
    const disks = this.#logs.disksWith(commitIndex, entryTerm);
    if (disks >= majority) return;
    this.#fail(
      `server ${server}, leader of term ${term}, commits entry ${commitIndex}, ` +
        `which is durable on ${disks} disks; a majority is ${majority}`,
    );
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
