// One member of the cluster: drives the consensus core, the log and the state machine through the
// ports, one turn at a time. Everything that happens (a frame, a tick, a finished write, a
// proposal) is one turn; at its end the frames leave, committed entries are applied, and clients
// are answered. Synchronous throughout: no promise, no await. Not here: sockets, files, chat.
import { assert } from "../base/assert.ts";
import { toHex64 } from "../base/bytes.ts";
import type { Position } from "../base/position.ts";
import type { Timer } from "../io/clock.ts";
import type { HelloVerdict, TransportHandler } from "../io/transport.ts";
import type { ServerStatus, StatusResponse } from "../proto/gen/cluster/v1/admin_pb.js";
import type { PeerFrame } from "../proto/gen/cluster/v1/peer_pb.js";
import type { RoleChange } from "../raft/index.ts";
import type { AckPoint } from "./acknowledgements.ts";
import type { ReplicaAdmin } from "./admin-service.ts";
import { Applier } from "./applier.ts";
import { Belonging } from "./belonging.ts";
import { ClusterTime } from "./cluster-time.ts";
import { Consensus } from "./consensus.ts";
import type { IslandService } from "./island-service.ts";
import { IslandWiring } from "./island-wiring.ts";
import { removalGraceTicks, statusIntervalHeartbeats, trustTimeoutMs } from "./limits.ts";
import type { CrashPoint, ReplicaNote, ReplicaOptions } from "./options.ts";
import { decodePeerFrame, decodePeerMessage } from "./peer-codec.ts";
import { WaitingReads } from "./reads.ts";
import type { ProposalAnswer, ReplicaService, WaitAnswer } from "./service.ts";
import type { AppliedCommand } from "./state-machine.ts";
import { clusterStatus, ownStatus, readinessOf } from "./status.ts";
import { Upkeep } from "./upkeep.ts";
import { WritePath } from "./write-path.ts";

/** A replica that has been made but not started. `start` it once; `stop` it once. */
export class Replica<Outcome, Event> implements ReplicaService<Outcome, Event> {
  readonly #options: ReplicaOptions<Outcome, Event>;
  readonly #id: number;
  readonly #belonging: Belonging;
  readonly #upkeep: Upkeep;
  readonly #islanding: IslandWiring<Outcome>;
  readonly #writes: WritePath<Outcome>;
  readonly #reads: WaitingReads;
  readonly #time = new ClusterTime();
  readonly #applier: Applier<Outcome, Event>;
  /** Undefined until the cluster is formed. */
  #consensus: Consensus | undefined;
  /** The newest acknowledged index that this replica knows of. */
  #acknowledged: AckPoint = { index: 0, disks: 0 };
  /** Whether the leader counts this replica as live. */
  #countedLive = false;
  #statusAtMs = Number.NEGATIVE_INFINITY;
  #startedAtMs = 0;
  #timer: Timer | undefined;
  #inTurn = false;
  #state: "made" | "running" | "stopped" = "made";

  constructor(options: ReplicaOptions<Outcome, Event>) {
    this.#options = options;
    this.#id = options.identity.replicaId;
    this.#reads = new WaitingReads(options.clock);
    this.#belonging = new Belonging(options, {
      formed: () => this.#takePart(),
      claimed: (claim) => this.#upkeep.handleClaim(claim),
      removed: () => this.#leaveForGood(),
      note: (level, message, fields) => this.#note(level, message, fields),
    });
    const origin = { replicaId: this.#id, incarnation: options.seed >>> 0 };
    const { formation, peers } = this.#belonging;
    this.#writes = new WritePath({
      origin,
      clock: options.clock,
      peers,
      proposalTimeoutMs: options.timings.proposalTimeoutMs,
      turn: (body) => this.#turn(body),
      nextStampMs: () => this.#time.nextStampMs(this.#voters(), options.clock.monotonicMs()),
      takeCheckpointWish: () => this.#upkeep.takeCheckpointWish(),
    });
    this.#applier = new Applier({
      log: options.log,
      stateMachine: options.stateMachine,
      origin,
      pending: this.#writes.pending,
      time: this.#time,
    });
    this.#upkeep = new Upkeep(
      options,
      { formation, peers },
      {
        ownId: this.#id,
        turn: (body) => this.#turn(body),
        consensus: () => this.#consensus,
        appliedIndex: () => this.#applier.appliedIndex,
        clusterTimeMs: () => this.#time.nowMs(this.#voters(), options.clock.monotonicMs()),
        whenCurrent: (done) =>
          this.waitForRead({ timeoutMs: trustTimeoutMs }, ({ kind }) =>
            options.clock.setSoon(() => done(kind === "reached")),
          ),
        restart: (reason) => this.#restart(reason),
        note: (level, message, fields) => this.#note(level, message, fields),
      },
    );
    this.#islanding = this.#createIslanding();
  }

  #createIslanding(): IslandWiring<Outcome> {
    return new IslandWiring(this.#options, {
      peers: this.#belonging.peers,
      writes: this.#writes,
      consensus: () => this.#consensus,
      clusterTimeMs: () => this.admin.clusterTimeMs(),
      turn: (body) => this.#turn(body),
      note: (level, message, fields) => this.#note(level, message, fields),
    });
  }

  /** Begins to talk to the others, to vote and to serve. */
  start(): void {
    assert(this.#state === "made", "a replica starts once");
    this.#state = "running";
    const { clock, transport } = this.#options;
    this.#startedAtMs = clock.monotonicMs();
    this.#armTimer();
    transport.start(this.#transportHandler());
    this.#turn(() => this.#belonging.start());
  }

  #transportHandler(): TransportHandler {
    return {
      hello: () => this.#belonging.formation.hello(),
      handleHello: (hello) => this.#handleHello(hello),
      handleConnected: (peer) => this.#turn(() => this.#handleConnected(peer)),
      handleDisconnected: (peer) => this.#turn(() => this.#handleDisconnected(peer)),
      handleFrame: (peer, frame) => this.#turn(() => this.#handleFrame(peer, frame)),
      handleRefused: (_peer, reason) => this.#turn(() => this.#belonging.handleRefused(reason)),
    };
  }

  /**
   * A planned stop begins: gives back the vote where it would be missed and hands leadership over;
   * clients are served on meanwhile. Bounded by handOverTimeoutMs.
   */
  depart(done: () => void): void {
    const hasEnded = (): boolean => this.#state !== "running";
    if (hasEnded()) this.#options.clock.setSoon(done);
    else this.#upkeep.depart(hasEnded, done);
  }

  /** Ends everything; open proposals are answered "unavailable". After `depart` nobody notices. */
  stop(): void {
    this.#end("the server is stopping");
  }

  propose(command: Uint8Array, done: (answer: ProposalAnswer<Outcome>) => void): void {
    if (this.#state === "running") {
      if (this.#islanding.island.open) this.#turn(() => this.#islanding.take(command, done));
      else this.#writes.propose(command, done);
      return;
    }
    const message = "the server is stopping";
    this.#options.clock.setSoon(() => done({ kind: "unavailable", message }));
  }

  waitForPosition(
    wait: { readonly position: Position; readonly timeoutMs: number },
    done: (answer: WaitAnswer) => void,
  ): void {
    const appliedPosition = this.#applier.appliedPosition;
    const running = this.#state === "running";
    this.#reads.waitForPosition({ ...wait, appliedPosition, running }, done);
  }

  waitForRead(wait: { readonly timeoutMs: number }, done: (answer: WaitAnswer) => void): void {
    const running = this.#state === "running";
    this.#reads.waitForRead({ ...wait, running }, done, (requestId) =>
      this.#turn(() => this.#consensus?.step({ kind: "readIndex", requestId })),
    );
  }

  appliedPosition(): Position {
    return this.#applier.appliedPosition;
  }

  subscribe(listener: (applied: readonly AppliedCommand<Outcome, Event>[]) => void): () => void {
    return this.#applier.subscribe(listener);
  }

  readiness(): { readonly ready: boolean; readonly reason: string } {
    if (this.#state !== "running") return { ready: false, reason: "the server is stopping" };
    const { condition } = this;
    return readinessOf(this.#consensus, { condition, appliedIndex: this.#applier.appliedIndex });
  }

  status(): StatusResponse {
    return clusterStatus({
      identity: this.#belonging.formation.identity,
      own: this.#ownStatus(),
      peers: this.#belonging.peers.all(),
      consensus: this.#consensus,
      monotonicMs: this.#options.clock.monotonicMs(),
      liveByLeader: this.leads ? (peer) => this.#consensus?.isLive(peer) ?? false : undefined,
    });
  }

  clientAddresses(): string[] {
    const others = [...this.#belonging.peers.all()].map((peer) => peer.clientAddress);
    return [this.#options.clientAddress, ...others.filter((address) => address !== "")];
  }

  replicaId(): number {
    return this.#id;
  }

  clusterId(): string {
    const { formed } = this.#belonging.formation.identity;
    return formed === undefined ? "" : toHex64(formed.clusterId);
  }

  /** What operators' calls need. */
  get admin(): ReplicaAdmin {
    return this.#upkeep;
  }

  /** Why this server takes no full part; empty when it does. */
  get condition(): string {
    return this.#belonging.formation.condition || this.#upkeep.condition;
  }

  /** What is held here without a majority. */
  get island(): IslandService {
    return this.#islanding.island;
  }

  #voters(): readonly number[] {
    return this.#consensus?.configuration.voters ?? [this.#id];
  }

  get leads(): boolean {
    return this.#consensus?.leads ?? false;
  }

  // ---- Turns ------------------------------------------------------------------------------------

  /**
   * Runs one turn: what happened, then what follows from it. After a fatal failure nothing happens
   * any more.
   */
  #turn(body: () => void): void {
    if (this.#state === "stopped" || this.#state === "made") return;
    assert(!this.#inTurn, "a turn does not begin inside another");
    this.#inTurn = true;
    try {
      body();
      // Unless that has ended it: then what is here belongs to another life already.
      if (this.#state === "running") this.#finishTurn();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#inTurn = false;
    }
  }

  #finishTurn(): void {
    this.#writes.run(this.#consensus);
    this.#upkeep.advance();
    this.#advanceAcknowledged();
    this.#crashPoint("before-send");
    this.#flush();
    this.#crashPoint("after-send");
    this.#apply();
    this.#crashPoint("before-answer");
    this.#writes.pending.handleAcknowledged(this.#acknowledged);
  }

  #fail(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const poisonIndex = this.#applier.poisonIndex;
    this.#end("the server has failed and is stopping");
    this.#options.onFatal({ error, ...(poisonIndex === undefined ? {} : { poisonIndex }) });
  }

  #end(message: string): void {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#timer?.cancel();
    this.#options.transport.close();
    this.#islanding.island.stop();
    this.#writes.pending.expire(Number.POSITIVE_INFINITY, message);
    this.#reads.expire(Number.POSITIVE_INFINITY);
    this.#upkeep.end();
  }

  /** The disk holds something else now: the process goes on from there, put together anew. */
  #restart(reason: string): void {
    this.#end("the server starts anew");
    this.#options.onRestart(reason);
  }

  /** The others are told what is committed first, so that they go on at once. */
  #leaveForGood(): void {
    const { clock, timings } = this.#options;
    this.#upkeep.handleRemoved();
    clock.setTimer(removalGraceTicks * timings.tickMs, () => {
      if (this.#state === "stopped") return;
      this.#end("this server was removed from the cluster");
      this.#options.onRemoved(this.condition);
    });
  }

  #armTimer(): void {
    const { clock, timings } = this.#options;
    this.#timer = clock.setTimer(timings.tickMs, () => {
      if (this.#state === "stopped") return;
      this.#armTimer();
      this.#turn(() => this.#tick());
    });
  }

  #tick(): void {
    const { clock, timings } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#time.hear(this.#id, { wallMs: clock.wallMs(), monotonicMs: nowMs });
    this.#consensus?.tick(nowMs);
    this.#belonging.peers.hurry();
    this.#upkeep.tick(nowMs);
    this.#islanding.tick(nowMs);
    for (const requestId of this.#reads.unanswered(nowMs)) {
      this.#consensus?.step({ kind: "readIndex", requestId });
    }
    this.#reads.expire(nowMs);
    this.#writes.tick(nowMs, this.#consensus);
    const heartbeatMs = timings.heartbeatIntervalTicks * timings.tickMs;
    if (nowMs - this.#statusAtMs >= statusIntervalHeartbeats * heartbeatMs) {
      this.#statusAtMs = nowMs;
      this.#belonging.peers.sendStatus(this.#ownStatus());
    }
  }

  /** From the moment at which this server belongs to a cluster. */
  #takePart(): void {
    if (this.#consensus !== undefined) return;
    const { formation, peers } = this.#belonging;
    this.#consensus = new Consensus(
      { ...this.#options, identity: formation.identity },
      {
        send: (message) => peers.send(message),
        turn: (body) => this.#turn(body),
        peers: () => peers.all(),
        handleRoleChange: (change) => this.#handleRoleChange(change),
        handleRead: (answer) => this.#reads.handleAnswer(answer),
        handleConfiguration: () => this.#handleConfiguration(),
        ticket: (to) => this.#upkeep.ticket(to),
        handleTicket: (index) => this.#upkeep.handleTicket(index),
        mayApplyTo: (index) => this.#applier.mayApplyTo(index),
        crashPoint: (point) => this.#crashPoint(point),
      },
    );
    const snapshots = this.#upkeep.begin(this.#consensus, this.#applier);
    this.#applier.setHooks({
      handleApplied: (entry, commands) => {
        snapshots.handleApplied(entry);
        this.#islanding.island.handleApplied(commands, entry.index);
      },
      isLacking: snapshots.isLacking,
      take: (index, resume) => snapshots.take(index, resume),
    });
    this.#handleConfiguration();
  }

  #handleConfiguration(): void {
    const consensus = this.#consensus;
    if (consensus === undefined) return;
    this.#belonging.setConfiguration(consensus.committedConfiguration, consensus.configuration);
    this.#upkeep.handleConfiguration();
  }

  #handleRoleChange(change: RoleChange): void {
    this.#writes.handleRoleChange();
    this.#countedLive = false;
    if (change.role === "leader") this.#applier.observeLogStamps();
    this.#upkeep.handleRole(change);
    if (change.leader !== 0) this.#reads.askAgain();
    this.#note("info", "role changed", { ...change });
  }

  #advanceAcknowledged(): void {
    if (this.#consensus?.advanceAcknowledged()) this.#belonging.peers.markDue();
    this.#learnAcknowledged(this.#consensus?.acknowledged);
  }

  #learnAcknowledged(point: AckPoint | undefined): void {
    if (point !== undefined && point.index > this.#acknowledged.index) this.#acknowledged = point;
  }

  #flush(): void {
    const wallClockMs = BigInt(Math.floor(this.#options.clock.wallMs()));
    this.#belonging.peers.flush((peerId) => {
      const acknowledged = this.#consensus?.acknowledgedFor(peerId);
      return acknowledged === undefined ? { wallClockMs } : { wallClockMs, acknowledged };
    });
  }

  #apply(): void {
    this.#crashPoint("before-apply");
    const { progress, more } = this.#applier.apply();
    if (progress) {
      this.#crashPoint("after-apply");
      this.#writes.noteProgress();
    }
    this.#reads.handleApplied({
      index: this.#applier.appliedIndex,
      position: this.#applier.appliedPosition,
    });
    if (more) this.#options.clock.setSoon(() => this.#turn(() => {}));
  }

  #handleHello(hello: Uint8Array): HelloVerdict {
    let verdict: HelloVerdict = { kind: "refused", reason: "the server is stopping" };
    this.#turn(() => {
      verdict = this.#belonging.judge(hello);
    });
    return verdict;
  }

  #handleConnected(peerId: number): void {
    const peer = this.#belonging.peers.get(peerId);
    if (peer === undefined) return;
    const nowMs = this.#options.clock.monotonicMs();
    peer.connected = true;
    peer.lastHeardMs = nowMs;
    this.#consensus?.handleConnected(peer);
    this.#upkeep.handleConnected(peerId);
    this.#islanding.island.handleConnected(peerId);
    if (this.#consensus?.leader === peerId) this.#writes.restart();
    this.#statusAtMs = Number.NEGATIVE_INFINITY;
  }

  #handleDisconnected(peerId: number): void {
    const peer = this.#belonging.peers.get(peerId);
    if (peer === undefined) return;
    peer.connected = false;
    this.#islanding.island.handleDisconnected(peerId);
    this.#consensus?.handleDisconnected(peerId);
  }

  #handleFrame(peerId: number, bytes: Uint8Array): void {
    const peer = this.#belonging.peers.get(peerId);
    const frame = decodePeerFrame(bytes);
    if (peer === undefined || frame === undefined) {
      this.#options.transport.disconnect(peerId, "a frame that is none of this protocol");
      return;
    }
    const monotonicMs = this.#options.clock.monotonicMs();
    peer.lastHeardMs = monotonicMs;
    this.#time.hear(peerId, { wallMs: Number(frame.wallClockMs), monotonicMs });
    if (frame.status !== undefined) peer.status = frame.status;
    this.#consensus?.handleHeard(peerId, monotonicMs);
    this.#handleMessages(peerId, frame);
    if (!this.#writes.takeForwards(peerId, frame.forwards, this.#consensus)) {
      this.#note("warn", "a peer forwarded commands that are not its own", { peer: peerId });
    }
    this.#upkeep.handleFrame(peerId, frame);
    this.#islanding.handleFrame(peerId, frame);
  }

  #handleMessages(peerId: number, frame: PeerFrame): void {
    for (const wire of frame.messages) {
      const message = decodePeerMessage(wire);
      if (message !== undefined && message.from === peerId && message.to === this.#id) {
        this.#consensus?.step({ kind: "peerMessage", message });
      }
    }
    if (frame.acknowledged === undefined) return;
    const { index, disks, receiverLive } = frame.acknowledged;
    this.#learnAcknowledged({ index: Number(index), disks });
    if (this.#consensus?.leader === peerId) this.#countedLive = receiverLive;
  }

  #ownStatus(): ServerStatus {
    const { clock, freeBytes, snapshots } = this.#options;
    return ownStatus({
      ...this.#options,
      replicaId: this.#id,
      consensus: this.#consensus,
      appliedIndex: this.#applier.appliedIndex,
      snapshot: snapshots.newest(),
      live: this.leads || this.#countedLive,
      diskFreeBytes: freeBytes(),
      condition: this.condition,
      damages: this.#upkeep.damages,
      island: this.#islanding.island.open,
      heldItems: this.#islanding.island.heldCount,
      uptimeMs: clock.monotonicMs() - this.#startedAtMs,
    });
  }

  #note(level: ReplicaNote["level"], message: string, fields: ReplicaNote["fields"]): void {
    this.#options.onNote({ level, message, fields });
  }

  #crashPoint(point: CrashPoint): void {
    this.#options.crashPoint?.(point);
  }
}
