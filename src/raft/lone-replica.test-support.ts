// One core with its disk and nobody else: tests say what its peers say and see what it answers.
// Writes wait until `persist`.
import type { RaftConfig } from "./config.ts";
import type { Effects } from "./effects.ts";
import type { Input } from "./input.ts";
import { MemoryDisk } from "./memory-disk.test-support.ts";
import type { PeerMessage } from "./peer-message.ts";
import { Raft } from "./raft.ts";
import type { Configuration, Entry, LogIndex, ReplicaId, Term } from "./types.ts";

/** A peer message without its receiver, which is the lone replica. */
export type Incoming = { [K in PeerMessage["kind"]]: IncomingOf<K> }[PeerMessage["kind"]];
type IncomingOf<K extends PeerMessage["kind"]> = Omit<Extract<PeerMessage, { kind: K }>, "to">;

/** Entries from index 1 on with these terms. */
export function entriesOf(terms: readonly Term[], start: LogIndex = 1): Entry[] {
  return terms.map((term, i) => ({
    index: start + i,
    term,
    kind: "commands",
    payload: Uint8Array.of(start + i),
  }));
}

const noContext = new Uint8Array(0);

/** Replica 1 of `voters` (1, 2, 3 if not said). */
export class LoneReplica {
  readonly raft: Raft;
  readonly disk: MemoryDisk;
  /** Messages that have left since the last `take`. */
  #left: PeerMessage[] = [];
  last: Effects | undefined;

  constructor(
    start: {
      readonly voters?: readonly ReplicaId[];
      readonly learners?: readonly ReplicaId[];
      readonly term?: Term;
      readonly votedFor?: ReplicaId;
      readonly log?: readonly Term[];
      readonly appliedIndex?: LogIndex;
      readonly compactedTo?: LogIndex;
      readonly lostState?: boolean;
      readonly joinedIndex?: LogIndex;
      readonly abstains?: boolean;
      readonly config?: Partial<RaftConfig>;
    } = {},
  ) {
    const log = start.log ?? [];
    const configuration: Configuration = {
      voters: start.voters ?? [1, 2, 3],
      votersOutgoing: [],
      learners: start.learners ?? [],
      context: noContext,
    };
    this.disk = new MemoryDisk(configuration);
    const hardState = { term: start.term ?? log.at(-1) ?? 0, votedFor: start.votedFor ?? 0 };
    this.disk.begin({ hardState, entries: entriesOf(log), sendAfter: [] });
    this.disk.complete(1);
    const compactedTo = start.compactedTo ?? 0;
    if (compactedTo > 0) {
      const term = log[compactedTo - 1]!;
      this.disk.compact({ index: compactedTo, term, configuration, stateHash: 0 });
    }
    this.raft = new Raft(
      {
        id: 1,
        electionTimeoutTicksMin: 10,
        electionTimeoutTicksMax: 20,
        heartbeatIntervalTicks: 2,
        appendBytesMax: 1024,
        appendsInFlightMax: 4,
        uncommittedBytesMax: 1024,
        seed: 7,
        ...start.config,
      },
      {
        hardState,
        configuration,
        appliedIndex: start.lostState === true ? 0 : Math.max(start.appliedIndex ?? 0, compactedTo),
        log: this.disk.visible,
        joinedIndex: start.joinedIndex ?? 0,
        abstains: start.abstains ?? false,
      },
    );
  }

  step(input: Input): Effects {
    const effects = this.raft.step(input);
    this.last = effects;
    this.#left.push(...effects.send);
    if (effects.persist !== undefined) this.disk.begin(effects.persist);
    return effects;
  }

  receive(message: Incoming): Effects {
    return this.step({ kind: "peerMessage", message: { ...message, to: 1 } });
  }

  tick(count = 1): void {
    for (let i = 0; i < count; i++) this.step({ kind: "tick" });
  }

  propose(...texts: readonly string[]): Effects {
    const payloads = texts.map((text) => Uint8Array.from(text, (char) => char.charCodeAt(0)));
    return this.step({ kind: "propose", payloads });
  }

  /** A wish for other members, of a leader. */
  change(
    voters: readonly ReplicaId[],
    learners: readonly ReplicaId[] = [],
    context: Uint8Array = noContext,
  ): Effects {
    return this.step({ kind: "changeConfiguration", voters, learners, context });
  }

  /** All writes under way become durable, and what waited for them leaves. */
  persist(): void {
    while (this.disk.writes.length > 0) {
      const [write] = this.disk.complete(1);
      const last = write!.entries.at(-1);
      if (last !== undefined) this.step({ kind: "persisted", index: last.index, term: last.term });
      this.#left.push(...write!.sendAfter);
    }
  }

  /** What has left since the last call. */
  take(): PeerMessage[] {
    const left = this.#left;
    this.#left = [];
    return left;
  }

  /** Completes writes; what has left since the last call. */
  settle(): PeerMessage[] {
    this.persist();
    return this.take();
  }

  /** Makes it stand until it asks for pre-votes. */
  timeOut(): void {
    for (let i = 0; i < 100 && this.raft.role === "follower"; i++) this.tick();
  }

  /** Makes it a candidate by a majority of pre-votes. */
  becomeCandidate(): void {
    this.timeOut();
    for (const from of this.raft.configuration.voters) {
      if (this.raft.role !== "preCandidate") break;
      if (from !== 1) this.vote(from, { preVote: true });
    }
  }

  /** Makes it lead, its no-op on its own disk only. */
  becomeLeader(): void {
    this.becomeCandidate();
    this.persist();
    for (const from of this.raft.configuration.voters) {
      if (this.raft.role === "candidate" && from !== 1) this.vote(from);
    }
    this.persist();
  }

  /** A peer grants what this replica asked for. */
  vote(
    from: ReplicaId,
    how: { readonly preVote?: boolean; readonly granted?: boolean } = {},
  ): void {
    const { preVote = false, granted = true } = how;
    const term = preVote && granted ? this.raft.term + 1 : this.raft.term;
    this.receive({ kind: "requestVoteResponse", term, from, preVote, granted });
  }

  /** A follower has everything up to `index` durable. */
  accept(from: ReplicaId, index: LogIndex): Effects {
    const { term } = this.raft;
    const hint = { hintIndex: 0, hintTerm: 0 };
    return this.receive({
      kind: "appendEntriesResponse",
      term,
      from,
      accepted: true,
      index,
      ...hint,
    });
  }

  /** The leader `from` sends entries with these terms after (index, term). */
  append(
    from: ReplicaId,
    slice: {
      readonly term?: Term;
      readonly previous: readonly [LogIndex, Term];
      readonly terms?: readonly Term[];
      readonly commitIndex?: LogIndex;
    },
  ): Effects {
    const [previousLogIndex, previousLogTerm] = slice.previous;
    return this.receive({
      kind: "appendEntries",
      term: slice.term ?? this.raft.term,
      from,
      previousLogIndex,
      previousLogTerm,
      entries: entriesOf(slice.terms ?? [], previousLogIndex + 1),
      commitIndex: slice.commitIndex ?? 0,
    });
  }

  heartbeat(from: ReplicaId, term: Term = this.raft.term, commitIndex: LogIndex = 0): Effects {
    const wantsAnswer = true;
    return this.receive({
      kind: "heartbeat",
      term,
      from,
      commitIndex,
      readSequence: 0,
      wantsAnswer,
    });
  }

  /** The terms of its log. */
  get terms(): (Term | undefined)[] {
    const log = this.disk.visible;
    const count = log.lastIndex() - log.firstIndex() + 1;
    return Array.from({ length: count }, (_, i) => log.term(log.firstIndex() + i));
  }
}
