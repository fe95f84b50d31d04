// The claims of the paper's §6 and of the dissertation's chapter 4 about changes of the members,
// and what this project adds for members that come back with less than they had.
import { describe, expect, test } from "vitest";
import type { LoneReplica } from "./lone-replica.test-support.ts";
import { encodeConfiguration } from "./membership.ts";
import { appends, confirm, followerOf2, kinds, leader, requestVote } from "./paper.test-support.ts";
import { RaftCluster } from "./raft-cluster.test-support.ts";
import type { Configuration, ReplicaId } from "./types.ts";

const context = new Uint8Array(0);

/** A leader of 1, 2, 3 whose no-op (1) is committed. */
function settledLeader(start: Parameters<typeof leader>[0] = {}): LoneReplica {
  const replica = leader(start);
  replica.accept(2, 1);
  replica.take();
  return replica;
}

/** A cluster that replica 1 leads. */
function clusterLedBy1(voters: readonly ReplicaId[]): RaftCluster {
  const cluster = new RaftCluster({ voters });
  cluster.campaign(1);
  return cluster;
}

/** An empty server with this id becomes a learner. */
function addLearner(cluster: RaftCluster, id: ReplicaId): void {
  const { configuration, id: leaderId } = cluster.leader!;
  const { voters, learners } = configuration;
  cluster.await(id);
  const { configurationIndex } = cluster.change(leaderId, { voters, learners: [...learners, id] });
  cluster.stabilize();
  cluster.admit(id, configurationIndex!);
  cluster.tickAll(10);
}

function lists({ voters, votersOutgoing, learners }: Configuration) {
  return { voters, votersOutgoing, learners };
}

describe("changes of the configuration (§6)", () => {
  test("a new server catches up as a learner, then gets a vote (§6; diss. §4.2.1)", () => {
    const cluster = clusterLedBy1([1, 2, 3]);
    cluster.propose(1, "a", "b");
    cluster.stabilize();
    addLearner(cluster, 4);
    expect(cluster.member(4).appliedIndex).toBe(cluster.raft(1).commitIndex);
    cluster.change(1, { voters: [1, 2, 3, 4] });
    cluster.tickAll(10);
    const expected = { voters: [1, 2, 3, 4], votersOutgoing: [], learners: [] };
    for (const id of [1, 2, 3, 4]) expect(lists(cluster.raft(id).configuration)).toEqual(expected);
    expect(cluster.raft(1).isConfigurationChanging).toBe(false);
  });

  test("other voters: first both lists decide, and when that is committed the new one (§6)", () => {
    const replica = settledLeader();
    const { configurationIndex, configurationRefused } = replica.change([2, 3, 4], [5]);
    expect([configurationIndex, configurationRefused]).toEqual([2, undefined]);
    const joint = { voters: [2, 3, 4], votersOutgoing: [1, 2, 3], learners: [5] };
    expect(lists(replica.raft.configuration)).toEqual(joint);
    replica.settle();
    replica.accept(2, 2);
    replica.tick();
    expect(lists(replica.raft.configuration)).toEqual(joint);
    expect([replica.raft.commitIndex, replica.raft.isConfigurationChanging]).toEqual([1, true]);
    replica.accept(3, 2);
    expect([replica.raft.commitIndex, replica.raft.configurationIndex]).toEqual([2, 3]);
    expect(lists(replica.raft.configuration)).toEqual({ ...joint, votersOutgoing: [] });
    expect(replica.raft.committedConfiguration.index).toBe(2);
  });

  test("the same voters: one entry, which needs no joint phase (§6)", () => {
    const replica = settledLeader();
    replica.accept(3, 1);
    replica.take();
    replica.change([3, 2, 1], [4], Uint8Array.of(9));
    const { configuration } = replica.raft;
    expect(lists(configuration)).toEqual({
      voters: [3, 2, 1],
      votersOutgoing: [],
      learners: [4],
    });
    expect(configuration.context).toEqual(Uint8Array.of(9));
    expect(kinds(replica.take())).toEqual([
      "appendEntries to 2",
      "appendEntries to 3",
      "appendEntries to 4",
    ]);
    replica.settle();
    replica.accept(2, 2);
    expect([replica.raft.commitIndex, replica.raft.isConfigurationChanging]).toEqual([2, false]);
  });

  test("a configuration that is not committed goes again with its entry (§6)", () => {
    const cluster = clusterLedBy1([1, 2, 3]);
    cluster.isolate(1);
    cluster.change(1, { voters: [1, 2] });
    cluster.stabilize();
    expect(cluster.raft(1).configuration.votersOutgoing).toEqual([1, 2, 3]);
    cluster.tickAll(60);
    cluster.propose(cluster.leader!.id, "a");
    cluster.stabilize();
    cluster.heal();
    cluster.tickAll(10);
    const { configuration, isConfigurationChanging } = cluster.raft(1);
    expect(configuration.voters).toEqual([1, 2, 3]);
    expect(isConfigurationChanging).toBe(false);
  });

  test("a later leader leaves the joint phase that it finds, after its first commit (§6)", () => {
    const cluster = clusterLedBy1([1, 2, 3]);
    cluster.change(1, { voters: [1, 2] });
    // The joint entry gets everywhere, and its leader dies before it hears of that.
    cluster.completeWrites(1, 1);
    for (const packet of cluster.packets.splice(0)) cluster.deliver(packet);
    for (const id of [2, 3]) cluster.completeWrites(id, 1);
    cluster.crash(1);
    // Without 1 there is no majority of the new list.
    cluster.tickAll(60);
    expect(cluster.leader).toBeUndefined();
    const joint = { voters: [1, 2], votersOutgoing: [1, 2, 3] };
    expect(cluster.raft(2).configuration).toMatchObject(joint);
    cluster.restart(1);
    cluster.tickAll(60);
    expect(cluster.leader?.configuration).toMatchObject({ ...joint, votersOutgoing: [] });
    expect([...cluster.leader!.progress().keys()].sort()).toEqual([1, 2]);
  });

  test("an uncommitted removal does not lock the cluster when only the removed one has it (diss. §4.2.2)", () => {
    const cluster = clusterLedBy1([1, 2]);
    addLearner(cluster, 3);
    const { configurationIndex } = cluster.change(1, { voters: [2, 3] });
    for (let i = 0; i < 100 && cluster.raft(1).configurationIndex === configurationIndex; i++) {
      cluster.completeWrites(1, 1);
      for (const packet of cluster.packets.splice(0)) cluster.deliver(packet);
      for (const id of [2, 3]) cluster.completeWrites(id, cluster.member(id).disk.writes.length);
    }
    // The final entry is on the disk of 1 alone.
    cluster.completeWrites(1, cluster.member(1).disk.writes.length);
    cluster.packets = [];
    cluster.crash(1);
    cluster.restart(1);
    expect(cluster.raft(1).configuration).toMatchObject({ voters: [2, 3], votersOutgoing: [] });
    cluster.tickAll(100);
    expect(cluster.raft(2).configuration).toMatchObject({ voters: [2, 3], votersOutgoing: [] });
    expect([2, 3]).toContain(cluster.leader?.id);
    expect(cluster.leader?.isConfigurationChanging).toBe(false);
  });

  test("a leader without a vote leads until that is committed, and does not count itself (diss. §4.2.2)", () => {
    const replica = settledLeader();
    replica.change([2, 3]);
    replica.settle();
    replica.accept(2, 2);
    replica.accept(3, 2);
    expect([replica.raft.commitIndex, replica.raft.configurationIndex]).toEqual([2, 3]);
    replica.settle();
    replica.accept(2, 3);
    expect([replica.raft.role, replica.raft.commitIndex]).toEqual(["leader", 2]);
    replica.take();
    replica.accept(3, 3);
    expect([replica.raft.role, replica.raft.commitIndex]).toEqual(["follower", 3]);
    // The others hear of the commit first; then one takes over without waiting for a time-out.
    expect(kinds(replica.take())).toEqual(["heartbeat to 2", "heartbeat to 3", "timeoutNow to 2"]);
    replica.tick(100);
    expect([replica.raft.role, kinds(replica.take())]).toEqual(["follower", []]);
  });

  test("when the leader goes, another leads at once (diss. §4.2.2)", () => {
    const cluster = clusterLedBy1([1, 2, 3]);
    cluster.change(1, { voters: [2, 3] });
    cluster.stabilize();
    expect([cluster.raft(1).role, [2, 3].includes(cluster.leader!.id)]).toEqual(["follower", true]);
    expect(cluster.leader!.term).toBe(2);
  });

  test("a leader that is no voter asks the voters for reads, not itself (diss. §6.4)", () => {
    const replica = settledLeader();
    replica.change([2, 3]);
    replica.settle();
    for (const from of [2, 3]) replica.accept(from, 2);
    replica.settle();
    replica.step({ kind: "readIndex", requestId: 7 });
    confirm(replica, 2);
    expect(replica.last?.reads).toEqual([]);
    confirm(replica, 3);
    expect(replica.last?.reads).toEqual([{ requestId: 7, index: 2, refused: false }]);
  });

  test("fewer voters commit at once what they all have (§6)", () => {
    const replica = leader({ voters: [1, 2, 3, 4, 5] });
    for (const from of [2, 3]) replica.accept(from, 1);
    replica.change([1, 2, 3]);
    replica.settle();
    for (const from of [2, 3]) replica.accept(from, 2);
    expect(replica.raft.configurationIndex).toBe(3);
    replica.settle();
    replica.propose("x");
    replica.settle();
    replica.accept(2, 4);
    expect(replica.raft.commitIndex).toBe(4);
  });

  test("removed servers do not disturb those who hear a leader (§6; diss. §4.2.3)", () => {
    const cluster = clusterLedBy1([1, 2, 3, 4]);
    // 4 sleeps through its removal.
    cluster.isolate(4);
    cluster.change(1, { voters: [1, 2, 3] });
    cluster.tickAll(5);
    const { term } = cluster.raft(1);
    cluster.heal();
    for (let i = 0; i < 100; i++) {
      cluster.tickAll();
      expect([cluster.leader?.id, cluster.raft(1).term]).toEqual([1, term]);
    }
    expect(cluster.raft(4).role).not.toBe("leader");
  });

  test("a removed server that knows it stands no more (diss. §4.2.3)", () => {
    const replica = followerOf2([1]);
    const removal = { voters: [2, 3, 4], votersOutgoing: [], learners: [], context };
    replica.receive({
      kind: "appendEntries",
      term: 1,
      from: 2,
      previousLogIndex: 1,
      previousLogTerm: 1,
      entries: [
        { index: 2, term: 1, kind: "configuration", payload: encodeConfiguration(removal) },
      ],
      commitIndex: 2,
    });
    replica.settle();
    replica.tick(200);
    expect([replica.raft.role, kinds(replica.take())]).toEqual(["follower", []]);
  });
});

describe("refused changes", () => {
  const many = Array.from({ length: 40 }, (_, i) => i + 1);

  test.each<[string, readonly ReplicaId[], readonly ReplicaId[], number]>([
    ["somebody must have a vote", [], [1], 0],
    ["a server is listed twice", [1, 2], [2], 0],
    ["a server is listed twice", [1, 1], [], 0],
    ["a server's id is a positive integer of 32 bits", [1, 0], [], 0],
    ["a server's id is a positive integer of 32 bits", [1, 2 ** 32], [], 0],
    ["too many servers", many, many.map((id) => id + 100), 0],
    ["the context is too large", [1, 2, 3], [], 64 * 1024 + 1],
  ])("%s", (reason, voters, learners, contextBytes) => {
    const replica = settledLeader();
    const effects = replica.change(voters, learners, new Uint8Array(contextBytes));
    expect(effects.configurationRefused).toBe(reason);
    expect([effects.configurationIndex, replica.raft.lastIndex]).toEqual([undefined, 1]);
  });

  test("by everyone but a leader", () => {
    const effects = followerOf2([1]).change([1, 2]);
    expect(effects.configurationRefused).toBe("this server does not lead");
  });

  test("by a leader whose term has no commit yet (erratum to diss. §4.1)", () => {
    const effects = leader().change([1, 2]);
    expect(effects.configurationRefused).toBe("this leader is too new");
  });

  test("while another change is joint or not committed (§6)", () => {
    const replica = settledLeader();
    replica.change([1, 2, 3], [4]);
    const reason = "another change is under way";
    expect(replica.change([1, 2, 3]).configurationRefused).toBe(reason);
    replica.settle();
    replica.accept(2, 2);
    expect(replica.change([1, 2, 3, 4]).configurationRefused).toBeUndefined();
    expect(replica.change([1, 2, 3]).configurationRefused).toBe(reason);
  });

  test("while leadership is handed over", () => {
    const replica = settledLeader();
    replica.step({ kind: "transferLeadership", target: 3 });
    const effects = replica.change([1, 2]);
    expect(effects.configurationRefused).toBe("leadership is being handed over");
  });

  test("while too much is not committed", () => {
    const replica = settledLeader({ config: { uncommittedBytesMax: 100 } });
    replica.propose("x".repeat(60));
    const effects = replica.change([1, 2]);
    expect(effects.configurationRefused).toBe("too much is not committed yet");
  });

  test("leadership goes to voters of the newest configuration only", () => {
    const replica = settledLeader();
    replica.change([1, 2], [3]);
    replica.step({ kind: "transferLeadership", target: 3 });
    expect(replica.raft.isTransferring).toBe(false);
    replica.step({ kind: "transferLeadership", target: 2 });
    expect(replica.raft.isTransferring).toBe(true);
  });

  test("the joint phase is not left while leadership is handed over, but after", () => {
    const replica = settledLeader();
    replica.change([1, 2]);
    replica.settle();
    replica.step({ kind: "transferLeadership", target: 2 });
    replica.accept(2, 2);
    expect([replica.raft.commitIndex, replica.raft.configurationIndex]).toEqual([2, 2]);
    replica.step({ kind: "peerUnreachable", peer: 2 });
    replica.tick();
    expect(replica.raft.configurationIndex).toBe(3);
  });
});

describe("members that remember less than they promised", () => {
  const transferTo2 = { kind: "transferLeadership", target: 2 } as const;
  const asked = { ...requestVote, term: 2, lastLogIndex: 9, lastLogTerm: 1 };

  test("before its log has the entry that added it, a replica votes for nobody and does not stand", () => {
    const replica = leader({ joinedIndex: 3, log: [1, 1] });
    expect(replica.raft.role).toBe("follower");
    replica.receive({ ...asked, preVote: true });
    replica.receive(asked);
    expect(replica.settle()).toMatchObject([{ granted: false }, { granted: false }]);
    replica.append(2, { term: 2, previous: [2, 1], terms: [2], commitIndex: 3 });
    replica.tick(20);
    replica.settle();
    replica.receive({ ...asked, term: 4, lastLogTerm: 2 });
    expect(replica.settle().at(-1)).toMatchObject({ granted: true });
  });

  test("before that it does not answer a leader that knows only its predecessor", () => {
    const replica = leader({ joinedIndex: 3, log: [1, 1] });
    replica.take();
    replica.append(2, { term: 1, previous: [2, 1], terms: [1, 1], commitIndex: 2 });
    expect([replica.settle(), replica.raft.lastIndex]).toEqual([[], 2]);
    // Such a leader may also name what the predecessor had, and ask for the right to read.
    replica.receive({
      kind: "heartbeat",
      term: 1,
      from: 2,
      commitIndex: 9,
      readSequence: 5,
      wantsAnswer: true,
    });
    expect(replica.settle()).toMatchObject([{ kind: "heartbeatResponse", readSequence: 0 }]);
    expect(replica.raft.commitIndex).toBe(0);
  });

  test("two newcomers under old ids do not give a leader of old times a majority", () => {
    const cluster = clusterLedBy1([1, 2, 3, 4, 5]);
    // 1 stands still, still leading; the others go on, and replace 4 and 5.
    cluster.isolate(1);
    const others = new Set([1]);
    cluster.tickAll(60, others);
    // Who leads them must not be among those that go.
    if (cluster.leader!.id > 3) cluster.step(cluster.leader!.id, transferTo2);
    cluster.tickAll(20, others);
    const { id: leaderId } = cluster.leader!;
    expect([2, 3]).toContain(leaderId);
    cluster.change(leaderId, { voters: [1, 2, 3] });
    cluster.tickAll(5, others);
    for (const id of [4, 5]) cluster.loseFolder(id);
    const wish = { voters: [1, 2, 3], learners: [4, 5] };
    const { configurationIndex } = cluster.change(leaderId, wish);
    cluster.tickAll(5, others);
    for (const id of [4, 5]) cluster.admit(id, configurationIndex!);
    cluster.heal();
    for (const id of [2, 3]) cluster.isolate(id);
    cluster.packets = [];
    const { commitIndex } = cluster.raft(1);
    cluster.propose(1, "x");
    cluster.step(1, { kind: "readIndex", requestId: 1 });
    cluster.tickAll(100);
    expect(cluster.raft(1).commitIndex).toBe(commitIndex);
    expect(cluster.member(1).reads.filter(({ refused }) => !refused)).toEqual([]);
    cluster.heal();
    cluster.tickAll(60);
    expect(cluster.leader!.term).toBeGreaterThan(1);
    expect(cluster.raft(1).commitIndex).toBe(cluster.leader!.commitIndex);
  });

  test("a replica that abstains follows and acknowledges, but neither votes nor stands until it trusts its log", () => {
    const replica = leader({ abstains: true, log: [1] });
    expect(replica.raft.role).toBe("follower");
    replica.receive({ ...asked, preVote: true });
    replica.receive(asked);
    expect(replica.settle()).toMatchObject([{ granted: false }, { granted: false }]);
    replica.append(2, { term: 2, previous: [1, 1], terms: [2], commitIndex: 2 });
    expect(replica.settle()).toMatchObject([{ accepted: true, index: 2 }]);
    expect(replica.raft.commitIndex).toBe(2);
    replica.heartbeat(2, 2, 9);
    expect(replica.raft.commitIndex).toBe(2);
    replica.step({ kind: "trustLog" });
    replica.settle();
    replica.becomeLeader();
    expect(replica.raft.role).toBe("leader");
  });

  test("a leader forgets what a peer had that has lost its log, and sends it again", () => {
    const replica = settledLeader();
    replica.propose("a", "b");
    replica.settle();
    replica.accept(2, 2);
    expect(replica.raft.commitIndex).toBe(2);
    replica.step({ kind: "peerLostLog", peer: 2 });
    expect(replica.raft.progress().get(2)).toMatchObject({ state: "probe", matchIndex: 0 });
    expect(appends(replica.take())).toMatchObject([{ to: 2, previousLogIndex: 3 }]);
    // What is committed stays; what 2 had acknowledged besides counts no more.
    replica.accept(3, 2);
    expect(replica.raft.commitIndex).toBe(2);
    replica.accept(2, 3);
    expect(replica.raft.commitIndex).toBe(3);
  });

  test("to a follower, a peer's loss means nothing", () => {
    const replica = followerOf2([1]);
    const effects = replica.step({ kind: "peerLostLog", peer: 3 });
    expect([effects.send, effects.persist]).toEqual([[], undefined]);
  });
});
