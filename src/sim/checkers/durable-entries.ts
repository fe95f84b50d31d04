// What the log said to be durable is there again after any crash, but for a disk that was damaged
// or replaced.
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";
import type { ServerLogs } from "./server-logs.ts";

/** The end of a server's durable log. */
interface DurableEnd {
  readonly index: number;
  readonly term: number;
}

/** Judges every log that is recovered. */
export class DurableEntries implements ClusterChecker {
  readonly name = "durable-entries";
  readonly #logs: ServerLogs;
  readonly #ends = new Map<ServerId, DurableEnd>();

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    const { server } = event;
    switch (event.kind) {
      case "started":
        this.#checkRecovered(server, event.lastIndex);
        this.#keepEnd(server);
        break;
      case "logDurable":
      case "appended":
        this.#keepEnd(server);
        break;
      case "diskReplaced":
      case "diskDamaged":
        this.#ends.delete(server);
        break;
    }
  }

  /** After each change: a cut makes the durable part shorter when it is asked for. */
  #keepEnd(server: ServerId): void {
    const { terms, durable, damaged } = this.#logs.of(server);
    if (damaged) return;
    const known = this.#ends.get(server);
    const term = terms[durable]!;
    if (known?.index !== durable || known.term !== term) {
      this.#ends.set(server, { index: durable, term });
    }
  }

  #checkRecovered(server: ServerId, lastIndex: number): void {
    const end = this.#ends.get(server);
    if (end === undefined || this.#logs.holds(server, end.index, end.term)) return;
    // Raft §7: what contradicts a state that was fetched was never committed.
    if (this.#logs.of(server).isBegunAnew) return;
    throw new SafetyViolation(
      this.name,
      `server ${server} came back with a log up to ${lastIndex}, after entry ${end.index} of ` +
        `term ${end.term} was durable`,
    );
  }
}
