// A cluster of cores in one process for tests: every packet, write and tick happens when the test
// says so. The judge (raft-checker) looks at each step. Knows no faults of its own accord: what
// goes wrong is the test's choice.
import { Random } from "../base/random.ts";
import type { RaftConfig } from "./config.ts";
import type { Effects, Persist, ReadResult } from "./effects.ts";
import type { Input } from "./input.ts";
import { decodeConfiguration, encodeConfiguration } from "./membership.ts";
import { MemoryDisk, type TestSnapshot } from "./memory-disk.test-support.ts";
import type { Observer } from "./observer.ts";
import type { InstallSnapshot, PeerMessage } from "./peer-message.ts";
import { Raft } from "./raft.ts";
import { hashEntry, RaftChecker } from "./raft-checker.test-support.ts";
import type { Configuration, LogIndex, ReplicaId } from "./types.ts";

export interface ClusterOptions {
  readonly voters: readonly ReplicaId[];
  readonly learners?: readonly ReplicaId[];
  readonly seed?: number;
  readonly config?: Partial<RaftConfig>;
  readonly observer?: Observer;
  /** Bytes of a snapshot chunk; the state is eight bytes. */
  readonly chunkBytes?: number;
}

/** Who is to take part. */
export interface MembersWish {
  readonly voters: readonly ReplicaId[];
  readonly learners?: readonly ReplicaId[];
  readonly context?: Uint8Array;
}

/** A chunk that a leader's core asked for. */
interface ChunkWish {
  readonly to: ReplicaId;
  readonly offset: number;
}

/** One replica: core, disk and state machine. */
export class Member {
  readonly id: ReplicaId;
  readonly disk: MemoryDisk;
  raft: Raft | undefined;
  incarnation = 0;
  /** Counts its folders. */
  birth = 1;
  /** The entry that added it; 0 for a founder; infinite while it waits, and does not run. */
  joinedIndex: LogIndex = 0;
  /** Its log has lost what it may have acknowledged. */
  abstains = false;
  /** What the state machine has applied, and its state. */
  appliedIndex: LogIndex = 0;
  stateHash = 0;
  /** How far it may apply. */
  applyTo: LogIndex = 0;
  lastEffects: Effects | undefined;
  reads: ReadResult[] = [];
  chunkWishes: ChunkWish[] = [];
  /** Chunks of a snapshot on its way in. */
  incoming: InstallSnapshot[] = [];

  constructor(id: ReplicaId, configuration: Configuration) {
    this.id = id;
    this.disk = new MemoryDisk(configuration);
  }

  get isUp(): boolean {
    return this.raft !== undefined;
  }

  /** A server that has not been told that it is a member. */
  get isWaiting(): boolean {
    return this.joinedIndex === Number.POSITIVE_INFINITY;
  }

  /** What it, or its predecessor under its id, has promised may be gone. */
  get hasForgotten(): boolean {
    return this.abstains || this.disk.visible.lastIndex() < this.joinedIndex;
  }
}

/** Cores, their disks, and the packets between them. */
export class RaftCluster {
  readonly members = new Map<ReplicaId, Member>();
  readonly configuration: Configuration;
  readonly checker: RaftChecker;
  /** Peer messages under way, oldest first. */
  packets: PeerMessage[] = [];
  readonly #options: ClusterOptions;
  readonly #random: Random;
  readonly #blocked = new Set<string>();
  /** "a>b": b is to hear that a has lost a part of its log before anything else passes. */
  readonly #losses = new Set<string>();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#random = new Random(options.seed ?? 1);
    const { voters, learners = [] } = options;
    this.configuration = { voters, votersOutgoing: [], learners, context: new Uint8Array(0) };
    for (const id of [...voters, ...learners]) {
      this.members.set(id, new Member(id, this.configuration));
    }
    this.checker = new RaftChecker(this.members, this.configuration);
    for (const member of this.members.values()) this.#start(member);
  }

  member(id: ReplicaId): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`no replica ${id}`);
    return member;
  }

  raft(id: ReplicaId): Raft {
    const { raft } = this.member(id);
    if (raft === undefined) throw new Error(`replica ${id} is down`);
    return raft;
  }

  /** The leader of the highest term, if one is up. */
  get leader(): Raft | undefined {
    let found: Raft | undefined;
    for (const { raft } of this.members.values()) {
      if (raft?.role === "leader" && raft.term > (found?.term ?? 0)) found = raft;
    }
    return found;
  }

  #start(member: Member): void {
    const { disk } = member;
    member.incarnation++;
    const config: RaftConfig = {
      electionTimeoutTicksMin: 10,
      electionTimeoutTicksMax: 20,
      heartbeatIntervalTicks: 2,
      appendBytesMax: 64,
      appendsInFlightMax: 4,
      uncommittedBytesMax: 64 * 1024,
      ...this.#options.config,
      id: member.id,
      seed: this.#random.nextUint32(),
      ...(this.#options.observer === undefined ? {} : { observer: this.#options.observer }),
    };
    member.applyTo = member.appliedIndex;
    const { configuration } = this.checker.membershipAt(disk.durable.baseIndex);
    member.raft = new Raft(config, {
      hardState: disk.hardState,
      configuration,
      appliedIndex: member.appliedIndex,
      log: disk.visible,
      joinedIndex: member.joinedIndex,
      abstains: member.abstains,
    });
  }

  /**
   * Steps one core and does at once what the effects ask for, but for writes, packets and chunks:
   * they wait.
   */
  step(id: ReplicaId, input: Input): Effects {
    const member = this.member(id);
    const effects = this.raft(id).step(input);
    member.lastEffects = effects;
    for (const message of effects.send) this.#transmit(member, message);
    if (effects.persist !== undefined) {
      this.checker.checkAppended(member, effects.persist.entries);
      member.disk.begin(effects.persist);
    }
    if (effects.applyTo < member.applyTo) throw new Error(`applyTo of ${id} fell`);
    member.applyTo = effects.applyTo;
    member.reads.push(...effects.reads);
    member.chunkWishes.push(...effects.snapshotChunks);
    if (effects.storeChunk !== undefined) this.#storeChunk(member, effects.storeChunk);
    this.checker.checkStep(member);
    return effects;
  }

  #transmit(sender: Member, message: PeerMessage): void {
    this.checker.checkSent(sender, message);
    this.packets.push(message);
  }

  /** Whether packets pass from one to the other. */
  isConnected(from: ReplicaId, to: ReplicaId): boolean {
    return this.member(to).isUp && !this.#blocked.has(`${from}>${to}`);
  }

  /** Packets from one to the other are lost from now on; one way only. */
  block(from: ReplicaId, to: ReplicaId): void {
    this.#blocked.add(`${from}>${to}`);
  }

  /** Cuts a replica off, both ways. */
  isolate(id: ReplicaId): void {
    for (const other of this.members.keys()) {
      if (other === id) continue;
      this.block(id, other);
      this.block(other, id);
    }
  }

  /** Lets all packets pass again. */
  heal(): void {
    this.#blocked.clear();
  }

  /** Delivers a packet that is (no longer) among `packets`, unless it is lost on the way. */
  deliver(message: PeerMessage): void {
    const { from, to } = message;
    if (!this.isConnected(from, to)) return;
    if (this.#tellLoss(from, to) || this.#tellLoss(to, from)) return;
    this.step(message.to, { kind: "peerMessage", message });
  }

  /**
   * The oldest `count` writes of a replica become durable, in one disk write: the newest of them is
   * reported.
   */
  completeWrites(id: ReplicaId, count: number): void {
    const member = this.member(id);
    const done = member.disk.complete(count);
    let last: Persist["entries"][number] | undefined;
    for (const write of done) last = write.entries.at(-1) ?? last;
    if (last !== undefined)
      this.step(id, { kind: "persisted", index: last.index, term: last.term });
    for (const write of done) {
      for (const message of write.sendAfter) this.#transmit(member, message);
    }
  }

  /** Applies what may be applied, up to `limit` entries. */
  apply(id: ReplicaId, limit = Number.POSITIVE_INFINITY): void {
    const member = this.member(id);
    const log = member.disk.durable;
    const end = Math.min(member.applyTo, member.appliedIndex + limit);
    for (let index = member.appliedIndex + 1; index <= end; index++) {
      const entry = log.entry(index);
      if (entry === undefined) throw new Error(`${id} may apply ${index}, which is not durable`);
      member.stateHash = hashEntry(member.stateHash, entry);
      member.appliedIndex = index;
    }
    if (member.stateHash !== this.checker.stateHash(member.appliedIndex)) {
      throw new Error(`state machine safety: ${id} differs at ${member.appliedIndex}`);
    }
  }

  /** Connections between two are new: what was on the old ones is lost, and `to` hears of it. */
  #tellLoss(of: ReplicaId, to: ReplicaId): boolean {
    if (!this.#losses.delete(`${of}>${to}`)) return false;
    this.breakConnection(of, to);
    // Who is down has nothing to forget.
    if (this.member(to).isUp) this.step(to, { kind: "peerLostLog", peer: of });
    return true;
  }

  /**
   * Makes a snapshot of the applied state and compacts the log below it, but for the newest `keep`
   * entries.
   */
  compact(id: ReplicaId, keep = 0): void {
    const { disk, appliedIndex, stateHash } = this.member(id);
    if (appliedIndex <= disk.snapshot.index) return;
    const term = disk.durable.term(appliedIndex)!;
    const { configuration } = this.checker.membershipAt(appliedIndex);
    disk.compact({ index: appliedIndex, term, configuration, stateHash }, keep);
  }

  /** Reads the oldest chunk that a leader's core asked for and hands it in. */
  readChunk(id: ReplicaId): void {
    const member = this.member(id);
    const wish = member.chunkWishes.shift();
    if (wish === undefined) return;
    const { index, term, configuration, stateHash } = member.disk.snapshot;
    const state = new Uint8Array(8);
    new DataView(state.buffer).setInt32(4, stateHash);
    const end = Math.min(wish.offset + (this.#options.chunkBytes ?? 3), state.length);
    this.step(id, {
      kind: "snapshotChunk",
      to: wish.to,
      lastIndex: index,
      lastTerm: term,
      configuration: encodeConfiguration(configuration),
      offset: wish.offset,
      chunk: state.slice(wish.offset, end),
      done: end === state.length,
    });
  }

  #storeChunk(member: Member, chunk: InstallSnapshot): void {
    if (chunk.offset === 0) member.incoming = [];
    member.incoming.push(chunk);
  }

  /** Whether a replica has a whole snapshot to restore. */
  canRestore(id: ReplicaId): boolean {
    return this.member(id).incoming.at(-1)?.done === true;
  }

  /** What a replica has received whole. */
  #takeSnapshot(member: Member): TestSnapshot {
    const last = member.incoming.at(-1)!;
    const state = new Uint8Array(8);
    for (const { offset, chunk } of member.incoming) state.set(chunk, offset);
    const received = member.incoming.reduce((sum, { chunk }) => sum + chunk.length, 0);
    if (received !== state.length) throw new Error("the snapshot has a gap or a double");
    member.incoming = [];
    return {
      index: last.lastIndex,
      term: last.lastTerm,
      configuration: decodeConfiguration(last.configuration)!,
      stateHash: new DataView(state.buffer).getInt32(4),
    };
  }

  /** Restores the snapshot that a replica has received whole, after all its earlier writes. */
  restore(id: ReplicaId): void {
    const member = this.member(id);
    const snapshot = this.#takeSnapshot(member);
    this.completeWrites(id, member.disk.writes.length);
    member.disk.restore(snapshot);
    member.appliedIndex = snapshot.index;
    member.stateHash = snapshot.stateHash;
    const { index, term } = snapshot;
    this.step(id, { kind: "snapshotRestored", index, term });
    this.apply(id);
  }

  /**
   * Kills a replica. Its disk keeps what was durable, perhaps more; its state machine may have lost
   * its newest.
   */
  crash(
    id: ReplicaId,
    kept: { readonly writes: number; readonly entries: number; readonly applied: LogIndex } = {
      writes: 0,
      entries: 0,
      applied: 0,
    },
  ): void {
    const member = this.member(id);
    member.raft = undefined;
    member.lastEffects = undefined;
    member.reads = [];
    member.chunkWishes = [];
    member.incoming = [];
    member.disk.crash(kept);
    const index = Math.max(member.disk.snapshot.index, Math.min(member.appliedIndex, kept.applied));
    member.appliedIndex = index;
    member.stateHash = this.checker.stateHash(index);
  }

  /** Starts it again, unless it waits to become a member. */
  restart(id: ReplicaId): void {
    const member = this.member(id);
    if (!member.isWaiting) this.#start(member);
  }

  /**
   * Restores a snapshot as a server does that fetches it beside its core: it starts anew, with a
   * log that begins after the snapshot unless it has that very entry (docs/decisions/0012).
   */
  restoreByRestart(id: ReplicaId): void {
    const member = this.member(id);
    const snapshot = this.#takeSnapshot(member);
    const { appliedIndex } = member;
    this.crash(id, { writes: 0, entries: 0, applied: appliedIndex });
    if (snapshot.index > member.appliedIndex) {
      if (member.disk.durable.term(snapshot.index) !== snapshot.term) member.disk.restore(snapshot);
      else member.disk.compact(snapshot);
      member.appliedIndex = snapshot.index;
      member.stateHash = snapshot.stateHash;
    }
    this.#start(member);
    for (const other of this.members.keys()) if (other !== id) this.breakConnection(id, other);
  }

  /** Kills a replica whose log ends after `lastIndex` when it comes back: then it abstains. */
  loseLog(id: ReplicaId, lastIndex: LogIndex): void {
    const member = this.member(id);
    this.crash(id, { writes: 0, entries: 0, applied: member.appliedIndex });
    const end = Math.max(lastIndex, member.appliedIndex);
    if (end >= member.disk.durable.lastIndex()) return;
    member.disk.lose(end);
    member.abstains = true;
    this.#dropPackets(id);
    for (const other of this.members.keys()) if (other !== id) this.#losses.add(`${id}>${other}`);
  }

  /** The caller of an abstaining replica takes its log for whole again. */
  trust(id: ReplicaId): void {
    this.member(id).abstains = false;
    this.step(id, { kind: "trustLog" });
  }

  /** A replica's folder is gone for good; another, empty one waits to take its id. */
  loseFolder(id: ReplicaId): void {
    const { incarnation, birth } = this.member(id);
    this.#dropPackets(id);
    const member = new Member(id, this.configuration);
    member.incarnation = incarnation;
    member.birth = birth + 1;
    member.joinedIndex = Number.POSITIVE_INFINITY;
    this.members.set(id, member);
    for (const other of this.members.keys()) if (other !== id) this.breakConnection(id, other);
  }

  /** An empty server that waits to become a member. */
  await(id: ReplicaId): void {
    const member = new Member(id, this.configuration);
    member.joinedIndex = Number.POSITIVE_INFINITY;
    this.members.set(id, member);
  }

  /** A waiting server is told which entry added it, and starts. */
  admit(id: ReplicaId, joinedIndex: LogIndex): void {
    const member = this.member(id);
    member.joinedIndex = joinedIndex;
    this.#start(member);
  }

  #dropPackets(id: ReplicaId): void {
    this.packets = this.packets.filter(({ from, to }) => from !== id && to !== id);
  }

  /** Asks a leader for other members. */
  change(id: ReplicaId, wish: MembersWish): Effects {
    const { voters, learners = [], context = new Uint8Array(0) } = wish;
    return this.step(id, { kind: "changeConfiguration", voters, learners, context });
  }

  /** The connections with a peer break: packets on them are lost, and both sides learn it. */
  breakConnection(a: ReplicaId, b: ReplicaId): void {
    this.packets = this.packets.filter(
      ({ from, to }) => !((from === a && to === b) || (from === b && to === a)),
    );
    if (this.member(a).isUp) this.step(a, { kind: "peerUnreachable", peer: b });
    if (this.member(b).isUp) this.step(b, { kind: "peerUnreachable", peer: a });
  }

  /**
   * Everything but time passes until nothing is left to do: writes, packets, chunks, restores,
   * applying.
   */
  stabilize(): void {
    for (let round = 0; round < 10_000; round++) {
      if (!this.#work()) return;
    }
    throw new Error("the cluster does not come to rest");
  }

  #work(): boolean {
    let worked = false;
    for (const member of this.members.values()) {
      if (!member.isUp) continue;
      if (member.disk.writes.length > 0) {
        worked = true;
        this.completeWrites(member.id, member.disk.writes.length);
      }
      while (member.chunkWishes.length > 0) this.readChunk(member.id);
      if (this.canRestore(member.id)) this.restore(member.id);
      this.apply(member.id);
    }
    const packets = this.packets;
    this.packets = [];
    for (const message of packets) this.deliver(message);
    return worked || packets.length > 0;
  }

  /** One tick for every replica that is up and not paused, then rest. */
  tickAll(count = 1, paused: ReadonlySet<ReplicaId> = new Set()): void {
    for (let i = 0; i < count; i++) {
      for (const member of this.members.values()) {
        if (member.isUp && !paused.has(member.id)) this.step(member.id, { kind: "tick" });
      }
      this.stabilize();
    }
  }

  /** Ticks only `id` until it stands, and lets it win if it can. */
  campaign(id: ReplicaId): void {
    for (let i = 0; i < 1000 && this.raft(id).role === "follower"; i++) {
      this.step(id, { kind: "tick" });
    }
    this.stabilize();
  }

  propose(id: ReplicaId, ...texts: readonly string[]): Effects {
    const payloads = texts.map((text) => Uint8Array.from(text, (char) => char.charCodeAt(0)));
    return this.step(id, { kind: "propose", payloads });
  }
}
