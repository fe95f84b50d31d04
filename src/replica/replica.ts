// One member of the cluster: drives the consensus core, the log and the state machine through the
// ports, one turn at a time. Everything that happens (a frame, a tick, a finished write, a
// proposal) is one turn; at its end the frames leave, committed entries are applied, and clients
// are answered. Synchronous throughout: no promise, no await. Not here: sockets, files, chat.
import { assert } from "../base/assert.ts";
import { toHex64 } from "../base/bytes.ts";
import type { Position } from "../base/position.ts";
import type { Timer } from "../io/clock.ts";
import type { HelloVerdict } from "../io/transport.ts";
import type { ServerStatus, StatusResponse } from "../proto/gen/cluster/v1/admin_pb.js";
import type { ForwardedCommands, PeerFrame } from "../proto/gen/cluster/v1/peer_pb.js";
import type { RoleChange } from "../raft/index.ts";
import type { AckPoint } from "./acknowledgements.ts";
import { Applier } from "./applier.ts";
import { ClusterTime } from "./cluster-time.ts";
import { Consensus } from "./consensus.ts";
import { Formation } from "./formation.ts";
import { HandOver } from "./hand-over.ts";
import {
  commandBytesMax,
  forwardRetryMs,
  handOverTimeoutMs,
  overloadRetryAfterMs,
  statusIntervalHeartbeats,
} from "./limits.ts";
import type { CrashPoint, ReplicaNote, ReplicaOptions } from "./options.ts";
import { decodePeerFrame, decodePeerMessage, encodeEntryPayload } from "./peer-codec.ts";
import { Peers } from "./peers.ts";
import { PendingProposals, ProposalQueue } from "./proposals.ts";
import { WaitingReads } from "./reads.ts";
import type { ProposalAnswer, ReplicaService, WaitAnswer } from "./service.ts";
import type { AppliedCommand } from "./state-machine.ts";
import { clusterStatus, ownStatus, readinessOf } from "./status.ts";

/** A replica that has been made but not started. `start` it once; `stop` it once. */
export class Replica<Outcome, Event> implements ReplicaService<Outcome, Event> {
  readonly #options: ReplicaOptions<Outcome, Event>;
  readonly #id: number;
  readonly #formation: Formation;
  readonly #peers: Peers;
  readonly #pending = new PendingProposals<Outcome>();
  readonly #queue = new ProposalQueue();
  readonly #handOver: HandOver;
  readonly #reads: WaitingReads;
  readonly #time = new ClusterTime();
  readonly #applier: Applier<Outcome, Event>;
  readonly #members: readonly number[];
  /** Undefined until the cluster is formed. */
  #consensus: Consensus | undefined;
  /** The newest acknowledged index that this replica knows of. */
  #acknowledged: AckPoint = { index: 0, disks: 0 };
  /** Whether the leader counts this replica as live. */
  #countedLive = false;
  #handOverScheduled = false;
  /** When a pending proposal was last applied or handed over anew, monotonic ms. */
  #progressAtMs = 0;
  #statusAtMs = Number.NEGATIVE_INFINITY;
  #startedAtMs = 0;
  #timer: Timer | undefined;
  #inTurn = false;
  #state: "made" | "running" | "stopping" | "stopped" = "made";

  constructor(options: ReplicaOptions<Outcome, Event>) {
    this.#options = options;
    this.#id = options.identity.replicaId;
    this.#reads = new WaitingReads(options.clock);
    this.#members = options.members.map((member) => member.replicaId);
    assert(this.#members.includes(this.#id), "a replica is one of the configured members");
    this.#formation = new Formation(options.identity, this.#members);
    this.#peers = new Peers(
      options.transport,
      options.members.filter((member) => member.replicaId !== this.#id),
    );
    const origin = { replicaId: this.#id, incarnation: options.seed >>> 0 };
    this.#handOver = new HandOver({ pending: this.#pending, origin });
    this.#applier = new Applier({
      log: options.log,
      stateMachine: options.stateMachine,
      origin,
      pending: this.#pending,
      time: this.#time,
    });
  }

  /** Begins to talk to the others, to vote and to serve. */
  start(): void {
    assert(this.#state === "made", "a replica starts once");
    this.#state = "running";
    const { clock, transport } = this.#options;
    this.#startedAtMs = clock.monotonicMs();
    this.#armTimer();
    transport.setPeers(
      [...this.#peers.all()].map((peer) => ({ peerId: peer.peerId, address: peer.peerAddress })),
    );
    transport.start({
      hello: () => this.#formation.hello(this.#options.clientAddress),
      handleHello: (hello) => this.#handleHello(hello),
      handleConnected: (peer) => this.#turn(() => this.#handleConnected(peer)),
      handleDisconnected: (peer) => this.#turn(() => this.#handleDisconnected(peer)),
      handleFrame: (peer, frame) => this.#turn(() => this.#handleFrame(peer, frame)),
    });
    this.#turn(() => this.#formIfPossible(() => this.#formation.maybeForm()));
  }

  /**
   * Hands leadership over where it can, then ends everything; open proposals are answered
   * "unavailable".
   */
  stop(done: () => void): void {
    if (this.#state !== "running") {
      this.#options.clock.setSoon(done);
      return;
    }
    this.#state = "stopping";
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + handOverTimeoutMs;
    this.#turn(() => this.#consensus?.step({ kind: "transferLeadership", target: 0 }));
    const wait = (): void => {
      const wanted = this.leads && this.#members.length > 1;
      if (wanted && clock.monotonicMs() < deadlineMs && this.#state === "stopping") {
        clock.setTimer(this.#options.timings.tickMs, wait);
        return;
      }
      this.#end("the server is stopping");
      done();
    };
    wait();
  }

  propose(command: Uint8Array, done: (answer: ProposalAnswer<Outcome>) => void): void {
    assert(command.length <= commandBytesMax, "a command is within its limit");
    const { clock } = this.#options;
    if (this.#state !== "running") {
      clock.setSoon(() => done({ kind: "unavailable", message: "the server is stopping" }));
    } else if (this.#pending.add(command, clock.monotonicMs(), done)) {
      this.#scheduleHandOver();
    } else {
      clock.setSoon(() => done({ kind: "overloaded", retryAfterMs: overloadRetryAfterMs }));
    }
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
    const condition = this.#formation.condition;
    return readinessOf(this.#consensus, { condition, appliedIndex: this.#applier.appliedIndex });
  }

  status(): StatusResponse {
    return clusterStatus({
      identity: this.#formation.identity,
      own: this.#ownStatus(),
      peers: this.#peers.all(),
      monotonicMs: this.#options.clock.monotonicMs(),
      liveByLeader: this.leads ? (peer) => this.#consensus?.isLive(peer) ?? false : undefined,
    });
  }

  clientAddresses(): string[] {
    const others = [...this.#peers.all()].map((peer) => peer.clientAddress);
    return [this.#options.clientAddress, ...others.filter((address) => address !== "")];
  }

  replicaId(): number {
    return this.#id;
  }

  clusterId(): string {
    const { formed } = this.#formation.identity;
    return formed === undefined ? "" : toHex64(formed.clusterId);
  }

  /** Whether this replica leads now. */
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
      this.#finishTurn();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#inTurn = false;
    }
  }

  #finishTurn(): void {
    this.#runHandOver();
    this.#proposeQueue();
    this.#advanceAcknowledged();
    this.#crashPoint("before-send");
    this.#flush();
    this.#crashPoint("after-send");
    this.#apply();
    this.#crashPoint("before-answer");
    this.#pending.handleAcknowledged(this.#acknowledged);
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
    this.#pending.expire(Number.POSITIVE_INFINITY, message);
    this.#reads.expire(Number.POSITIVE_INFINITY);
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
    this.#peers.hurry();
    for (const requestId of this.#reads.unanswered(nowMs)) {
      this.#consensus?.step({ kind: "readIndex", requestId });
    }
    this.#reads.expire(nowMs);
    this.#pending.expire(
      nowMs - timings.proposalTimeoutMs,
      "no majority of servers has confirmed it in time; send the same id again, to any server",
    );
    // Frames may have been lost on the way to a leader that is alive: hand over anew what is open.
    const stuck = this.#pending.openCount > 0 && nowMs - this.#progressAtMs > forwardRetryMs;
    if (stuck && !this.#consensus?.leads) this.#restartHandOver();
    const heartbeatMs = timings.heartbeatIntervalTicks * timings.tickMs;
    if (nowMs - this.#statusAtMs >= statusIntervalHeartbeats * heartbeatMs) {
      this.#statusAtMs = nowMs;
      this.#peers.sendStatus(this.#ownStatus());
    }
  }

  #makeConsensus(): Consensus {
    return new Consensus(this.#options, {
      send: (message) => this.#peers.send(message),
      turn: (body) => this.#turn(body),
      peers: () => this.#peers.all(),
      handleRoleChange: (change) => this.#handleRoleChange(change),
      handleRead: (answer) => this.#reads.handleAnswer(answer),
      mayApplyTo: (index) => this.#applier.mayApplyTo(index),
      crashPoint: (point) => this.#crashPoint(point),
    });
  }

  #handleRoleChange(change: RoleChange): void {
    this.#queue.clear();
    this.#restartHandOver();
    this.#countedLive = false;
    if (change.role === "leader") this.#applier.observeLogStamps();
    this.#note("info", "role changed", { ...change });
  }

  #advanceAcknowledged(): void {
    if (this.#consensus?.advanceAcknowledged()) this.#peers.markDue();
    this.#learnAcknowledged(this.#consensus?.acknowledged);
  }

  #learnAcknowledged(point: AckPoint | undefined): void {
    if (point !== undefined && point.index > this.#acknowledged.index) this.#acknowledged = point;
  }

  #flush(): void {
    const wallClockMs = BigInt(Math.floor(this.#options.clock.wallMs()));
    this.#peers.flush((peerId) => {
      const acknowledged = this.#consensus?.acknowledgedFor(peerId);
      return acknowledged === undefined ? { wallClockMs } : { wallClockMs, acknowledged };
    });
  }

  #apply(): void {
    this.#crashPoint("before-apply");
    const { progress, more } = this.#applier.apply();
    if (progress) {
      this.#crashPoint("after-apply");
      this.#progressAtMs = this.#options.clock.monotonicMs();
    }
    this.#reads.handleApplied({
      index: this.#applier.appliedIndex,
      position: this.#applier.appliedPosition,
    });
    if (more) this.#options.clock.setSoon(() => this.#turn(() => {}));
  }

  /** Everything that arrives in this turn of the event loop is handed over together. */
  #scheduleHandOver(): void {
    if (this.#handOverScheduled) return;
    this.#handOverScheduled = true;
    this.#options.clock.setSoon(() => {
      this.#handOverScheduled = false;
      this.#turn(() => {});
    });
  }

  #restartHandOver(): void {
    this.#handOver.restart();
    this.#progressAtMs = this.#options.clock.monotonicMs();
  }

  /**
   * Brings what clients have handed in to the leader: into the own queue, or into frames for
   * another.
   */
  #runHandOver(): void {
    const consensus = this.#consensus;
    if (consensus === undefined || consensus.leader === 0 || this.#handOverScheduled) return;
    const { leader, term, leads } = consensus;
    if (leads) {
      this.#handOver.run((proposals, resumed) => this.#queue.add(proposals, resumed));
    } else if (this.#peers.isConnected(leader)) {
      this.#handOver.run((proposals, resumed) =>
        this.#peers.forward(leader, { term, resumed, proposals }),
      );
    }
  }

  /**
   * Leader: makes entries of what has gathered. While a write is under way the next ones wait for
   * it, unless they fill an entry: that costs at most one fsync of delay and makes one write of
   * many.
   */
  #proposeQueue(): void {
    const consensus = this.#consensus;
    if (consensus === undefined || !consensus.leads) return;
    this.#queue.drain({
      mayWrite: () => consensus.isDiskIdle,
      propose: (entries) => {
        const stampMs = this.#time.nextStampMs(this.#members, this.#options.clock.monotonicMs());
        const payloads = entries.map((proposals) => encodeEntryPayload(stampMs, proposals));
        return !consensus.step({ kind: "propose", payloads }).proposalDropped;
      },
    });
  }

  #handleForwards(from: number, forwards: readonly ForwardedCommands[]): void {
    if (forwards.length === 0 || !this.leads) return;
    const term = this.#consensus?.term ?? 0;
    if (!this.#queue.addForwards(forwards, { from, term })) {
      this.#note("warn", "a peer forwarded commands that are not its own", { peer: from });
    }
  }

  #handleHello(bytes: Uint8Array): HelloVerdict {
    let verdict: HelloVerdict = { kind: "refused", reason: "the server is stopping" };
    this.#turn(() => {
      this.#formIfPossible(() => {
        const judged = this.#formation.judge(bytes);
        verdict = judged;
        if (judged.kind === "accepted") {
          const peer = this.#peers.get(judged.peerId);
          if (peer !== undefined) peer.clientAddress = judged.clientAddress;
        } else {
          this.#note("warn", "refused a peer", { reason: judged.reason });
        }
      });
    });
    return verdict;
  }

  /** Runs what may form the cluster, and begins to take part when it has. */
  #formIfPossible(body: () => void): void {
    const before = this.#formation.identity.formed;
    body();
    const { identity } = this.#formation;
    if (identity.formed !== undefined && before === undefined) {
      this.#options.saveIdentity(identity);
      this.#note("info", "cluster formed", { clusterId: toHex64(identity.formed.clusterId) });
    }
    if (identity.formed === undefined || this.#consensus !== undefined) return;
    this.#consensus = this.#makeConsensus();
    // Streams that were opened before know nothing of the cluster's id: all say hello again, and
    // adopt or refuse it.
    this.#options.clock.setSoon(() => {
      for (const { peerId, connected } of this.#peers.all()) {
        if (connected) this.#options.transport.disconnect(peerId, "the cluster is formed");
      }
    });
  }

  #handleConnected(peerId: number): void {
    const peer = this.#peers.get(peerId);
    if (peer === undefined) return;
    const nowMs = this.#options.clock.monotonicMs();
    peer.connected = true;
    peer.lastHeardMs = nowMs;
    this.#consensus?.handleConnected(peerId);
    if (this.#consensus?.leader === peerId) this.#restartHandOver();
    this.#statusAtMs = Number.NEGATIVE_INFINITY;
  }

  #handleDisconnected(peerId: number): void {
    const peer = this.#peers.get(peerId);
    if (peer === undefined) return;
    peer.connected = false;
    this.#consensus?.handleDisconnected(peerId);
  }

  #handleFrame(peerId: number, bytes: Uint8Array): void {
    const peer = this.#peers.get(peerId);
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
    this.#handleForwards(peerId, frame.forwards);
  }

  #handleMessages(peerId: number, frame: PeerFrame): void {
    for (const wire of frame.messages) {
      const message = decodePeerMessage(wire);
      if (message !== undefined && message.from === peerId && message.to === this.#id) {
        this.#consensus?.step({ kind: "peerMessage", message });
      }
    }
    const { acknowledged } = frame;
    if (acknowledged === undefined) return;
    this.#learnAcknowledged({ index: Number(acknowledged.index), disks: acknowledged.disks });
    if (this.#consensus?.leader === peerId) this.#countedLive = acknowledged.receiverLive;
  }

  #ownStatus(): ServerStatus {
    const { clock, log, clientAddress, members, version, freeBytes } = this.#options;
    return ownStatus({
      replicaId: this.#id,
      clientAddress,
      peerAddress: members.find((member) => member.replicaId === this.#id)?.peerAddress ?? "",
      consensus: this.#consensus,
      appliedIndex: this.#applier.appliedIndex,
      log,
      live: this.leads || this.#countedLive,
      diskFreeBytes: freeBytes(),
      condition: this.#formation.condition,
      version,
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
