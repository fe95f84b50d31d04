// A promise that is given to a client stands on as many disks as it says, and on a majority at
// least (product row R5).
import { commandsPerEntryMax } from "../../base/position.ts";
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
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
    const { majority } = this.#logs;
    const held = term === undefined ? 0 : this.#logs.disksWith(index, term);
    if (held >= Math.max(majority, disks)) return;
    throw new SafetyViolation(
      this.name,
      `server ${server} answers for entry ${index} "on ${disks} disks", it is durable on ` +
        `${held}; a majority is ${majority}`,
    );
  }
}
