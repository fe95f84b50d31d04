// Leader Completeness (Raft §5.4): what was committed in a term is in the log of the leader of
// every later term.
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import { Milestones } from "./milestones.ts";
import type { ServerLogs } from "./server-logs.ts";

/** Judges every new leader by the highest committed index that is known. */
export class LeaderCompleteness implements ClusterChecker {
  readonly name = "leader-completeness";
  readonly #logs: ServerLogs;
  readonly #committed = new Milestones();

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    const { newCommit } = this.#logs;
    if (newCommit !== undefined) {
      const { terms, term } = this.#logs.of(newCommit.server);
      const entryTerm = terms[newCommit.index];
      if (entryTerm !== undefined) {
        this.#committed.reach({ index: newCommit.index, entryTerm, inTerm: term });
      }
    }
    if (event.kind !== "roleChanged" || event.role !== "leader") return;
    const { server, hardState } = event;
    const owed = this.#committed.before(hardState.term);
    if (owed === undefined || this.#logs.holds(server, owed.index, owed.entryTerm)) return;
    const found = this.#logs.of(server).terms[owed.index];
    throw new SafetyViolation(
      this.name,
      `server ${server} leads term ${hardState.term} without entry ${owed.index} of term ` +
        `${owed.entryTerm}, which was committed in term ${owed.inTerm}; ` +
        (found === undefined ? "its log is shorter" : `it has one of term ${found} there`),
    );
  }
}
