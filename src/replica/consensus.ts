// The consensus core with its disk: steps the core, makes durable what it asks for, in the order
// that it asks for, and works out up to where the log is acknowledged. Not here: peers'
// connections, the state machine, clients.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AcknowledgedSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import {
  type Configuration,
  decodeConfiguration,
  type Effects,
  type Input,
  type PeerMessage,
  type ProgressView,
  Raft,
  type RoleChange,
} from "../raft/index.ts";
import { type AckPoint, type FollowerContact, LeaderAcknowledgements } from "./acknowledgements.ts";
import type { Ticket } from "./checkpoints.ts";
import { appendBytesMax, appendsInFlightMax, uncommittedBytesMax } from "./limits.ts";
import { foundingConfiguration } from "./member-table.ts";
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
  /** The newest configuration is another one, or has been committed. */
  handleConfiguration(): void;
  /** This follower needs a snapshot: what it is to fetch. */
  ticket(to: number): Ticket;
  /** The leader says that this replica needs a snapshot of at least this index. */
  handleTicket(index: number): void;
  /** Entries up to here may be applied. */
  mayApplyTo(index: number): void;
  crashPoint(point: CrashPoint): void;
}

/** A committed configuration and where it stands in the log. */
export interface ConfigurationAt {
  readonly index: number;
  readonly configuration: Configuration;
}

/** What came of an input besides what is done already. */
export interface StepResult {
  readonly proposalDropped: boolean;
  /** Why a change of the configuration was not taken. */
  readonly configurationRefused: string | undefined;
}

type Parts = Pick<
  ReplicaOptions<unknown, unknown>,
  "identity" | "log" | "votes" | "timings" | "seed" | "observer" | "clock" | "stateMachine"
>;

/** This replica's part in consensus, from the moment the cluster is formed. */
export class Consensus {
  readonly #parts: Parts;
  readonly #hooks: ConsensusHooks;
  readonly #raft: Raft;
  /** Undefined while this replica does not lead. */
  #acknowledgements: LeaderAcknowledgements | undefined;
  /** By peer, as of its last connection. */
  readonly #lives = new Map<number, Pick<Peer, "logEpoch" | "birthNonce">>();
  /** Writes of the log under way. */
  #writesUnderWay = 0;

  constructor(parts: Parts, hooks: ConsensusHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
    const { log, votes, timings, observer, identity } = parts;
    const base = log.base();
    // A state that was lost, or is behind what was compacted, is fetched from the others
    // (state-transfer.ts): the core counts what it had applied as applied.
    const appliedIndex = Math.max(parts.stateMachine.appliedIndex(), base.index);
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
        configuration: baseConfiguration(parts),
        appliedIndex,
        log,
        joinedIndex: identity.joinedIndex,
        abstains: identity.abstains,
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

  /** The newest configuration in the log, committed or not. */
  get configuration(): Configuration {
    return this.#raft.configuration;
  }

  get configurationIndex(): number {
    return this.#raft.configurationIndex;
  }

  /** A change of the configuration is under way. */
  get isConfigurationChanging(): boolean {
    return this.#raft.isConfigurationChanging;
  }

  get committedConfiguration(): ConfigurationAt {
    return this.#raft.committedConfiguration;
  }

  /** Leader only: what it knows of each member. */
  progress(): ReadonlyMap<number, ProgressView> {
    return this.#raft.progress();
  }

  get lastIndex(): number {
    return this.#raft.lastIndex;
  }

  get isTransferring(): boolean {
    return this.#raft.isTransferring;
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

  /** Something has happened: does what follows from it. */
  step(input: Input): StepResult {
    const before = { newest: this.configurationIndex, committed: this.committedConfiguration };
    const effects = this.#raft.step(input);
    for (const message of effects.send) this.#send(message);
    if (effects.roleChange !== undefined) this.#handleRoleChange(effects.roleChange);
    if (effects.persist !== undefined) this.#persist(effects.persist);
    for (const answer of effects.reads) this.#hooks.handleRead(answer);
    this.#hooks.mayApplyTo(effects.applyTo);
    if (effects.storeChunk !== undefined) this.#hooks.handleTicket(effects.storeChunk.lastIndex);
    for (const { to } of effects.snapshotChunks) this.#sendTicket(to);
    const { index } = this.committedConfiguration;
    if (index !== before.committed.index || this.configurationIndex !== before.newest) {
      this.#hooks.handleConfiguration();
      this.#followMembers();
    }
    const { proposalDropped, configurationRefused } = effects;
    return { proposalDropped, configurationRefused };
  }

  /** The follower's only chunk is empty: it fetches the rest itself (docs/decisions/0012). */
  #sendTicket(to: number): void {
    const { index, term, configuration } = this.#hooks.ticket(to);
    this.step({
      kind: "snapshotChunk",
      to,
      lastIndex: index,
      lastTerm: term,
      configuration,
      offset: 0,
      chunk: noBytes,
      done: true,
    });
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
      startIndex: this.lastIndex,
      followers: this.#followers(),
    });
  }

  /** Acknowledgements are for all members of the newest configuration, learners included. */
  #followMembers(): void {
    this.#acknowledgements?.setFollowers(this.#followers());
  }

  #followers(): FollowerContact[] {
    const members = membersIn(this.configuration);
    return [...this.#hooks.peers()]
      .filter(({ peerId }) => members.has(peerId))
      .map(({ peerId, connected, lastHeardMs }) => ({ peer: peerId, connected, lastHeardMs }));
  }

  #handleLostLog(peer: number): void {
    this.#acknowledgements?.handleLostLog(peer);
    this.step({ kind: "peerLostLog", peer });
  }

  handleConnected({
    peerId,
    logEpoch,
    birthNonce,
  }: Pick<Peer, "peerId" | "logEpoch" | "birthNonce">): void {
    const known = this.#lives.get(peerId);
    this.#lives.set(peerId, { logEpoch, birthNonce });
    // Its log has lost entries since it was last here, or it is another folder under the same id:
    // what it had confirmed counts no more.
    const isOther = known?.logEpoch !== logEpoch || known.birthNonce !== birthNonce;
    if (known !== undefined && isOther) this.#handleLostLog(peerId);
    this.#acknowledgements?.handleConnected(peerId, this.#parts.clock.monotonicMs());
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

const noBytes = new Uint8Array(0);

/** The configuration that holds before the log's first entry. */
function baseConfiguration({ identity, log }: Parts): Configuration {
  const { index, context } = log.base();
  if (index === 0) return foundingConfiguration(identity.formed?.founders ?? []);
  const configuration = decodeConfiguration(context);
  if (configuration === undefined) throw new Error("the log's base holds no configuration");
  return configuration;
}

/** Everybody who gets the log. */
export function membersIn(configuration: Configuration): ReadonlySet<number> {
  const { voters, votersOutgoing, learners } = configuration;
  return new Set([...voters, ...votersOutgoing, ...learners]);
}
