// Members that come and go at random in random runs: what a leader's caller would ask for, servers
// that lose a part of their log or their whole folder, and newcomers that take an old id. Keeps to
// the rules of docs/decisions/0011 and leaves a majority healthy; judges nothing.
import type { Random } from "../base/random.ts";
import { decodeConfiguration } from "./membership.ts";
import type { Raft } from "./raft.ts";
import type { Member, RaftCluster } from "./raft-cluster.test-support.ts";
import type { Configuration, ReplicaId } from "./types.ts";

/** Reads above this are those of abstaining servers. */
const firstTrustRead = 1_000_000;

/** Which folder each member is, in a configuration's context: pairs of id and birth. */
type Births = ReadonlyMap<ReplicaId, number>;

function birthsIn({ voters, votersOutgoing, learners, context }: Configuration): Births {
  const births = new Map<ReplicaId, number>();
  // The founders' configuration has no context: all of them are first folders.
  for (const id of [...voters, ...votersOutgoing, ...learners]) births.set(id, 1);
  for (let at = 0; at < context.length; at += 2) births.set(context[at]!, context[at + 1]!);
  return births;
}

/** Moves in the membership of one cluster. */
export class RandomMembers {
  readonly #cluster: RaftCluster;
  readonly #random: Random;
  /** Next request id of a read by which an abstaining server learns that its log is whole again. */
  #requestId = firstTrustRead;
  /**
   * A server has failed while a change was under way. Then even a minority may be one too many: who
   * has the change in its log needs the vote of somebody who is no voter in his own, and whose log
   * may be longer. Nothing is lost, but the cluster may stand until that server is back.
   */
  mayStall = false;
  readonly counts = { changes: 0, admitted: 0, trusted: 0, logsLost: 0, foldersLost: 0 };

  constructor(cluster: RaftCluster, random: Random) {
    this.#cluster = cluster;
    this.#random = random;
  }

  /** Everyone who believes to lead gets a wish for other members. */
  change(): void {
    for (const { raft } of this.#cluster.members.values()) {
      if (raft?.role === "leader" && this.#random.nextBoolean(0.7)) this.#changeAt(raft);
    }
  }

  #changeAt(raft: Raft): void {
    const { configuration } = raft;
    const births = birthsIn(configuration);
    const voters: ReplicaId[] = [];
    const learners: ReplicaId[] = [];
    const calm = this.#random.nextFloat();
    for (const [id, member] of this.#cluster.members) {
      const role = this.#random.nextBoolean(calm) ? "same" : this.#drawRole();
      const next = this.#nextRole(raft, member, role);
      if (next === "voter") voters.push(id);
      if (next === "learner") learners.push(id);
    }
    const context: number[] = [];
    for (const id of [...voters, ...learners]) {
      const isMember = configuration.voters.includes(id) || configuration.learners.includes(id);
      context.push(id, isMember ? births.get(id)! : this.#cluster.member(id).birth);
    }
    const wish = { voters, learners, context: Uint8Array.from(context) };
    const next = { ...wish, votersOutgoing: [] };
    if (!this.#keepsMajorities(next, 0)) return;
    const { configurationIndex } = this.#cluster.change(raft.id, wish);
    if (configurationIndex !== undefined) this.counts.changes++;
  }

  #drawRole(): "voter" | "learner" | "none" {
    const chance = this.#random.nextFloat();
    if (chance < 0.5) return "voter";
    return chance < 0.7 ? "learner" : "none";
  }

  /**
   * What a member may become: a folder that is gone only stays or goes; a new one begins as a
   * learner, and gets a vote when it has the entry that added it.
   */
  #nextRole(
    raft: Raft,
    member: Member,
    role: "same" | "voter" | "learner" | "none",
  ): "voter" | "learner" | "none" {
    const { configuration } = raft;
    const { id, birth } = member;
    const now = configuration.voters.includes(id)
      ? "voter"
      : configuration.learners.includes(id)
        ? "learner"
        : "none";
    if (role === "same" || role === now) return now;
    if (now === "none") return "learner";
    if (birthsIn(configuration).get(id) !== birth) return role === "none" ? "none" : now;
    if (role !== "voter") return role;
    const matchIndex = raft.progress().get(id)?.matchIndex ?? 0;
    return !member.isWaiting && matchIndex >= member.joinedIndex ? "voter" : now;
  }

  /** A server's log is cut by rot, if enough others are healthy. */
  loseLog(id: ReplicaId): void {
    const member = this.#cluster.member(id);
    if (!member.isUp || !this.#mayFail(id)) return;
    const { durable } = member.disk;
    const lastIndex = this.#random.nextInteger(durable.baseIndex, durable.lastIndex() + 1);
    this.#cluster.loseLog(id, lastIndex);
    if (member.abstains) this.counts.logsLost++;
  }

  /** A server's folder is gone, if enough others are healthy. */
  loseFolder(id: ReplicaId): void {
    if (this.#cluster.member(id).isWaiting || !this.#mayFail(id)) return;
    this.#cluster.loseFolder(id);
    this.counts.foldersLost++;
  }

  /** Whoever was added learns it; whoever abstains asks whether its log is whole again. */
  settle(): void {
    for (const member of this.#cluster.members.values()) {
      if (member.isWaiting) this.#maybeAdmit(member);
      else if (member.isUp && member.abstains) this.#maybeTrust(member);
    }
  }

  #maybeAdmit({ id, birth }: Member): void {
    const { checker } = this.#cluster;
    for (let index = 1; index <= checker.committedIndex; index++) {
      const membership = checker.membershipAt(index);
      if (membership.index !== index) continue;
      if (birthsIn(membership.configuration).get(id) !== birth) continue;
      this.#cluster.admit(id, index);
      this.counts.admitted++;
      return;
    }
  }

  #maybeTrust(member: Member): void {
    const answer = member.reads.find(
      ({ requestId, refused }) => requestId > firstTrustRead && !refused,
    );
    if (answer === undefined) {
      this.#cluster.step(member.id, { kind: "readIndex", requestId: ++this.#requestId });
    } else if (member.appliedIndex >= answer.index) {
      this.#cluster.trust(member.id);
      this.counts.trusted++;
    }
  }

  /** Whether the cluster could go on without this one, whatever configuration may still count. */
  #mayFail(id: ReplicaId): boolean {
    const { checker, members } = this.#cluster;
    const { committedIndex } = checker;
    let isChanging = false;
    if (!this.#keepsMajorities(checker.membershipAt(committedIndex).configuration, id)) {
      return false;
    }
    for (const { disk } of members.values()) {
      const start = Math.max(committedIndex + 1, disk.visible.firstIndex());
      for (let index = start; index <= disk.visible.lastIndex(); index++) {
        const { kind, payload } = disk.visible.entry(index)!;
        if (kind !== "configuration") continue;
        if (!this.#keepsMajorities(decodeConfiguration(payload)!, id)) return false;
        isChanging = true;
      }
    }
    if (isChanging) this.mayStall = true;
    return true;
  }

  #keepsMajorities(configuration: Configuration, without: ReplicaId): boolean {
    const births = birthsIn(configuration);
    const isHealthy = (id: ReplicaId) => {
      const member = this.#cluster.member(id);
      return id !== without && member.birth === births.get(id) && !member.hasForgotten;
    };
    const { voters, votersOutgoing } = configuration;
    if (voters.length === 0) return false;
    return [voters, votersOutgoing].every(
      (list) => list.length === 0 || list.filter(isHealthy).length * 2 > list.length,
    );
  }

  /** Whether a server is the one that the committed configuration speaks of. */
  isMember(id: ReplicaId): boolean {
    const { checker } = this.#cluster;
    const { configuration } = checker.membershipAt(checker.committedIndex);
    return birthsIn(configuration).get(id) === this.#cluster.member(id).birth;
  }
}
