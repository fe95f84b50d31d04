// A leader commits what is durable on a majority of the voters' disks, on both majorities while the
// voters change, and by counting only entries of its own term (Raft §5.3, §5.4.2, §6): what stands
// before those is committed with them.
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";
import { describeVoters } from "./configurations.ts";
import type { ServerLogs } from "./server-logs.ts";

/** Judges every commit of a leader, at the moment of the commit. */
export class CommitQuorum implements ClusterChecker {
  readonly name = "commit-quorum";
  readonly #logs: ServerLogs;
  /**
   * Commits that lacked a quorum of the newest configuration that was told: the leader may have
   * put another one into its log in the same step, of which it tells when the step is over.
   */
  readonly #open = new Map<ServerId, { readonly index: number; readonly term: number }>();

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    const { server } = event;
    switch (event.kind) {
      case "committed":
        this.#commit(server, event.commitIndex);
        break;
      case "appended":
      case "applied":
      case "messageReceived":
      case "answered":
        this.#close(server);
        break;
      case "died":
        this.#open.delete(server);
        break;
    }
  }

  finish(): void {
    for (const server of [...this.#open.keys()]) this.#close(server);
  }

  #commit(server: ServerId, index: number): void {
    const { role, term, terms } = this.#logs.of(server);
    const entryTerm = terms[index];
    if (role !== "leader" || entryTerm === undefined) return;
    if (entryTerm !== term) {
      this.#fail(
        `server ${server}, leader of term ${term}, commits by entry ${index} of term ${entryTerm}`,
      );
    }
    const configuration = this.#logs.configurationOf(server);
    if (!this.#logs.isOnQuorum(configuration, index, term)) this.#open.set(server, { index, term });
  }

  #close(server: ServerId): void {
    const open = this.#open.get(server);
    if (open === undefined) return;
    this.#open.delete(server);
    const { index, term } = open;
    const configuration = this.#logs.configurationOf(server);
    if (this.#logs.isOnQuorum(configuration, index, term)) return;
    const disks = this.#logs.disksWith(index, term);
    this.#fail(
      `server ${server}, leader of term ${term}, commits entry ${index}, which is durable on ` +
        `${disks} disks, and on no majority: ${describeVoters(configuration)}`,
    );
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
