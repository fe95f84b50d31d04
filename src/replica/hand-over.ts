// The way of a client's commands from the replica that took them to the one that leads: into its
// own queue, or into frames for another. After each change of leader everything that is still open
// goes again, in order, under its ids. Not here: who leads, and what becomes of the commands.
import { frameBytesMax } from "./limits.ts";
import type { PendingProposals, ProposalFields } from "./proposals.ts";

/** Takes a run of commands to the leader. `resumed`: it begins with the oldest open one. */
export type Deliver = (proposals: readonly ProposalFields[], resumed: boolean) => void;

type OpenProposals = Pick<PendingProposals<unknown>, "oldestOpen" | "openFrom">;

/** Remembers what has been handed to the present leader. */
export class HandOver {
  readonly #pending: OpenProposals;
  readonly #origin: { readonly replicaId: number; readonly incarnation: number };
  /** Lower ones are with the leader, or answered. */
  #next = 1;
  #resumed = true;

  constructor(options: {
    readonly pending: OpenProposals;
    readonly origin: { readonly replicaId: number; readonly incarnation: number };
  }) {
    this.#pending = options.pending;
    this.#origin = options.origin;
  }

  /** Forgets what has been handed over: the leader is another one, or frames to it were lost. */
  restart(): void {
    this.#next = this.#pending.oldestOpen;
    this.#resumed = true;
  }

  /** Hands over what has not been yet, in runs that fit into a frame. */
  run(deliver: Deliver): void {
    let batch: ProposalFields[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (batch.length === 0) return;
      deliver(batch, this.#resumed);
      this.#resumed = false;
      batch = [];
      bytes = 0;
    };
    for (const { sequence, command } of this.#pending.openFrom(this.#next)) {
      // Commands are applied in the order of their sequence, so the open ones have no gap. Were
      // there one, the leader would drop what follows; the next restart begins behind it.
      if (sequence !== this.#next) break;
      batch.push({
        originId: this.#origin.replicaId,
        originIncarnation: this.#origin.incarnation,
        originSequence: BigInt(sequence),
        command,
      });
      bytes += command.length;
      this.#next = sequence + 1;
      if (bytes > frameBytesMax / 2) flush();
    }
    flush();
  }
}
