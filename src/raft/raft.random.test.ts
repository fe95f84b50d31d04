// Random runs of whole clusters with every fault that a network, a disk or a crash can bring,
// judged at every step; then the faults end, and the cluster has to go on. One seed gives one run.
// RAFT_SEEDS=n runs n seeds a size, RAFT_SEED=n runs that one.
import { describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import type { PeerMessage } from "./peer-message.ts";
import { RaftCluster } from "./raft-cluster.test-support.ts";
import { RandomMembers } from "./random-members.test-support.ts";
import type { LogIndex, ReplicaId } from "./types.ts";

const seedCount = Number(process.env["RAFT_SEEDS"] ?? 400);
const onlySeed = process.env["RAFT_SEED"];
const stepsPerRun = 1_000;
const stormsPerRun = 80;
const churnsPerRun = 20;
const packetsMax = 60;

type Action =
  | "tick"
  | "deliver"
  | "write"
  | "apply"
  | "propose"
  | "crash"
  | "restart"
  | "breakConnection"
  | "transfer"
  | "read"
  | "compact"
  | "chunk"
  | "restore"
  | "partition"
  | "heal"
  | "stand"
  | "usurp"
  | "change"
  | "loseLog"
  | "loseFolder"
  | "settle";

/**
 * How often each action comes, drawn anew for each run (swarm testing): some faults rule a run,
 * others are absent.
 */
function drawWeights(random: Random): [Action, number][] {
  const some = (max: number) => (random.nextBoolean(0.4) ? 0 : random.nextFloat() * max);
  return [
    ["tick", 5 + random.nextFloat() * 25],
    ["deliver", 40],
    ["write", random.nextBoolean(0.3) ? 2 : 5 + random.nextFloat() * 30],
    ["apply", 5],
    ["propose", 1 + random.nextFloat() * 6],
    ["crash", some(1)],
    ["restart", 0.5 + random.nextFloat() * 2],
    ["breakConnection", some(1.5)],
    ["transfer", some(1)],
    ["read", some(3)],
    ["compact", some(3)],
    ["chunk", 8],
    ["restore", 6],
    ["partition", some(0.7)],
    ["heal", 0.5 + random.nextFloat()],
    ["stand", some(0.5)],
    ["usurp", some(1)],
    ["change", some(8)],
    ["loseLog", some(0.15)],
    ["loseFolder", some(0.1)],
    ["settle", 5],
  ];
}

/** One run of one seed. */
class Run {
  readonly cluster: RaftCluster;
  readonly random: Random;
  readonly #weights: [Action, number][];
  readonly #weightSum: number;
  readonly #dropProbability: number;
  readonly #doubleProbability: number;
  /** Probability that the oldest packet is the next one. */
  readonly #orderProbability: number;
  /** Whose disk is slow, 0 for nobody's. */
  readonly #slowDisk: ReplicaId;
  #requestId = 0;
  #proposals = 0;
  /** Request id → what was committed anywhere when the read was asked for. */
  readonly #reads = new Map<number, LogIndex>();
  readonly members: RandomMembers;
  readonly counts = { readsAnswered: 0, restores: 0, stalled: 0 };

  constructor(size: number, seed: number) {
    this.random = new Random(seed);
    const voters = Array.from({ length: size }, (_, i) => i + 1);
    const learners = this.random.nextBoolean(0.2) ? [size + 1] : [];
    // One entry a message, or a few; one message at a time, or a few.
    const appendBytesMax = this.random.nextBoolean(0.5) ? 1 : 128;
    const appendsInFlightMax = this.random.nextInteger(1, 5);
    const config = { appendBytesMax, appendsInFlightMax };
    this.cluster = new RaftCluster({ voters, learners, seed: seed * 31 + size, config });
    // Others stand by to be added.
    for (let i = 0; i < 2; i++) this.cluster.await(this.cluster.members.size + 1);
    this.members = new RandomMembers(this.cluster, this.random);
    this.#weights = drawWeights(this.random);
    this.#weightSum = this.#weights.reduce((sum, [, weight]) => sum + weight, 0);
    this.#dropProbability = this.random.nextBoolean(0.5) ? this.random.nextFloat() * 0.4 : 0;
    this.#doubleProbability = this.random.nextBoolean(0.5) ? this.random.nextFloat() * 0.2 : 0;
    this.#slowDisk = this.random.nextBoolean(0.5) ? this.#anyone() : 0;
    this.#orderProbability = this.random.nextBoolean(0.5) ? 0.9 : this.random.nextFloat();
  }

  /** Faults of all kinds. */
  disturb(steps: number): void {
    for (let i = 0; i < steps; i++) {
      const id = this.#anyone();
      if (this.cluster.member(id).isUp) this.#act(this.#drawAction(), id);
      else if (this.random.nextBoolean(0.05)) this.cluster.restart(id);
      this.#collectReads(id);
    }
  }

  /**
   * Leaders that come and go before their entries get through: each time others are connected,
   * somebody stands, and a few packets and writes happen. Tails diverge as in Raft Figures 7 and 8.
   */
  storm(rounds: number): void {
    const { cluster, random } = this;
    for (let round = 0; round < rounds; round++) {
      this.#reconnect(random.nextFloat() * 0.6);
      const id = this.#anyone();
      for (const { id: other, isUp } of cluster.members.values()) {
        if (!isUp && (other === id || random.nextBoolean(0.7))) cluster.restart(other);
      }
      for (let i = 0; i < 16 && cluster.raft(id).role !== "candidate"; i++) {
        cluster.step(id, { kind: "tick" });
      }
      const moves = random.nextInteger(0, 20 * cluster.members.size);
      for (let i = 0; i < moves; i++) this.#move();
      if (random.nextBoolean(0.3)) this.#crash(this.#anyone());
    }
  }

  /**
   * Members come and go while nothing is lost between those who are connected: each time the
   * cluster falls into two parts, and whoever leads one is asked for other members. So some servers
   * sleep through many changes, and wake up among newcomers that have their old friends' ids.
   */
  churn(rounds: number): void {
    const { cluster, random, members } = this;
    for (let round = 0; round < rounds; round++) {
      cluster.heal();
      const ids = [...cluster.members.keys()];
      const apart = ids.filter(() => random.nextBoolean(0.3));
      for (const id of ids) {
        const other = ids.filter((peer) => apart.includes(peer) !== apart.includes(id));
        for (const peer of other) cluster.block(id, peer);
        if (!cluster.member(id).isUp && random.nextBoolean(0.7)) cluster.restart(id);
      }
      // Processes that stand still notice nothing, not even that they lead no longer.
      const paused = new Set(random.nextBoolean(0.3) ? apart : []);
      cluster.tickAll(random.nextInteger(0, 40), paused);
      for (let i = random.nextInteger(0, 4); i > 0; i--) {
        if (random.nextBoolean(0.1)) members.loseFolder(this.#anyone());
        if (random.nextBoolean(0.1)) members.loseLog(this.#anyone());
        if (random.nextBoolean(0.2)) this.#crash(this.#anyone());
        if (random.nextBoolean(0.3)) this.#act("compact", this.#anyone());
        members.change();
        this.#propose();
        cluster.tickAll(random.nextInteger(0, 3), paused);
        members.settle();
      }
      for (const id of ids) this.#collectReads(id);
    }
  }

  /** Blocks each way between each two with this probability; nobody follows anybody any more. */
  #reconnect(blockProbability: number): void {
    const { cluster, random } = this;
    cluster.heal();
    cluster.packets = cluster.packets.filter(() => random.nextBoolean(0.2));
    for (const { id, raft } of cluster.members.values()) {
      for (const other of cluster.members.keys()) {
        if (id !== other && random.nextBoolean(blockProbability)) cluster.block(id, other);
      }
      if (raft === undefined) continue;
      if (raft.role === "follower")
        cluster.step(id, { kind: "peerUnreachable", peer: raft.leader });
    }
  }

  #move(): void {
    const id = this.#anyone();
    const isUp = this.cluster.member(id).isUp;
    const chance = this.random.nextFloat();
    if (chance < 0.02 && this.#slowDisk !== 0) this.#writeOne(this.#slowDisk);
    else if (chance < 0.5) this.#deliverOne();
    else if (chance < 0.8) this.#act("write", this.#withWrites(id));
    else if (!isUp) return;
    else if (chance < 0.85) this.#act("propose", id);
    else if (chance < 0.9) this.#act("apply", id);
    else if (chance < 0.93) this.#act("read", id);
    else if (chance < 0.95) this.#act("tick", id);
    else if (chance < 0.955) this.#act("transfer", id);
    else if (chance < 0.96) this.#act("change", id);
    else if (chance < 0.965) this.#act("settle", id);
    else if (chance < 0.9655) this.#act("loseLog", id);
    else if (chance < 0.9658) this.#act("loseFolder", id);
    else if (chance < 0.975) this.#act("chunk", id);
    else if (chance < 0.99) this.#act("restore", id);
    else this.#act("compact", id);
    this.#collectReads(id);
  }

  #writeOne(id: ReplicaId): void {
    const { isUp, disk } = this.cluster.member(id);
    if (isUp && disk.writes.length > 0) this.cluster.completeWrites(id, 1);
  }

  /**
   * The first from `start` on, in a circle, that has writes under way; a slow disk is passed by.
   */
  #withWrites(start: ReplicaId): ReplicaId {
    const { members } = this.cluster;
    for (let i = 0; i < members.size; i++) {
      const id = ((start - 1 + i) % members.size) + 1;
      if (id !== this.#slowDisk && members.get(id)!.disk.writes.length > 0) return id;
    }
    return start;
  }

  /** Anyone who does not wait to become a member. */
  #anyone(): ReplicaId {
    const { members } = this.cluster;
    const start = this.random.nextInteger(0, members.size);
    for (let i = 0; i < members.size; i++) {
      const id = ((start + i) % members.size) + 1;
      if (!members.get(id)!.isWaiting) return id;
    }
    throw new Error("everybody waits to become a member");
  }

  #drawAction(): Action {
    let at = this.random.nextFloat() * this.#weightSum;
    for (const [action, weight] of this.#weights) {
      at -= weight;
      if (at < 0) return action;
    }
    return "deliver";
  }

  #act(action: Action, id: ReplicaId): void {
    const { cluster, random } = this;
    const member = cluster.member(id);
    switch (action) {
      case "tick":
        cluster.step(id, { kind: "tick" });
        return;
      case "stand":
        for (let i = 0; i < 20; i++) cluster.step(id, { kind: "tick" });
        return;
      case "deliver":
        this.#deliverOne();
        return;
      case "write":
        if (member.disk.writes.length === 0) return;
        if (id === this.#slowDisk && random.nextBoolean(0.9)) return;
        cluster.completeWrites(id, random.nextInteger(1, member.disk.writes.length + 1));
        return;
      case "apply":
        cluster.apply(id, random.nextInteger(1, 5));
        return;
      case "propose":
        this.#propose();
        return;
      case "usurp":
        this.#usurp(id);
        return;
      case "crash":
        this.#crash(id);
        return;
      case "restart":
        for (const { id: other, isUp } of cluster.members.values()) {
          if (!isUp) cluster.restart(other);
        }
        return;
      case "breakConnection":
        this.#breakSome(id);
        return;
      case "transfer":
        cluster.step(id, { kind: "transferLeadership", target: random.nextInteger(0, 4) });
        return;
      case "read":
        this.#read(id);
        return;
      case "compact":
        if (!member.isUp) return;
        cluster.compact(id, random.nextBoolean(0.5) ? 0 : random.nextInteger(0, 10));
        return;
      case "change":
        this.members.change();
        return;
      case "loseLog":
        this.members.loseLog(id);
        return;
      case "loseFolder":
        this.members.loseFolder(id);
        return;
      case "settle":
        this.members.settle();
        return;
      case "chunk":
        for (const { id: other, isUp } of cluster.members.values()) {
          if (isUp) cluster.readChunk(other);
        }
        return;
      case "restore":
        for (const other of cluster.members.keys()) {
          if (!cluster.canRestore(other)) continue;
          if (random.nextBoolean(0.5)) cluster.restore(other);
          else cluster.restoreByRestart(other);
          this.counts.restores++;
        }
        return;
      case "partition":
        if (random.nextBoolean(0.5)) cluster.isolate(id);
        else cluster.block(id, this.#anyone());
        return;
      case "heal":
        cluster.heal();
        return;
      default:
        action satisfies never;
    }
  }

  #deliverOne(): void {
    const { packets } = this.cluster;
    if (packets.length === 0) return;
    // With a long queue nothing would ever be answered in time.
    if (packets.length > packetsMax) packets.splice(0, packets.length - packetsMax);
    const at = this.random.nextBoolean(this.#orderProbability)
      ? 0
      : this.random.nextInteger(0, packets.length);
    const [message] = packets.splice(at, 1) as [PeerMessage];
    if (this.random.nextBoolean(this.#doubleProbability)) packets.push(message);
    if (this.random.nextBoolean(this.#dropProbability)) return;
    this.cluster.deliver(message);
    this.#collectReads(message.to);
  }

  /**
   * Everyone who believes to lead takes proposals, also one that has been deposed without knowing.
   */
  #propose(): void {
    for (const { id, raft } of this.cluster.members.values()) {
      if (raft?.role !== "leader" || this.random.nextBoolean(0.3)) continue;
      this.cluster.propose(id, `${++this.#proposals}`);
    }
  }

  /** All connections with the leader break, and somebody stands at once. */
  #usurp(id: ReplicaId): void {
    const { cluster } = this;
    const leader = cluster.leader?.id ?? id;
    for (const other of cluster.members.keys()) {
      if (other !== leader) cluster.breakConnection(leader, other);
    }
    for (let i = 0; i < 20; i++) cluster.step(id, { kind: "tick" });
  }

  #crash(id: ReplicaId): void {
    const { cluster, random } = this;
    if (!cluster.member(id).isUp) return;
    const { disk } = cluster.member(id);
    const writes = random.nextInteger(0, disk.writes.length + 1);
    const entries = random.nextInteger(0, (disk.writes[writes]?.entries.length ?? 0) + 1);
    const applied = cluster.member(id).appliedIndex - random.nextInteger(0, 4);
    cluster.crash(id, { writes, entries, applied });
    // A killed process closes its connections: the others usually learn it.
    if (random.nextBoolean(0.3)) return;
    for (const other of cluster.members.keys()) {
      if (other !== id) cluster.breakConnection(id, other);
    }
  }

  #breakSome(id: ReplicaId): void {
    const other = this.#anyone();
    if (other !== id) this.cluster.breakConnection(id, other);
  }

  #read(id: ReplicaId): void {
    const requestId = ++this.#requestId;
    this.#reads.set(requestId, this.cluster.checker.committedIndex);
    this.cluster.step(id, { kind: "readIndex", requestId });
  }

  /** A read that is granted sees everything that was committed before it was asked for. */
  #collectReads(id: ReplicaId): void {
    const member = this.cluster.member(id);
    for (const { requestId, index, refused } of member.reads) {
      if (refused || !this.#reads.has(requestId)) continue;
      const committed = this.#reads.get(requestId);
      if (committed === undefined || index < committed) {
        throw new Error(`read ${requestId} is stale: ${index} < ${committed}`);
      }
      this.counts.readsAnswered++;
    }
    // An abstaining server's own questions are answered to it.
    member.reads = member.reads.filter((read) => !read.refused && !this.#reads.has(read.requestId));
  }

  /** The faults end: a leader comes, commits, and everyone has the same state. */
  recover(): void {
    const { cluster } = this;
    cluster.heal();
    for (const { id, isUp } of cluster.members.values()) if (!isUp) cluster.restart(id);
    const before = cluster.checker.committedIndex;
    for (let round = 0; round < 400; round++) {
      this.members.settle();
      cluster.tickAll();
      const leader = cluster.leader;
      if (leader === undefined) continue;
      if (cluster.checker.committedIndex <= before + 5) {
        cluster.propose(leader.id, `${++this.#proposals}`);
      } else if (this.#agrees()) return;
    }
    if (this.members.mayStall) this.counts.stalled++;
    else throw new Error("the cluster does not go on after the faults have ended");
  }

  /** Every member that has its folder is up to date and takes part; no change is under way. */
  #agrees(): boolean {
    const { checker, members, leader } = this.cluster;
    if (leader?.isConfigurationChanging !== false) return false;
    return [...members.values()].every(({ id, appliedIndex, abstains }) => {
      if (!this.members.isMember(id)) return true;
      return appliedIndex === checker.committedIndex && !abstains;
    });
  }
}

function runSeed(size: number, seed: number): Run {
  const run = new Run(size, seed);
  try {
    run.disturb(stepsPerRun);
    run.churn(churnsPerRun);
    run.storm(stormsPerRun);
    run.recover();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const again = `RAFT_SEED=${seed} vitest run --project unit src/raft/raft.random.test.ts`;
    throw new Error(`${size} replicas, seed ${seed}: ${reason}\nrepeat: ${again}`, {
      cause: error,
    });
  }
  return run;
}

describe("random runs keep every property of Raft and go on after the faults", () => {
  for (const size of [3, 5, 7]) {
    test(`with ${size} replicas`, { timeout: 600_000 }, () => {
      let reads = 0;
      let restores = 0;
      let stalled = 0;
      let committed = 0;
      const members = { changes: 0, admitted: 0, trusted: 0, logsLost: 0, foldersLost: 0 };
      const seeds = onlySeed === undefined ? seedCount : 1;
      for (let i = 0; i < seeds; i++) {
        const run = runSeed(size, onlySeed === undefined ? i * 3 + size : Number(onlySeed));
        reads += run.counts.readsAnswered;
        restores += run.counts.restores;
        stalled += run.counts.stalled;
        for (const name of Object.keys(members) as (keyof typeof members)[]) {
          members[name] += run.members.counts[name];
        }
        committed += run.cluster.checker.committedIndex;
      }
      // Runs in which nothing happens would prove nothing.
      if (onlySeed !== undefined) return;
      expect(committed / seeds).toBeGreaterThan(20);
      expect(reads).toBeGreaterThan(seeds);
      expect(restores).toBeGreaterThan(0);
      expect(stalled).toBeLessThan(1 + seeds / 100);
      for (const count of Object.values(members)) expect(count).toBeGreaterThan(seeds / 20);
    });
  }
});
