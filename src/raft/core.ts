// The state that the roles share and the changes between roles; becoming leader is in leader.ts.
// Handles no input.
import { assert, assertDefined } from "../base/assert.ts";
import { Random } from "../base/random.ts";
import type { RaftConfig, Restored } from "./config.ts";
import type { Effects } from "./effects.ts";
import type { Leading } from "./leading.ts";
import {
  leaderLostRetryTicksMax,
  leaderLostRetryTicksMin,
  leaderLostStaggerTicks,
  leaderLostTriesMax,
} from "./limits.ts";
import type { LogSlice } from "./log-slice.ts";
import { allVoters, Membership } from "./membership.ts";
import type { CoreView } from "./observer.ts";
import { Outbox } from "./outbox.ts";
import type { PeerMessage } from "./peer-message.ts";
import { type AppendResult, RaftLog } from "./raft-log.ts";
import { ForwardedReads } from "./read-index.ts";
import type { IncomingSnapshot } from "./snapshot-receiver.ts";
import type { Entry, LogIndex, ReplicaId, Role, Term } from "./types.ts";

/** One replica's consensus state. The role files change it; nothing outside of `Raft.step` may. */
export class Core {
  readonly id: ReplicaId;
  readonly config: RaftConfig;
  readonly log: RaftLog;
  readonly membership: Membership;
  readonly outbox = new Outbox();
  readonly forwardedReads = new ForwardedReads();
  readonly #random: Random;

  /** Latest term seen; never falls. */
  term: Term;
  /** For whom this replica voted in `term`, 0 for nobody. Invariant: set once a term. */
  votedFor: ReplicaId;
  role: Role = "follower";
  /** The entry that added this replica; 0 for a founder. */
  readonly joinedIndex: LogIndex;
  /** It may have lost entries that it had acknowledged: no votes until `trustLog`. */
  abstains: boolean;
  /** Whom this replica follows, itself when it leads, 0 while it knows none. */
  leader: ReplicaId = 0;
  /** Votes or pre-votes of the try under way, by voter. Empty unless (pre-)candidate. */
  votes = new Map<ReplicaId, boolean>();
  /** What only a leader has. Invariant: defined exactly while role is leader. */
  leading: Leading | undefined;
  /** A snapshot that comes in chunks. Only at a follower. */
  incomingSnapshot: IncomingSnapshot | undefined;

  /** Ticks since the leader was heard, a vote was granted or a try began. */
  electionElapsedTicks = 0;
  electionTimeoutTicks = 0;
  /**
   * Tries that still come at the short delay after the leader's connection broke; 0 without such a
   * hint.
   */
  #leaderLostTries = 0;

  #appliedTo: LogIndex;
  /** As of the last step's effects. */
  #reported: { term: Term; votedFor: ReplicaId; role: Role; leader: ReplicaId };

  constructor(config: RaftConfig, restored: Restored) {
    assertConfig(config);
    this.id = config.id;
    this.config = config;
    this.#random = new Random(config.seed);
    this.log = new RaftLog(restored.log, restored.appliedIndex);
    this.membership = new Membership(restored.configuration, restored.log);
    this.membership.committed(this.log.commitIndex);
    this.joinedIndex = restored.joinedIndex;
    this.abstains = restored.abstains;
    const { term, votedFor } = restored.hardState;
    this.term = term;
    this.votedFor = votedFor;
    if (this.log.lastTerm > term) {
      // A snapshot that was fetched beside the core may be of a term that this replica never heard
      // of, and so never voted in. Entries that it took itself are never newer than its term.
      assert(this.log.lastIndex < this.log.firstIndex, "the log is newer than the term kept");
      this.term = this.log.lastTerm;
      this.votedFor = 0;
    }
    this.#appliedTo = this.log.commitIndex;
    this.#reported = { term, votedFor, role: "follower", leader: 0 };
    this.restartElectionTimer();
    config.observer?.started?.(this.#view());
  }

  /**
   * Whether the log has the entry that added this replica. Before that, a server whose log is too
   * old to know better may take it for a predecessor with the same id, whose memory it lacks: then
   * nothing that it says may count for anything (docs/decisions/0011).
   */
  get hasJoined(): boolean {
    return this.log.lastIndex >= this.joinedIndex;
  }

  /** Whether it may give votes and pre-votes, its own included. */
  get mayVote(): boolean {
    return this.hasJoined && !this.abstains;
  }

  /**
   * Whether this replica may stand for election: it may vote, its log is not being replaced, and it
   * is a voter. One that is no voter of its newest configuration stands as long as that may not be
   * committed, as nobody else may have it (dissertation §4.2.2, end).
   */
  get isPromotable(): boolean {
    if (this.incomingSnapshot?.restoring === true) return false;
    return this.mayVote && this.membership.mayBeVoter(this.id);
  }

  /** Whether it is the only one with a vote. */
  get isOnlyVoter(): boolean {
    const voters = allVoters(this.membership.current);
    return voters.length === 1 && voters[0] === this.id;
  }

  /**
   * Leader stickiness (dissertation §4.2.3, §6.2): a leader was heard within the shortest election
   * time-out, so votes are refused to whoever only failed to hear it. A leader itself steps down by
   * check-quorum instead.
   */
  get hearsLeader(): boolean {
    if (this.leader === 0) return false;
    return (
      this.leader === this.id || this.electionElapsedTicks < this.config.electionTimeoutTicksMin
    );
  }

  /** Starts the wait for the next try anew, at the short delay while the leader's loss is fresh. */
  restartElectionTimer(): void {
    this.electionElapsedTicks = 0;
    if (this.isOnlyVoter) {
      this.electionTimeoutTicks = 1;
    } else if (this.#leaderLostTries > 0) {
      this.electionTimeoutTicks = this.#random.nextInteger(
        leaderLostRetryTicksMin,
        leaderLostRetryTicksMax,
      );
    } else {
      this.electionTimeoutTicks = this.#random.nextInteger(
        this.config.electionTimeoutTicksMin,
        this.config.electionTimeoutTicksMax,
      );
    }
  }

  /** Counts a try to become leader: after some, the short delay ends. */
  countTry(): void {
    if (this.#leaderLostTries > 0) this.#leaderLostTries--;
  }

  /**
   * The connection to the leader broke. A killed process closes its connections at once, long
   * before any time-out notices, so nobody is followed any more and stickiness ends here. All
   * survivors learn it at the same moment, so they stand one after the other, by rank, instead of
   * splitting the vote. A wrong hint does no harm: whoever still hears the leader refuses the
   * pre-vote, and terms stay as they are.
   */
  loseLeader(): void {
    const others = allVoters(this.membership.current).filter((id) => id !== this.leader);
    this.leader = 0;
    this.refuseForwardedReads();
    this.electionElapsedTicks = 0;
    const rank = others.indexOf(this.id);
    if (rank >= 0) {
      this.#leaderLostTries = leaderLostTriesMax;
      this.electionTimeoutTicks = rank * leaderLostStaggerTicks + 1;
    }
    this.#observeRole();
  }

  /** A message of the leader of this term came. */
  hearLeader(leader: ReplicaId): void {
    assert(this.role !== "leader", `two leaders in term ${this.term}`);
    if (this.role !== "follower" || this.leader !== leader) {
      this.becomeFollower(this.term, leader);
    }
    this.electionElapsedTicks = 0;
  }

  /** Follows `leader` in `term`; 0: nobody that is known yet. Leaves whatever role it had. */
  becomeFollower(term: Term, leader: ReplicaId): void {
    assert(term >= this.term, "a term never falls");
    const steppedDown = this.leading;
    if (term !== this.term || leader !== this.leader) this.refuseForwardedReads();
    if (term > this.term) {
      this.term = term;
      this.votedFor = 0;
    }
    this.role = "follower";
    this.leading = undefined;
    this.votes.clear();
    this.leader = leader;
    if (leader !== 0) this.#leaderLostTries = 0;
    this.restartElectionTimer();
    for (const { from, requestId } of steppedDown?.reads.takeAll() ?? []) {
      this.answerRead({ to: from, requestId, index: 0, refused: true });
    }
    this.#observeRole();
  }

  /** Asks whether it would win, without touching its term (dissertation §9.6). */
  becomePreCandidate(): void {
    assert(this.role !== "leader", "a leader does not stand");
    this.role = "preCandidate";
    this.#beginTry();
  }

  /** Stands for election in the next term, with its own vote (Raft §5.2). */
  becomeCandidate(): void {
    assert(this.role !== "leader", "a leader does not stand");
    this.role = "candidate";
    this.term++;
    this.votedFor = this.id;
    this.#beginTry();
  }

  /** Takes the role; leader.ts does the rest. */
  becomeLeading(leading: Leading): void {
    assert(this.role === "candidate", "only a candidate becomes leader");
    this.role = "leader";
    this.leader = this.id;
    this.leading = leading;
    this.votes.clear();
    this.#leaderLostTries = 0;
    this.incomingSnapshot = undefined;
    this.#observeRole();
  }

  #beginTry(): void {
    this.leader = 0;
    this.refuseForwardedReads();
    this.votes.clear();
    this.votes.set(this.id, true);
    this.restartElectionTimer();
    this.#observeRole();
  }

  /** Gives this term's vote. */
  vote(candidate: ReplicaId): void {
    assert(this.votedFor === 0 || this.votedFor === candidate, "one vote a term (Raft §5.2)");
    this.votedFor = candidate;
    this.electionElapsedTicks = 0;
  }

  /** Appends a leader's slice and keeps the configuration in step with the log. */
  append(slice: LogSlice): AppendResult {
    const lastIndex = this.log.lastIndex;
    const result = this.log.append(slice);
    if (result.kind !== "appended") return result;
    if (result.cutAt !== 0 || this.log.lastIndex !== lastIndex) this.#observeLog(result.cutAt);
    const cut = result.cutAt !== 0 && this.membership.cut(result.cutAt);
    const keptTo = result.cutAt === 0 ? lastIndex : result.cutAt - 1;
    const news = slice.entries.filter((entry) => entry.index > keptTo);
    const appended = this.membership.appended(news);
    if (cut || appended) this.#observeConfiguration();
    return result;
  }

  /** Appends a leader's own entries. True when they change the configuration. */
  appendOwn(entries: readonly Entry[]): boolean {
    this.log.appendOwn({
      term: this.term,
      previousIndex: this.log.lastIndex,
      previousTerm: this.log.lastTerm,
      entries,
    });
    this.#observeLog(0);
    const changed = this.membership.appended(entries);
    if (changed) this.#observeConfiguration();
    return changed;
  }

  /** Moves commitIndex up, as far as the caller knows to be committed. True when it has moved. */
  commitTo(index: LogIndex): boolean {
    if (!this.log.commitTo(index)) return false;
    this.membership.committed(index);
    this.config.observer?.committed?.({ id: this.id, commitIndex: index });
    return true;
  }

  /** The log begins anew after a snapshot. */
  restoreLog(snapshot: IncomingSnapshot): void {
    this.log.restore(snapshot.lastIndex, snapshot.lastTerm);
    this.membership.restore(snapshot.lastIndex, snapshot.configuration);
    this.#observeConfiguration();
    const commitIndex = this.log.commitIndex;
    this.config.observer?.committed?.({ id: this.id, commitIndex });
  }

  /** A message that promises nothing that a disk could forget. */
  send(message: PeerMessage): void {
    this.config.observer?.messageSent?.(message);
    this.outbox.send(message);
  }

  /** A message that leaves when this step's and all earlier writes are durable. */
  sendAfterPersist(message: PeerMessage): void {
    this.config.observer?.messageSent?.(message);
    this.outbox.sendAfterPersist(message);
  }

  /** Answers a read, here or at the follower that forwarded it. */
  answerRead(answer: {
    readonly to: ReplicaId;
    readonly requestId: number;
    readonly index: LogIndex;
    readonly refused: boolean;
  }): void {
    const { to, requestId, index, refused } = answer;
    if (to === this.id) this.outbox.read({ requestId, index, refused });
    else {
      const envelope = { term: this.term, from: this.id, to };
      this.send({ kind: "readIndexResponse", ...envelope, requestId, index, refused });
    }
  }

  refuseForwardedReads(): void {
    for (const requestId of this.forwardedReads.takeAll()) {
      this.outbox.read({ requestId, index: 0, refused: true });
    }
  }

  /** Ends a step. */
  takeEffects(): Effects {
    this.config.observer?.stepEnded?.(this.#view());
    const { term, votedFor, role, leader } = this;
    const before = this.#reported;
    const hardStateChanged = term !== before.term || votedFor !== before.votedFor;
    const roleChanged = role !== before.role || leader !== before.leader || term !== before.term;
    if (hardStateChanged || roleChanged) this.#reported = { term, votedFor, role, leader };
    this.#appliedTo = Math.max(
      this.#appliedTo,
      Math.min(this.log.commitIndex, this.log.stableIndex),
    );
    return this.outbox.take({
      hardState: hardStateChanged ? { term, votedFor } : undefined,
      entries: this.log.takeUnpersisted(),
      applyTo: this.#appliedTo,
      roleChange: roleChanged ? { role, term, leader } : undefined,
    });
  }

  /** The leader state of a replica that is known to lead. */
  requireLeading(): Leading {
    return assertDefined(this.leading, "the leader's state");
  }

  #observeRole(): void {
    const { id, role, leader, term, votedFor } = this;
    this.config.observer?.roleChanged?.({ id, role, leader, hardState: { term, votedFor } });
  }

  #observeLog(cutAt: LogIndex): void {
    const { lastIndex } = this.log;
    this.config.observer?.logChanged?.({ id: this.id, lastIndex, cutAt });
  }

  #observeConfiguration(): void {
    const configuration = this.membership.current;
    this.config.observer?.configurationChanged?.({ id: this.id, configuration });
  }

  #view(): CoreView {
    const { id, role, term, votedFor, log } = this;
    return {
      id,
      role,
      hardState: { term, votedFor },
      commitIndex: log.commitIndex,
      lastIndex: log.lastIndex,
      stableIndex: log.stableIndex,
      configuration: this.membership.current,
    };
  }
}

function assertConfig(config: RaftConfig): void {
  assert(Number.isSafeInteger(config.id) && config.id > 0, "a replica id is a positive integer");
  assert(config.heartbeatIntervalTicks >= 1, "heartbeats come every tick at most");
  assert(
    config.heartbeatIntervalTicks < config.electionTimeoutTicksMin,
    "heartbeats come more often than elections",
  );
  assert(
    config.electionTimeoutTicksMin < config.electionTimeoutTicksMax,
    "election time-outs are drawn from a range",
  );
  assert(config.appendsInFlightMax >= 1, "at least one appendEntries may be under way");
}
