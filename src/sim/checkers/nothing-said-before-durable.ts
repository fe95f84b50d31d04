// A follower that says "accepted up to i" has everything up to i on its disk (Raft §5.3): the
// leader counts on it.
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import type { ServerLogs } from "./server-logs.ts";

/** Judges every accepted append when it leaves. */
export class NothingSaidBeforeDurable implements ClusterChecker {
  readonly name = "nothing-said-before-durable";
  readonly #logs: ServerLogs;

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    if (event.kind !== "messageSent") return;
    const { server, message } = event;
    if (message.kind !== "appendEntriesResponse" || !message.accepted) return;
    const { term, durable } = this.#logs.of(server);
    // What it said in an older term waited for the disk behind a write of a newer one, which may
    // have cut the log meanwhile. No leader listens to it any more.
    if (message.term < term || message.index <= durable) return;
    throw new SafetyViolation(
      this.name,
      `server ${server} accepts entries up to ${message.index} in term ${message.term}, ` +
        `its log is durable up to ${durable}`,
    );
  }
}
