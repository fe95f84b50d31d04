// Election Safety (Raft §5.2): at most one server leads a term.
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";

/** Who led a term. */
interface Leadership {
  readonly server: ServerId;
  readonly life: number;
  /** Its term is durable: before, nobody else can know of it, and a crash undoes it. */
  saved: boolean;
}

/** Judges every change of role to leader. */
export class ElectionSafety implements ClusterChecker {
  readonly name = "election-safety";
  /** By term. Grows by a record an election. */
  readonly #leaders = new Map<number, Leadership>();
  readonly #lives = new Map<ServerId, number>();
  readonly #savedTerms = new Map<ServerId, number>();

  see(event: ClusterEvent): void {
    const { server } = event;
    switch (event.kind) {
      case "started":
        this.#lives.set(server, event.life);
        this.#savedTerms.set(server, event.hardState.term);
        break;
      case "hardStateSaved": {
        const { term } = event.hardState;
        this.#savedTerms.set(server, term);
        const led = this.#leaders.get(term);
        if (led?.server === server && led.life === this.#lives.get(server)) led.saved = true;
        break;
      }
      case "roleChanged":
        if (event.role === "leader") this.#lead(server, event.hardState.term);
        break;
    }
  }

  #lead(server: ServerId, term: number): void {
    const life = this.#lives.get(server) ?? 0;
    const known = this.#leaders.get(term);
    if (known !== undefined && known.server !== server) {
      this.#fail(`servers ${known.server} and ${server} both led term ${term}`);
    }
    if (known?.life === life) return;
    if (known?.saved) {
      this.#fail(`server ${server} led term ${term} in its lives ${known.life} and ${life}`);
    }
    // The only server of a cluster leads by its own vote, before that is durable.
    const saved = (this.#savedTerms.get(server) ?? 0) >= term;
    this.#leaders.set(term, { server, life, saved });
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
