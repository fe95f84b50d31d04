// The judge of test clusters: Raft's properties (Raft Figure 3) and the promises of messages,
// asserted step by step over everything that ever happened in a run. Sees replicas and their disks;
// causes nothing.
import { AssertionError } from "../base/assert.ts";
import { type ConfigurationAt, decodeConfiguration, isVoter } from "./membership.ts";
import type { MemoryDisk, MemoryLog } from "./memory-disk.test-support.ts";
import type { PeerMessage } from "./peer-message.ts";
import type { Raft } from "./raft.ts";
import type { Configuration, Entry, LogIndex, ReplicaId, Term } from "./types.ts";

/** What the judge may look at. */
export interface CheckedReplica {
  readonly id: ReplicaId;
  /** Undefined while it is down. */
  readonly raft: Raft | undefined;
  readonly disk: MemoryDisk;
  /** Counts its starts. */
  readonly incarnation: number;
  /** Counts its folders: a new one remembers nothing of what the one before has promised. */
  readonly birth: number;
  /** What it has promised may be gone from its disk, so it must not vote now. */
  readonly hasForgotten: boolean;
}

function check(condition: boolean, message: () => string): void {
  if (!condition) throw new AssertionError(message());
}

function describePayload(payload: Uint8Array): string {
  return [...payload].join(",");
}

/** The state machine of the tests: a hash over all entries in order. */
export function hashEntry(hash: number, entry: Entry): number {
  let next = Math.imul(hash ^ entry.index, 0x01000193) ^ entry.term;
  for (const byte of entry.payload) next = Math.imul(next ^ byte, 0x01000193);
  return next | 0;
}

/** A committed entry, by index. */
interface Committed {
  readonly term: Term;
  /** The term of the leader that committed it: leaders of later terms must have it. */
  readonly committedIn: Term;
  /** The state after it. */
  readonly stateHash: number;
  /** The newest configuration up to there, and its index. */
  readonly membership: ConfigurationAt;
}

/** Asserts after each step what must hold in the whole run. */
export class RaftChecker {
  readonly #replicas: ReadonlyMap<ReplicaId, CheckedReplica>;
  /** Term → who led it, and in which of its lives. */
  readonly #leaders = new Map<Term, { readonly id: ReplicaId; readonly incarnation: number }>();
  /** "voter:birth:term" → for whom. */
  readonly #votes = new Map<string, ReplicaId>();
  /** "index:term" → the entry and the term before it: equal everywhere by Log Matching. */
  readonly #entries = new Map<string, string>();
  readonly #committed: Committed[];
  /** Per replica: what it had reported in this life. */
  readonly #seen = new Map<ReplicaId, { incarnation: number; commitIndex: LogIndex }>();

  constructor(replicas: ReadonlyMap<ReplicaId, CheckedReplica>, configuration: Configuration) {
    this.#replicas = replicas;
    const membership = { index: 0, configuration };
    this.#committed = [{ term: 0, committedIn: 0, stateHash: 0, membership }];
  }

  /** Highest index known to be committed anywhere. */
  get committedIndex(): LogIndex {
    return this.#committed.length - 1;
  }

  /** The state after the entry at a committed index. */
  stateHash(index: LogIndex): number {
    const committed = this.#committed[index];
    check(committed !== undefined, () => `state at ${index}, which is not committed`);
    return committed!.stateHash;
  }

  /** The newest configuration up to a committed index. */
  membershipAt(index: LogIndex): ConfigurationAt {
    const committed = this.#committed[index];
    check(committed !== undefined, () => `members at ${index}, which is not committed`);
    return committed!.membership;
  }

  /** New entries were handed to a replica's disk. */
  checkAppended(replica: CheckedReplica, entries: readonly Entry[]): void {
    if (this.#isSecret(replica)) return;
    let previous = entries[0] && replica.disk.visible.term(entries[0].index - 1);
    for (const entry of entries) {
      const key = `${entry.index}:${entry.term}`;
      const value = `${previous}|${entry.kind}|${describePayload(entry.payload)}`;
      const known = this.#entries.get(key);
      if (known === undefined) this.#entries.set(key, value);
      else check(known === value, () => `log matching: ${key} is ${known} and ${value}`);
      previous = entry.term;
    }
  }

  /** A message leaves: what it says must be on its sender's disk. */
  checkSent(replica: CheckedReplica, message: PeerMessage): void {
    const { hardState, durable } = replica.disk;
    const durableTerm = () => `${message.kind} of term ${message.term} before it is durable`;
    switch (message.kind) {
      case "requestVote":
        if (!message.preVote) {
          check(hardState.term >= message.term, durableTerm);
          this.#checkVote(replica, message.term, replica.id);
        }
        return;
      case "requestVoteResponse":
        if (message.preVote || !message.granted) return;
        check(hardState.term >= message.term, durableTerm);
        if (hardState.term === message.term) {
          check(hardState.votedFor === message.to, () => "a vote is given that is not durable");
        }
        this.#checkVote(replica, message.term, message.to);
        return;
      case "appendEntriesResponse":
        if (!message.accepted) return;
        check(hardState.term >= message.term, durableTerm);
        if (hardState.term === message.term) {
          check(durable.lastIndex() >= message.index, () => "accepted before it is durable");
        }
        return;
      case "installSnapshotResponse":
        if (!message.installed || hardState.term !== message.term) return;
        check(durable.lastIndex() >= message.lastIndex, () => "installed before it is durable");
        return;
      case "appendEntries":
      case "heartbeat":
      case "installSnapshot":
        check(hardState.term >= message.term, durableTerm);
        return;
      default:
    }
  }

  #checkVote(voter: CheckedReplica, term: Term, candidate: ReplicaId): void {
    check(!voter.hasForgotten, () => `${voter.id} votes, and has forgotten what it promised`);
    const key = `${voter.id}:${voter.birth}:${term}`;
    const known = this.#votes.get(key);
    check(known === undefined || known === candidate, () => `two votes of ${voter.id} in ${term}`);
    this.#votes.set(key, candidate);
  }

  /** A replica has taken a step (and its entries are in the readable log). */
  checkStep(replica: CheckedReplica): void {
    const raft = replica.raft!;
    if (raft.role === "leader") this.#checkLeader(replica, raft);
    const { visible, durable } = replica.disk;
    check(
      durable.term(raft.stableIndex) === visible.term(raft.stableIndex),
      () => `${replica.id} takes ${raft.stableIndex} for durable, which it is not`,
    );
    const seen = this.#seen.get(replica.id);
    const { incarnation } = replica;
    const before = seen?.incarnation === incarnation ? seen.commitIndex : 0;
    check(raft.commitIndex >= before, () => `commitIndex of ${replica.id} fell`);
    if (raft.commitIndex === before) return;
    this.#seen.set(replica.id, { incarnation, commitIndex: raft.commitIndex });
    this.#checkCommitted(replica, raft, before + 1);
  }

  /**
   * Who leads by its own vote alone has shown its term to nobody before that is durable: a crash
   * may make it forget the term with its entries, and lead it again.
   */
  #isSecret({ raft, disk }: CheckedReplica): boolean {
    return raft?.role === "leader" && disk.hardState.term < raft.term;
  }

  /** Election Safety, and Leader Completeness at the moment of election. */
  #checkLeader(replica: CheckedReplica, raft: Raft): void {
    const { id, incarnation } = replica;
    const { configuration, committedConfiguration, isConfigurationChanging } = raft;
    check(
      isConfigurationChanging || isVoter(configuration, id),
      () => `${id} leads, and has no vote in the committed configuration`,
    );
    if (this.#isSecret(replica)) return;
    const known = this.#leaders.get(raft.term);
    if (known !== undefined) {
      check(
        known.id === id && known.incarnation === incarnation,
        () => `election safety: ${known.id} and ${id} led term ${raft.term}`,
      );
      return;
    }
    this.#leaders.set(raft.term, { id, incarnation });
    const inForce = [committedConfiguration.configuration];
    for (let index = raft.commitIndex + 1; index <= replica.disk.visible.lastIndex(); index++) {
      const entry = replica.disk.visible.entry(index)!;
      if (entry.kind === "configuration") inForce.push(decodeConfiguration(entry.payload)!);
    }
    check(
      inForce.some((one) => isVoter(one, id)),
      () => `${id} leads, and has no vote in anything that may be in force`,
    );
    for (let index = this.committedIndex; index > replica.disk.visible.baseIndex; index--) {
      // Votes for an older term may come in late: such a leader need not have what later ones have
      // committed.
      if (this.#committed[index]!.committedIn >= raft.term) continue;
      this.#checkHolds(replica, index, `leader completeness in term ${raft.term}`);
    }
  }

  #checkHolds(replica: CheckedReplica, index: LogIndex, what: string): void {
    if (index < replica.disk.visible.baseIndex) return;
    const expected = this.#committed[index]!.term;
    const actual = replica.disk.visible.term(index);
    check(
      actual === expected,
      () => `${what}: ${replica.id} has term ${actual} at ${index}, committed is ${expected}`,
    );
  }

  /**
   * State Machine Safety by what is committed; a commit is on a majority of disks; Leader
   * Completeness again.
   */
  #checkCommitted(replica: CheckedReplica, raft: Raft, start: LogIndex): void {
    const log = replica.disk.visible;
    for (let index = Math.max(start, log.firstIndex()); index <= raft.commitIndex; index++) {
      if (index <= this.committedIndex) {
        this.#checkHolds(replica, index, "state machine safety");
        continue;
      }
      this.#addCommitted(replica, log, index);
    }
    check(raft.commitIndex <= this.committedIndex, () => "committed what is not in the log");
  }

  #addCommitted(replica: CheckedReplica, log: MemoryLog, index: LogIndex): void {
    const entry = log.entry(index);
    check(entry !== undefined, () => `${replica.id} committed ${index}, which it has not`);
    const { term } = entry!;
    const stateHash = hashEntry(this.#committed[index - 1]!.stateHash, entry!);
    const membership = this.#membershipAfter(entry!);
    this.#committed.push({ term, committedIn: replica.raft!.term, stateHash, membership });
    this.#checkQuorum(replica.raft!, index, term);
    for (const other of this.#replicas.values()) {
      if (other.raft?.role !== "leader" || other.raft.term <= replica.raft!.term) continue;
      this.#checkHolds(other, index, "leader completeness");
    }
  }
  #membershipAfter(entry: Entry): ConfigurationAt {
    if (entry.kind !== "configuration") return this.#committed[entry.index - 1]!.membership;
    return { index: entry.index, configuration: decodeConfiguration(entry.payload)! };
  }

  /**
   * A newly committed entry is on a majority's disks, or was before they lost it. Whether the
   * leader counted it before or after it left a joint configuration cannot be seen here: the older
   * list must agree to the joint entry itself, and to all while the leader has no newer one.
   */
  #checkQuorum(raft: Raft, index: LogIndex, term: Term): void {
    const { configuration, index: since } = this.membershipAt(index);
    const isJoint = since === index || raft.configurationIndex === since;
    const { voters, votersOutgoing } = configuration;
    for (const list of isJoint ? [voters, votersOutgoing] : [voters]) {
      const holders = list.filter((id) => {
        const replica = this.#replicas.get(id);
        if (replica === undefined) return false;
        const { durable } = replica.disk;
        const holds = durable.term(index) === term || durable.baseIndex >= index;
        return holds || replica.hasForgotten;
      });
      check(
        list.length === 0 || holders.length * 2 > list.length,
        () => `${index} is committed on the disks of ${holders.join()} of ${list.join()} only`,
      );
    }
  }
}
