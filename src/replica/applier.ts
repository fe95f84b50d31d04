// Brings committed entries into the state machine, a bounded number at a time, and tells those who
// wait or listen. Not here: when an entry is committed.
import { commandsPerEntryMax, type Position, positionOf } from "../base/position.ts";
import type { Entry } from "../raft/index.ts";
import type { ClusterTime } from "./cluster-time.ts";
import { decodeEntry } from "./committed-entry.ts";
import { applyBytesMax, applyCommandsMax } from "./limits.ts";
import type { ReplicaLog } from "./options.ts";
import type { PendingProposals, ProposalFields } from "./proposals.ts";
import type { AppliedCommand, CommittedEntry, StateMachine } from "./state-machine.ts";

/** What checkpoints ask of whoever applies; snapshots.ts fits it. */
export interface AppliedHooks {
  handleApplied(entry: Entry, commands: readonly Uint8Array[]): void;
  /** There is to be a copy of the state as it is now, before anything is applied. */
  readonly isLacking: boolean;
  /** A checkpoint was applied: nothing more is, until `resume`. */
  take(index: number, resume: () => void): void;
}

type Listener<Outcome, Event> = (applied: readonly AppliedCommand<Outcome, Event>[]) => void;

/** The way from the log into the state machine. */
export class Applier<Outcome, Event> {
  readonly #log: ReplicaLog;
  readonly #stateMachine: StateMachine<Outcome, Event>;
  readonly #origin: { readonly replicaId: number; readonly incarnation: number };
  readonly #pending: PendingProposals<Outcome>;
  readonly #time: ClusterTime;
  readonly #listeners = new Set<Listener<Outcome, Event>>();
  #appliedIndex: number;
  #mayApplyTo = 0;
  #applying: readonly Entry[] = [];
  #hooks: AppliedHooks | undefined;
  /** A copy of the state is about to begin. */
  #isHeld = false;

  constructor(options: {
    readonly log: ReplicaLog;
    readonly stateMachine: StateMachine<Outcome, Event>;
    /** Whose commands are answered here. */
    readonly origin: { readonly replicaId: number; readonly incarnation: number };
    readonly pending: PendingProposals<Outcome>;
    readonly time: ClusterTime;
  }) {
    this.#log = options.log;
    this.#stateMachine = options.stateMachine;
    this.#origin = options.origin;
    this.#pending = options.pending;
    this.#time = options.time;
    this.#appliedIndex = options.stateMachine.appliedIndex();
  }

  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Everything in the log before this position's entry, and that entry, is applied. */
  get appliedPosition(): Position {
    return positionOf(this.#appliedIndex, commandsPerEntryMax - 1);
  }

  /** The first entry of the batch in which the state machine threw; undefined while it has not. */
  get poisonIndex(): number | undefined {
    return this.#applying[0]?.index;
  }

  /** From now on applied entries are told, and checkpoints are taken. */
  setHooks(hooks: AppliedHooks): void {
    this.#hooks = hooks;
    if (hooks.isLacking && !this.isBehindLog) this.#hold(hooks);
  }

  /**
   * The state lacks entries that the log no longer has: nothing can be applied before another state
   * is here.
   */
  get isBehindLog(): boolean {
    return this.#appliedIndex + 1 < this.#log.firstIndex();
  }

  subscribe(listener: Listener<Outcome, Event>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Entries up to here are committed and durable here. */
  mayApplyTo(index: number): void {
    if (index > this.#mayApplyTo) this.#mayApplyTo = index;
  }

  /**
   * Makes stamps that the log already holds count, before this replica stamps entries as a leader.
   */
  observeLogStamps(): void {
    const firstIndex = this.#log.firstIndex();
    for (let index = this.#log.lastIndex(); index >= firstIndex; index--) {
      const entry = this.#log.entries(index, index + 1, 0)[0];
      if (entry === undefined || entry.kind !== "commands") continue;
      this.#time.observeStamp(decodeEntry(entry).committed.timestampMs);
      return;
    }
  }

  /**
   * Applies what may be applied, up to a bound. `more`: call again, after others have had their
   * turn.
   */
  apply(): { readonly progress: boolean; readonly more: boolean } {
    if (this.#isHeld || this.#appliedIndex >= this.#mayApplyTo || this.isBehindLog) {
      return { progress: false, more: false };
    }
    const start = this.#appliedIndex + 1;
    const entries = this.#log.entries(start, this.#mayApplyTo + 1, applyBytesMax);
    this.#applying = entries;
    const proposals: (readonly ProposalFields[])[] = [];
    const committed: CommittedEntry[] = [];
    let commands = 0;
    let isCheckpoint = false;
    for (const entry of entries) {
      if (commands >= applyCommandsMax || isCheckpoint) break;
      const decoded = decodeEntry(entry);
      commands += decoded.proposals.length;
      isCheckpoint = decoded.isCheckpoint;
      proposals.push(decoded.proposals);
      committed.push(decoded.committed);
    }
    const applied = this.#stateMachine.apply(committed);
    this.#applying = [];
    this.#appliedIndex = committed.at(-1)?.index ?? this.#appliedIndex;
    this.#answerOrigin(proposals, committed, applied);
    if (applied.length > 0) for (const listener of this.#listeners) listener(applied);
    for (const [at, { timestampMs, commands }] of committed.entries()) {
      this.#time.observeStamp(timestampMs);
      this.#hooks?.handleApplied(entries[at]!, commands);
    }
    if (isCheckpoint && this.#hooks !== undefined) this.#hold(this.#hooks);
    return { progress: true, more: !this.#isHeld && this.#appliedIndex < this.#mayApplyTo };
  }

  #hold(hooks: AppliedHooks): void {
    this.#isHeld = true;
    hooks.take(this.#appliedIndex, () => {
      this.#isHeld = false;
    });
  }

  #answerOrigin(
    proposals: readonly (readonly ProposalFields[])[],
    committed: readonly CommittedEntry[],
    applied: readonly AppliedCommand<Outcome, Event>[],
  ): void {
    let at = 0;
    for (const [ordinal, entry] of committed.entries()) {
      for (const proposal of proposals[ordinal] ?? []) {
        const { position, outcome } = applied[at++]!;
        const own =
          proposal.originId === this.#origin.replicaId &&
          proposal.originIncarnation === this.#origin.incarnation;
        if (!own) continue;
        const sequence = Number(proposal.originSequence);
        this.#pending.handleApplied({ sequence, index: entry.index, position, outcome });
      }
    }
  }
}
