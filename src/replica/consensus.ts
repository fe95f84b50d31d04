// The consensus core with its disk: steps the core, makes durable what it asks for, in the order
// that it asks for, and works out up to where the log is acknowledged. Not here: peers'
// connections, the state machine, clients.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AcknowledgedSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import {
  type Effects,
  type Input,
  type PeerMessage,
  Raft,
  type RoleChange,
} from "../raft/index.ts";
import { type AckPoint, LeaderAcknowledgements } from "./acknowledgements.ts";
import { appendBytesMax, appendsInFlightMax, uncommittedBytesMax } from "./limits.ts";
import type { CrashPoint, ReplicaOptions } from "./options.ts";
import type { Peer } from "./peers.ts";

/** What the rest of the replica does for it. */
export interface ConsensusHooks {
  /** Queues a peer message for the end of this turn. */
  send(message: PeerMessage): void;
  /** Runs a turn, for what completes later. */
  turn(body: () => void): void;
  /** The other members as they are now. */
  peers(): Iterable<Peer>;
  handleRoleChange(change: RoleChange): void;
  handleRead(answer: Effects["reads"][number]): void;
  /** Entries up to here may be applied. */
  mayApplyTo(index: number): void;
  crashPoint(point: CrashPoint): void;
}

type Parts = Pick<
  ReplicaOptions<unknown, unknown>,
  | "identity"
  | "members"
  | "log"
  | "votes"
  | "timings"
  | "seed"
  | "observer"
  | "clock"
  | "stateMachine"
>;

/** This replica's part in consensus, from the moment the cluster is formed. */
export class Consensus {
  readonly #parts: Parts;
  readonly #hooks: ConsensusHooks;
  readonly #raft: Raft;
  /** Undefined while this replica does not lead. */
  #acknowledgements: LeaderAcknowledgements | undefined;
  /** Writes of the log under way. */
  #writesUnderWay = 0;

  constructor(parts: Parts, hooks: ConsensusHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
    const { log, votes, timings, observer } = parts;
    const voters = parts.members.map((member) => member.replicaId);
    const lastIndex = log.lastIndex();
    const appliedIndex = parts.stateMachine.appliedIndex();
    // Nothing is applied before it is durable here, so this is damage that recovery could not see.
    if (appliedIndex > lastIndex) {
      throw new Error(
        `the log ends at entry ${lastIndex}, but entry ${appliedIndex} was applied: ` +
          "this server has lost a part of its log and must not vote or acknowledge on it",
      );
    }
    this.#raft = new Raft(
      {
        id: parts.identity.replicaId,
        electionTimeoutTicksMin: timings.electionTimeoutTicksMin,
        electionTimeoutTicksMax: timings.electionTimeoutTicksMax,
        heartbeatIntervalTicks: timings.heartbeatIntervalTicks,
        appendBytesMax,
        appendsInFlightMax,
        uncommittedBytesMax,
        seed: parts.seed,
        ...(observer === undefined ? {} : { observer }),
      },
      {
        hardState: votes.load(),
        configuration: { voters, votersOutgoing: [], learners: [] },
        appliedIndex,
        log,
      },
    );
  }

  get leads(): boolean {
    return this.#raft.role === "leader";
  }

  get role(): Raft["role"] {
    return this.#raft.role;
  }

  get term(): number {
    return this.#raft.term;
  }

  /** 0 while none is known. */
  get leader(): number {
    return this.#raft.leader;
  }

  get commitIndex(): number {
    return this.#raft.commitIndex;
  }

  /** No write of the log is under way: the next one would leave at once. */
  get isDiskIdle(): boolean {
    return this.#writesUnderWay === 0;
  }

  /** Leader only: the newest acknowledged index and on how many disks it is. */
  get acknowledged(): AckPoint | undefined {
    return this.#acknowledgements?.point;
  }

  /** Leader only: whether acknowledgements wait for this follower and it holds all of them. */
  isLive(peer: number): boolean {
    return this.#acknowledgements?.isLive(peer) ?? false;
  }

  /** Leader only: what to tell this follower of it. */
  acknowledgedFor(peer: number): MessageInitShape<typeof AcknowledgedSchema> | undefined {
    const point = this.acknowledged;
    if (point === undefined) return undefined;
    const { index, disks } = point;
    const receiverLive = this.isLive(peer);
    return { term: BigInt(this.term), index: BigInt(index), disks, receiverLive };
  }

  /** Something has happened. Answers whether a proposal in it was dropped. */
  step(input: Input): { readonly proposalDropped: boolean } {
    const effects = this.#raft.step(input);
    for (const message of effects.send) this.#send(message);
    if (effects.roleChange !== undefined) this.#handleRoleChange(effects.roleChange);
    if (effects.persist !== undefined) this.#persist(effects.persist);
    for (const answer of effects.reads) this.#hooks.handleRead(answer);
    this.#hooks.mayApplyTo(effects.applyTo);
    return effects;
  }

  #send(message: PeerMessage): void {
    this.#parts.observer?.messageLeft?.(message);
    this.#hooks.send(message);
  }

  /** Begins to count acknowledgements as a leader, or ends it, after the rest has been told. */
  #handleRoleChange(change: RoleChange): void {
    this.#hooks.handleRoleChange(change);
    if (change.role !== "leader") {
      this.#acknowledgements = undefined;
      return;
    }
    this.#acknowledgements = new LeaderAcknowledgements({
      mode: this.#parts.timings.acks,
      liveTimeoutMs: this.#parts.timings.liveTimeoutMs,
      nowMs: this.#parts.clock.monotonicMs(),
      followers: [...this.#hooks.peers()].map(({ peerId, connected }) => ({
        peer: peerId,
        connected,
      })),
    });
  }

  handleConnected(peer: number): void {
    this.#acknowledgements?.handleConnected(peer, this.#parts.clock.monotonicMs());
  }

  handleDisconnected(peer: number): void {
    this.#acknowledgements?.handleDisconnected(peer);
    this.step({ kind: "peerUnreachable", peer });
  }

  handleHeard(peer: number, nowMs: number): void {
    this.#acknowledgements?.handleHeard(peer, nowMs);
  }

  tick(nowMs: number): void {
    this.step({ kind: "tick" });
    const { commitIndex } = this.#raft;
    this.#acknowledgements?.checkLiveness({ nowMs, commitIndex }, this.#matchIndexOf);
  }

  /**
   * Leader only: moves the acknowledged index as far as it may go; true when there is something new
   * to tell.
   */
  advanceAcknowledged(): boolean {
    const log = { commitIndex: this.#raft.commitIndex, durableIndex: this.#raft.stableIndex };
    return this.#acknowledgements?.advance(log, this.#matchIndexOf) ?? false;
  }

  #matchIndexOf = (peer: number): number => this.#raft.progress().get(peer)?.matchIndex ?? 0;

  #persist(persist: NonNullable<Effects["persist"]>): void {
    const { log, votes } = this.#parts;
    if (persist.hardState !== undefined) {
      this.#hooks.crashPoint("before-vote-save");
      votes.save(persist.hardState);
      this.#hooks.crashPoint("after-vote-save");
    }
    const last = persist.entries.at(-1);
    if (last === undefined && this.#writesUnderWay === 0) {
      for (const message of persist.sendAfter) this.#send(message);
      return;
    }
    this.#hooks.crashPoint("before-append");
    this.#writesUnderWay += 1;
    const handleDone = (error?: Error): void => {
      if (error !== undefined) throw error;
      this.#hooks.crashPoint("after-durable");
      this.#writesUnderWay -= 1;
      if (last !== undefined) {
        this.step({ kind: "persisted", index: last.index, term: last.term });
      }
      for (const message of persist.sendAfter) this.#send(message);
    };
    // Still in this turn where there is nothing to wait for, or the log has failed.
    let isInside = true;
    log.append(persist.entries, (error) => {
      if (isInside) handleDone(error);
      else this.#hooks.turn(() => handleDone(error));
    });
    isInside = false;
    this.#hooks.crashPoint("after-append");
  }
}
