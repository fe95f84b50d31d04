// What only a leader has, from its election to its fall. Holds state and answers questions about
// it; sends nothing.
import type { RaftConfig } from "./config.ts";
import { Progress } from "./progress.ts";
import { ReadRounds } from "./read-index.ts";
import type { LogIndex, ReplicaId } from "./types.ts";

/** A leadership transfer under way (dissertation §3.10). */
export interface Transfer {
  readonly target: ReplicaId;
  elapsedTicks: number;
}

/**
 * A leader's state. Invariant: `progress` has exactly the members of the current configuration and
 * the leader.
 */
export class Leading {
  readonly progress = new Map<ReplicaId, Progress>();
  readonly reads = new ReadRounds();
  /**
   * The no-op that opens the term: once it is committed, commitIndex is known to be current
   * (dissertation §6.4).
   */
  readonly firstIndexOfTerm: LogIndex;
  /**
   * Whether this term is durable here. Votes of others prove it, since they were asked for after
   * the write. A leader by its own vote alone must not show its term to anyone before: having
   * forgotten it, it could lead it twice.
   */
  termDurable: boolean;
  heartbeatElapsedTicks = 0;
  transfer: Transfer | undefined;

  readonly #config: RaftConfig;
  /** Own proposals that are not committed, oldest first. */
  #uncommitted: { readonly lastIndex: LogIndex; readonly bytes: number }[] = [];
  #uncommittedBytes = 0;

  constructor(
    config: RaftConfig,
    start: { readonly firstIndexOfTerm: LogIndex; readonly termDurable: boolean },
  ) {
    this.#config = config;
    this.firstIndexOfTerm = start.firstIndexOfTerm;
    this.termDurable = start.termDurable;
  }

  /** Keeps `progress` in step with the configuration. */
  setMembers(members: readonly ReplicaId[], nextIndex: LogIndex): void {
    const self = this.#config.id;
    for (const id of this.progress.keys()) {
      if (id !== self && !members.includes(id)) this.progress.delete(id);
    }
    for (const id of [self, ...members]) {
      if (!this.progress.has(id)) this.renew(id, nextIndex);
    }
  }

  /** Forgets what was known of `id`, or learns of it. */
  renew(id: ReplicaId, nextIndex: LogIndex): Progress {
    const progress = new Progress(nextIndex, {
      appendsInFlightMax: this.#config.appendsInFlightMax,
      activeTicksMax: this.#config.electionTimeoutTicksMax,
    });
    if (id === this.#config.id) progress.becomeReplicate();
    this.progress.set(id, progress);
    return progress;
  }

  /**
   * Takes account of a proposal; false when too many bytes wait already. One always fits into
   * nothing.
   */
  addUncommitted(lastIndex: LogIndex, bytes: number): boolean {
    const total = this.#uncommittedBytes + bytes;
    if (this.#uncommittedBytes > 0 && total > this.#config.uncommittedBytesMax) return false;
    this.#uncommitted.push({ lastIndex, bytes });
    this.#uncommittedBytes = total;
    return true;
  }

  /** Everything up to `commitIndex` no longer waits. */
  committed(commitIndex: LogIndex): void {
    let done = 0;
    while (done < this.#uncommitted.length && this.#uncommitted[done]!.lastIndex <= commitIndex) {
      this.#uncommittedBytes -= this.#uncommitted[done]!.bytes;
      done++;
    }
    if (done > 0) this.#uncommitted.splice(0, done);
  }
}
