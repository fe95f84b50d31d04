// What was promised to a client is in the log of every later leader and, when all is over, on every
// server that is whole.
import { commandsPerEntryMax } from "../../base/position.ts";
import { type ClusterChecker, type FinalServer, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import { Milestones } from "./milestones.ts";
import type { ServerLogs } from "./server-logs.ts";

/** Judges every new leader, and the servers at the end. */
export class AcknowledgedSurvives implements ClusterChecker {
  readonly name = "acknowledged-survives";
  readonly #logs: ServerLogs;
  readonly #acknowledged = new Milestones();

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    const { server } = event;
    if (event.kind === "answered") {
      const index = Math.floor(event.position / commandsPerEntryMax);
      const { terms, term } = this.#logs.of(server);
      const entryTerm = terms[index];
      if (entryTerm === undefined) {
        this.#fail(`server ${server} answers for entry ${index}, which is not in its log`);
      }
      this.#acknowledged.reach({ index, entryTerm, inTerm: term });
    } else if (event.kind === "roleChanged" && event.role === "leader") {
      const owed = this.#acknowledged.before(event.hardState.term);
      if (owed === undefined || this.#logs.holds(server, owed.index, owed.entryTerm)) return;
      this.#fail(
        `server ${server} leads term ${event.hardState.term} without entry ${owed.index} of ` +
          `term ${owed.entryTerm}, which was acknowledged`,
      );
    }
  }

  finish(servers: readonly FinalServer[]): void {
    const owed = this.#acknowledged.last;
    if (owed === undefined) return;
    for (const { server, appliedIndex } of servers) {
      const holds = this.#logs.holds(server, owed.index, owed.entryTerm);
      if (holds && appliedIndex >= owed.index) continue;
      this.#fail(
        `server ${server} ends at entry ${appliedIndex} without entry ${owed.index} of term ` +
          `${owed.entryTerm}, which was acknowledged`,
      );
    }
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
