// What keeps a cluster whole besides consensus: changes of members, checkpoints, states that are
// fetched or compared, and the end of an abstention. Puts the parts together and gives each what it
// needs; decides nothing that one of them decides. Runs inside the replica's turns.
import type { ServerStatus } from "../proto/gen/cluster/v1/admin_pb.js";
import type { MembershipAnswer, PeerFrame } from "../proto/gen/cluster/v1/peer_pb.js";
import { encodeConfiguration, type RoleChange } from "../raft/index.ts";
import type {
  ChangeAnswer,
  ClusterFacts,
  Founder,
  MembershipChange,
  ReplicaAdmin,
  SnapshotReader,
} from "./admin-service.ts";
import { Checkpoints, type Ticket } from "./checkpoints.ts";
import type { Consensus } from "./consensus.ts";
import { depart, transferLeadership } from "./departure.ts";
import { Digests } from "./digests.ts";
import type { Formation } from "./formation.ts";
import { checkpointTimeoutMs, giveUpLeadRetryMs, handOverTimeoutMs } from "./limits.ts";
import { memberOf, membersOf } from "./member-table.ts";
import { Membership } from "./membership.ts";
import { MembershipRequests, toWished, type WishedChange } from "./membership-requests.ts";
import type { ReplicaNote, ReplicaOptions } from "./options.ts";
import type { Peers } from "./peers.ts";
import { Snapshots } from "./snapshots.ts";
import { agreedAmong, mayAgree, stateSources } from "./state-sources.ts";
import { type StateSource, StateTransfer } from "./state-transfer.ts";

type Parts = Pick<
  ReplicaOptions<unknown, unknown>,
  | "clock"
  | "log"
  | "snapshots"
  | "state"
  | "sizes"
  | "saveIdentity"
  | "timings"
  | "seed"
  | "version"
  | "peerAddress"
  | "clientAddress"
>;

/** What upkeep needs of the rest of the replica. */
export interface UpkeepHooks {
  readonly ownId: number;
  turn(body: () => void): void;
  /** Undefined until this server takes part. */
  consensus(): Consensus | undefined;
  appliedIndex(): number;
  clusterTimeMs(): number;
  /**
   * Calls back once this server has applied what was committed when it asked; false: not in time.
   */
  whenCurrent(done: (isCurrent: boolean) => void): void;
  /** The process is put together anew from what the disk holds. */
  restart(reason: string): void;
  note(level: ReplicaNote["level"], message: string, fields: ReplicaNote["fields"]): void;
}

/** One server's upkeep. */
export class Upkeep implements ReplicaAdmin {
  readonly #parts: Parts;
  readonly #formation: Formation;
  readonly #peers: Peers;
  readonly #hooks: UpkeepHooks;
  readonly #requests: MembershipRequests;
  readonly #transfer: StateTransfer;
  readonly #digests = new Digests();
  #snapshots: Snapshots | undefined;
  /** Leader only. */
  #membership: Membership | undefined;
  readonly #checkpoints: Checkpoints;
  /** Index of the snapshot that a peer had when it connected; see #handleStatus. */
  readonly #toldAtFirst = new Map<number, number>();
  #isStateTrusted = true;
  #handedOverAtMs = Number.NEGATIVE_INFINITY;
  #isAskingToTrust = false;
  #damages = 0;

  constructor(parts: Parts, place: { formation: Formation; peers: Peers }, hooks: UpkeepHooks) {
    this.#parts = parts;
    this.#formation = place.formation;
    this.#peers = place.peers;
    this.#hooks = hooks;
    const { seed } = parts;
    this.#requests = new MembershipRequests((request) => this.#putRequest(request), { seed });
    this.#checkpoints = this.#createCheckpoints();
    this.#transfer = new StateTransfer({
      folder: parts.snapshots,
      state: parts.state,
      send: (peer, extras) => this.#peers.sendExtras(peer, extras),
      sources: () => this.#sources(),
      agreedAt: (index) =>
        this.#digests.agreed(index, this.#voters) ??
        agreedAmong(this.#sources(), this.#voters, index),
      mayAgree: () => mayAgree(this.#sources(), this.#voters),
      askForCheckpoint: () => this.#askForCheckpoint(),
      turn: (body) => hooks.turn(body),
      ready: ({ index }) => hooks.restart(`the state as of entry ${index} was fetched`),
      note: (message, fields) => hooks.note("warn", message, fields),
    });
  }

  #createCheckpoints(): Checkpoints {
    const { ownId, appliedIndex, consensus } = this.#hooks;
    const { snapshots, log } = this.#parts;
    return new Checkpoints({
      ownId,
      nowMs: () => this.#nowMs,
      folder: snapshots,
      log,
      commitIndex: () => consensus()?.commitIndex ?? 0,
      appliedIndex,
      isDue: () => this.#snapshots?.isDue === true,
      isBusy: () => this.#snapshots?.isBusy === true,
      isStateHere: () => this.#transfer.progress === undefined,
      progress: () => consensus()?.progress() ?? new Map(),
      isConnected: (peer) => this.#peers.isConnected(peer),
    });
  }

  /** Consensus begins: checkpoints are taken from now on. Answers what the applier tells. */
  begin(consensus: Consensus, state: { readonly isBehindLog: boolean }): Snapshots {
    const { index, configuration: newest } = consensus.committedConfiguration;
    const configuration = { index, bytes: encodeConfiguration(newest) };
    const { log, sizes, snapshots: folder, state: store } = this.#parts;
    this.#snapshots = new Snapshots(
      {
        folder,
        state: store,
        log,
        sizes,
        turn: (body) => this.#hooks.turn(body),
        neededAfter: () => Math.min(this.#transfer.oldestGiven, this.#checkpoints.neededAfter()),
        isTrusted: () => this.#isStateTrusted,
        again: () => this.#askForCheckpoint(),
        taken: (at, digest) => this.#handleTaken(at, digest),
        damaged: (error) => this.#handleDamagedState(error.message),
        note: (message, fields) => this.#hooks.note("warn", message, fields),
      },
      { configuration, index: this.#hooks.appliedIndex() },
    );
    if (state.isBehindLog) {
      const reason = "the state is not here";
      this.#transfer.want({ minIndex: log.base().index, reason });
    }
    return this.#snapshots;
  }

  // ---- What happens -----------------------------------------------------------------------------

  tick(nowMs: number): void {
    this.#requests.tick(nowMs);
    this.#transfer.tick(nowMs);
    this.#membership?.advance();
    this.#maybeTrust();
    this.#maybeGiveUpLead(nowMs);
  }

  /** Who lacks a state of its own serves nobody: another is to lead, where there is one. */
  #maybeGiveUpLead(nowMs: number): void {
    const consensus = this.#hooks.consensus();
    if (consensus?.leads !== true || this.#transfer.progress === undefined) return;
    if (nowMs - this.#handedOverAtMs < giveUpLeadRetryMs) return;
    this.#handedOverAtMs = nowMs;
    consensus.step({ kind: "transferLeadership", target: 0 });
  }

  /** After every turn: what has been committed is told to those who wait. */
  advance(): void {
    this.#checkpoints.advance();
  }

  handleRole(change: RoleChange): void {
    this.#checkpoints.clear();
    const consensus = change.role === "leader" ? this.#hooks.consensus() : undefined;
    this.#membership = consensus && this.#lead(consensus);
  }

  #lead(consensus: Consensus): Membership {
    return new Membership({
      ownId: this.#hooks.ownId,
      nowMs: () => this.#nowMs,
      announced: () => this.#announced(),
      configuration: () => consensus.configuration,
      committed: () => consensus.committedConfiguration,
      isChanging: () => consensus.isConfigurationChanging,
      progress: () => consensus.progress(),
      lastIndex: () => consensus.lastIndex,
      isConnected: (peer) => this.#peers.isConnected(peer),
      isSound: (id) => this.#conditionOf(id) === "",
      change: (configuration) =>
        consensus.step({ kind: "changeConfiguration", ...configuration }).configurationRefused,
      checkpoint: (done) => this.#checkpoints.wish(done),
      answer: (to, answer) => this.#answer(to, answer),
      note: (message, fields) => this.#hooks.note("info", message, fields),
    });
  }

  /** Undefined while nothing is known of it. */
  #conditionOf(id: number): string | undefined {
    if (id === this.#hooks.ownId) return this.condition;
    return this.#peers.get(id)?.status?.condition;
  }

  /** Where this server and those that have called say that they are reached. */
  *#announced(): Generator<Founder> {
    const { peerAddress, clientAddress } = this.#parts;
    const { birthNonce } = this.#formation.identity;
    yield { replicaId: this.#hooks.ownId, birthNonce, peerAddress, clientAddress };
    for (const { peerId, birthNonce, told } of this.#peers.all()) {
      if (told !== undefined) yield { replicaId: peerId, birthNonce, ...told };
    }
  }

  /** The configuration is another one, or is committed. */
  handleConfiguration(): void {
    this.#membership?.advance();
    const consensus = this.#hooks.consensus();
    if (consensus === undefined || consensus.isConfigurationChanging) return;
    // A leader that removes itself leads no more when that is committed.
    const { index, configuration } = consensus.committedConfiguration;
    const table = membersOf(configuration);
    const isGone = (id: number): boolean =>
      memberOf(table, id) === undefined &&
      table.removed.some(({ replicaId, successor }) => replicaId === id && !successor);
    const hasVote = (id: number): boolean => configuration.voters.includes(id);
    const isTrue = ({ case: kind, value }: WishedChange): boolean =>
      (kind === "remove" && isGone(value)) ||
      (kind === "stepAside" && !value.replicaIds.some(hasVote));
    this.#requests.settle(isTrue, index);
  }

  /** The cluster has removed this server: what was wished here of that has come true. */
  handleRemoved(): void {
    const { ownId } = this.#hooks;
    const isTrue = ({ case: kind, value }: WishedChange): boolean =>
      kind === "remove" && value === ownId;
    this.#requests.settle(isTrue, this.#formation.newest?.index ?? 0);
  }

  handleConnected(peer: number): void {
    this.#toldAtFirst.delete(peer);
    this.#membership?.handleConnected(peer);
  }

  /** A known server has called with a new folder. */
  handleClaim(claim: Parameters<Membership["handleClaim"]>[0]): void {
    this.#membership?.handleClaim(claim);
  }

  handleFrame(from: number, frame: PeerFrame): void {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const { requestId, change } of frame.membershipRequests) {
      this.#membership?.handleRequest({ from, requestId, change });
    }
    for (const answer of frame.membershipAnswers) this.#requests.handleAnswer(answer);
    const { snapshotRequest, snapshotPiece, status } = frame;
    if (snapshotRequest !== undefined) this.#transfer.handleRequest(from, snapshotRequest, nowMs);
    if (snapshotPiece !== undefined) this.#transfer.handlePiece(from, snapshotPiece, nowMs);
    if (status !== undefined) this.#handleStatus(from, status);
  }

  /**
   * Servers of different builds may keep the same rows in different tables, so only equals are
   * compared; and what a server had when it connected may be of its build before.
   */
  #handleStatus(from: number, { snapshotIndex, snapshotDigest, version }: ServerStatus): void {
    const index = Number(snapshotIndex);
    const atFirst = this.#toldAtFirst.get(from);
    if (atFirst === undefined) this.#toldAtFirst.set(from, index);
    if (index <= (atFirst ?? index) || version !== this.#parts.version) return;
    this.#digests.hear(from, index, snapshotDigest);
    this.#compareDigests();
  }

  // ---- Snapshots --------------------------------------------------------------------------------

  /** What a follower that needs a snapshot is told to fetch. */
  ticket(to: number): Ticket {
    return this.#checkpoints.ticket(to);
  }

  /** The leader says that this server is too far behind for the log. */
  handleTicket(index: number): void {
    this.#transfer.want({ minIndex: index, reason: "the log no longer has what comes next" });
  }

  /** Whether the next entry is to be a checkpoint; `proposed` is told where it stands. */
  takeCheckpointWish(): { proposed(index: number): void } | undefined {
    return this.#checkpoints.take();
  }

  #handleTaken(index: number, digest: Uint8Array): void {
    this.#hooks.note("info", "snapshot taken", { index });
    this.#digests.hear(this.#hooks.ownId, index, digest);
    this.#compareDigests();
  }

  #compareDigests(): void {
    const consensus = this.#hooks.consensus();
    if (consensus === undefined || this.#transfer.progress !== undefined) return;
    const { ownId } = this.#hooks;
    const difference = this.#digests.difference(ownId, this.#voters);
    if (difference === undefined) return;
    const { index, digest } = difference;
    this.#damages += 1;
    this.#hooks.note("warn", "the state of this server differs from the others': it is replaced", {
      index,
    });
    this.#digests.forget(ownId);
    this.#distrustState();
    this.#transfer.want({ minIndex: index, digest, reason: "the state differs from the others'" });
  }

  /** Copies of a wrong state must be given to nobody; since when it is wrong nobody knows. */
  #distrustState(): void {
    const { snapshots } = this.#parts;
    this.#isStateTrusted = false;
    for (let at = snapshots.newest(); at !== undefined; at = snapshots.newest()) {
      snapshots.remove(at.index);
    }
    this.#snapshots?.end();
  }

  #handleDamagedState(problem: string): void {
    this.#damages += 1;
    this.#hooks.note("warn", "the state of this server is damaged", { problem });
    this.#isStateTrusted = false;
    this.#snapshots?.end();
    const minIndex = this.#parts.log.base().index;
    this.#transfer.want({ minIndex, reason: "the state is damaged" });
  }

  #sources(): StateSource[] {
    return stateSources(this.#peers.all(), this.#hooks.consensus()?.leader ?? 0);
  }

  #askForCheckpoint(): void {
    this.#requests.add({ case: "checkpoint", value: emptyCheckpoint }, this.#nowMs, () => {});
  }

  // ---- Wishes -----------------------------------------------------------------------------------

  changeMembers(change: MembershipChange, done: (answer: ChangeAnswer) => void): void {
    this.#wish(toWished(change), done);
  }

  /** Takes the votes of servers that are about to stop, or are down, until they return. */
  stepAside(replicaIds: readonly number[], done: (answer: ChangeAnswer) => void): void {
    const value = { $typeName: "cluster.v1.StepAside" as const, replicaIds: [...replicaIds] };
    this.#wish({ case: "stepAside", value }, done);
  }

  transferLeadership(
    target: number,
    done: Parameters<ReplicaAdmin["transferLeadership"]>[1],
  ): void {
    const { clock, timings } = this.#parts;
    const consensus = () => this.#hooks.consensus();
    const handOver = () => this.handOver(target);
    transferLeadership({ clock, pollMs: timings.tickMs, consensus, handOver }, target, done);
  }

  /** Leaves so that the others go on without a gap; see departure.ts. */
  depart(hasEnded: () => boolean, done: () => void): void {
    const { clock, timings } = this.#parts;
    const hooks = {
      ownId: this.#hooks.ownId,
      clock,
      pollMs: timings.tickMs,
      timeoutMs: handOverTimeoutMs,
      configuration: () => this.#hooks.consensus()?.configuration,
      leads: () => this.#hooks.consensus()?.leads ?? false,
      leader: () => this.#hooks.consensus()?.leader ?? 0,
      isConnected: (peer: number) => this.#peers.isConnected(peer),
      stepAside: (ids: readonly number[], answered: (answer: ChangeAnswer) => void) =>
        this.stepAside(ids, answered),
      handOver: () => this.handOver(0),
      hasEnded,
    };
    depart(hooks, done);
  }

  /** Begins to hand leadership over; 0: to whoever is furthest. */
  handOver(target: number): void {
    this.#hooks.turn(() => this.#hooks.consensus()?.step({ kind: "transferLeadership", target }));
  }

  clusterTimeMs(): number {
    return this.#hooks.clusterTimeMs();
  }

  takeCheckpoint(done: Parameters<ReplicaAdmin["takeCheckpoint"]>[0]): void {
    const { clock } = this.#parts;
    let isOver = false;
    const finish = (snapshot: SnapshotReader | undefined): void => {
      if (isOver) snapshot?.close();
      else if (snapshot !== undefined) done({ kind: "done", snapshot });
      else done({ kind: "unavailable", message: "no snapshot was taken in time" });
      isOver = true;
    };
    clock.setTimer(checkpointTimeoutMs, () => finish(undefined));
    this.#wish({ case: "checkpoint", value: emptyCheckpoint }, (answer) => {
      if (answer.kind === "done") this.#snapshots?.whenTaken(answer.index, finish);
      else finish(undefined);
    });
  }

  #wish(change: WishedChange, done: (answer: ChangeAnswer) => void): void {
    const later = (answer: ChangeAnswer): void => this.#parts.clock.setSoon(() => done(answer));
    if (this.#requests.add(change, this.#nowMs, later)) {
      this.#parts.clock.setSoon(() => this.#hooks.turn(() => this.#requests.tick(this.#nowMs)));
    } else {
      later({ kind: "unavailable", message: "too many wishes are open here; ask again later" });
    }
  }

  #putRequest(request: { requestId: number; change: WishedChange }): void {
    const leader = this.#hooks.consensus()?.leader ?? 0;
    if (leader === this.#hooks.ownId) this.#membership?.handleRequest({ from: leader, ...request });
    else if (leader !== 0) this.#peers.sendExtras(leader, { membershipRequests: [request] });
    this.#membership?.advance();
  }

  #answer(to: number, answer: Omit<MembershipAnswer, "$typeName">): void {
    const message = { $typeName: "cluster.v1.MembershipAnswer" as const, ...answer };
    if (to === this.#hooks.ownId) this.#requests.handleAnswer(message);
    else this.#peers.sendExtras(to, { membershipAnswers: [message] });
  }

  // ---- Abstention -------------------------------------------------------------------------------

  /** Ends the abstention when everything is here that was committed when this server came back. */
  #maybeTrust(): void {
    const consensus = this.#hooks.consensus();
    if (!this.#formation.identity.abstains || consensus === undefined) return;
    if (this.#isAskingToTrust || consensus.leader === 0 || consensus.leads) return;
    this.#isAskingToTrust = true;
    this.#hooks.whenCurrent((isCurrent) =>
      this.#hooks.turn(() => {
        this.#isAskingToTrust = false;
        if (!isCurrent || !this.#formation.identity.abstains) return;
        this.#formation.change({ abstains: false });
        this.#parts.saveIdentity(this.#formation.identity);
        this.#hooks.consensus()?.step({ kind: "trustLog" });
        this.#hooks.note("info", "the log has again what was lost: this server votes", {});
      }),
    );
  }

  // ---- What is told -----------------------------------------------------------------------------

  /** What is amiss with this server's state; empty when nothing is. */
  get condition(): string {
    const { progress } = this.#transfer;
    if (progress === undefined) return "";
    return `${progress.reason}: it is fetched from another server (${progress.percent} %)`;
  }

  get damages(): number {
    return this.#damages;
  }

  clusterFacts(): ClusterFacts | undefined {
    const { formed, clusterName } = this.#formation.identity;
    const consensus = this.#hooks.consensus();
    if (formed === undefined || consensus === undefined) return undefined;
    const { index, configuration } = consensus.committedConfiguration;
    return {
      clusterId: formed.clusterId,
      clusterName,
      founders: formed.founders,
      members: membersOf(configuration).members,
      configurationIndex: index,
    };
  }

  end(): void {
    this.#requests.end();
    this.#snapshots?.end();
    this.#transfer.close();
  }

  get #voters(): readonly number[] {
    return this.#hooks.consensus()?.configuration.voters ?? [];
  }

  get #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }
}

const emptyCheckpoint = { $typeName: "cluster.v1.Checkpoint" as const };
