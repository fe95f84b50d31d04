// A promise that is given to a client stands on as many disks as it says, and on a majority at
// least (product row R5).
import { commandsPerEntryMax } from "../../base/position.ts";
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";
import { describeVoters } from "./configurations.ts";
import type { ServerLogs } from "./server-logs.ts";

/** Judges every answer that a replica gives, at the moment when it gives it. */
export class DurabilityOfAcks implements ClusterChecker {
  readonly name = "durability-of-acks";
  readonly #logs: ServerLogs;

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    if (event.kind !== "answered") return;
    const { server, position, disks } = event;
    const index = Math.floor(position / commandsPerEntryMax);
    const term = this.#logs.of(server).terms[index];
    const held = term === undefined ? 0 : this.#logs.disksWith(index, term);
    if (term !== undefined && held >= disks && this.#isOnQuorum(server, index, term)) return;
    const voters = describeVoters(this.#logs.configurationAt(server, index));
    throw new SafetyViolation(
      this.name,
      `server ${server} answers for entry ${index} "on ${disks} disks", it is durable on ` +
        `${held}; ${voters}`,
    );
  }

  /** Of the voters at its place, or of later ones: those of its leader's log have committed it. */
  #isOnQuorum(server: ServerId, index: number, term: number): boolean {
    const here = this.#logs.configurationAt(server, index);
    const configurations = [here, ...this.#logs.countingConfigurations()];
    return configurations.some((one) => this.#logs.isOnQuorum(one, index, term));
  }
}
