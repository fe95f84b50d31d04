// An island log is erased only when everything in it is in the log of the cluster, and a snapshot
// of later is on the disks of a majority of the voters (decision 0013). A snapshot that was lost
// with its disk counts: what was told of it may still be under way.
import { type ClusterChecker, SafetyViolation } from "../../checker.ts";
import type { ClusterEvent, ServerId } from "../../cluster-event.ts";
import { readHeldCommand, readMerge } from "../../held-item.ts";
import {
  type CommandResult,
  type FirstApplication,
  FirstApplications,
} from "../applied-commands.ts";
import type { ServerLogs } from "../server-logs.ts";
import type { HeldLogs } from "./held-logs.ts";

/** Judges every erasing, at the moment when it happens. */
export class IslandErasing implements ClusterChecker, FirstApplication {
  readonly name = "island-erasing";
  readonly #logs: ServerLogs;
  readonly #held: HeldLogs;
  readonly #applications = new FirstApplications();
  /** The entry that had anything under a key first. */
  readonly #appliedAt = new Map<string, number>();
  readonly #snapshots = new Map<ServerId, number>();

  constructor(logs: ServerLogs, held: HeldLogs) {
    this.#logs = logs;
    this.#held = held;
  }

  see(event: ClusterEvent): void {
    const { server } = event;
    switch (event.kind) {
      case "applied":
        this.#applications.forEach(event, this);
        break;
      case "snapshotTaken":
      case "stateInstalled":
        this.#snapshots.set(server, Math.max(event.index, this.#snapshots.get(server) ?? 0));
        break;
      case "islandErased":
        for (const key of this.#held.newErased) this.#checkErased(server, key);
        break;
    }
  }

  command(encoded: Uint8Array, _result: CommandResult, entry: { readonly index: number }): void {
    const key = (readMerge(encoded)?.held ?? readHeldCommand(encoded))?.key;
    if (key !== undefined && !this.#appliedAt.has(key)) this.#appliedAt.set(key, entry.index);
  }

  #checkErased(server: ServerId, key: string): void {
    const index = this.#appliedAt.get(key);
    if (index === undefined) this.#fail(`server ${server} erases ${key}, which nobody has merged`);
    const { voters } = this.#logs.configurationOf(server);
    const having = voters.filter((voter) => (this.#snapshots.get(voter) ?? 0) >= index);
    if (having.length > voters.length / 2) return;
    this.#fail(
      `server ${server} erases ${key}, which entry ${index} has merged; snapshots of later are ` +
        `on servers ${having.join(", ")} only`,
    );
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
