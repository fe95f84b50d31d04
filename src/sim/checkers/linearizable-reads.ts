// A linearizable read (dissertation §6.4) is answered from a state that holds everything that was
// acknowledged, and everything that such a read has seen, before it was asked.
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";

/** Judges every read that says to have been confirmed. */
export class LinearizableReads implements ClusterChecker {
  readonly name = "linearizable-reads";
  /** The highest position that a client can know of. */
  #seen = 0;
  /** By server, then by read: `#seen` when it was asked. Only reads that are open. */
  readonly #asked = new Map<ServerId, Map<number, number>>();

  see(event: ClusterEvent): void {
    const { server } = event;
    switch (event.kind) {
      case "answered":
        this.#seen = Math.max(this.#seen, event.position);
        break;
      case "readAsked":
        this.#of(server).set(event.readId, this.#seen);
        break;
      case "readAnswered":
        this.#answer(event);
        break;
      case "died":
        this.#asked.delete(server);
        break;
    }
  }

  #answer(event: Extract<ClusterEvent, { kind: "readAnswered" }>): void {
    const { server, readId, reached, position } = event;
    const reads = this.#of(server);
    const owed = reads.get(readId);
    reads.delete(readId);
    if (!reached) return;
    if (owed === undefined) {
      throw new SafetyViolation(this.name, `server ${server} answers read ${readId}, never asked`);
    }
    if (position < owed) {
      throw new SafetyViolation(
        this.name,
        `server ${server} answers read ${readId} from position ${position}; ` +
          `${owed} was known to clients when it was asked`,
      );
    }
    this.#seen = Math.max(this.#seen, position);
  }

  #of(server: ServerId): Map<number, number> {
    let reads = this.#asked.get(server);
    if (reads === undefined) {
      reads = new Map();
      this.#asked.set(server, reads);
    }
    return reads;
  }
}
