// Claims of the Raft paper and the dissertation, one test a claim: safety, crashes, configurations,
// snapshots, reads.
import { describe, expect, test } from "vitest";
import { LoneReplica } from "./lone-replica.test-support.ts";
import { encodeConfiguration } from "./membership.ts";
import { appends, confirm, followerOf2, leader, requestVote } from "./paper.test-support.ts";
import { RaftCluster } from "./raft-cluster.test-support.ts";
import type { LogIndex, Term } from "./types.ts";

describe("safety (§5.4)", () => {
  test.each([
    ["a higher last term", [2, 3], true],
    ["a higher last term in a shorter log", [1, 3], true],
    ["the same last entry", [2, 2], true],
    ["the same last term in a longer log", [3, 2], true],
    ["the same last term in a shorter log", [1, 2], false],
    ["a lower last term in a longer log", [9, 1], false],
  ] as [string, [LogIndex, Term], boolean][])(
    "a candidate with %s, %j, gets the vote: %j (§5.4.1)",
    (_, [lastLogIndex, lastLogTerm], granted) => {
      const replica = new LoneReplica({ log: [1, 2], term: 4 });
      replica.receive({ ...requestVote, term: 5, lastLogIndex, lastLogTerm });
      expect(replica.settle()).toMatchObject([{ granted }]);
    },
  );

  test("a refused candidate's newer term is taken over all the same (§5.1, §5.4.1)", () => {
    const replica = new LoneReplica({ log: [1, 2], term: 4 });
    replica.receive({ ...requestVote, term: 5, lastLogIndex: 9, lastLogTerm: 1 });
    expect(replica.settle()).toMatchObject([{ granted: false, term: 5 }]);
    expect(replica.disk.hardState).toEqual({ term: 5, votedFor: 0 });
  });

  test("entries of older terms are not committed by counting: Figure 8 (§5.4.2)", () => {
    const replica = leader({ voters: [1, 2, 3, 4, 5], log: [1, 2], term: 3 });
    replica.accept(2, 2);
    replica.accept(3, 2);
    expect(replica.raft.commitIndex).toBe(0);
    replica.accept(2, 3);
    expect(replica.raft.commitIndex).toBe(0);
    replica.accept(3, 3);
    expect(replica.raft.commitIndex).toBe(3);
  });

  test("what may be overwritten is never applied: Figure 8 (d) (§5.4.2)", () => {
    const cluster = new RaftCluster({ voters: [1, 2, 3, 4, 5], config: { appendBytesMax: 1 } });
    cluster.campaign(1);
    for (const id of [3, 4, 5]) cluster.block(1, id);
    cluster.propose(1, "old");
    cluster.stabilize();
    cluster.isolate(1);
    cluster.isolate(2);
    for (const id of [3, 4, 5]) cluster.step(id, { kind: "peerUnreachable", peer: 1 });
    cluster.campaign(5);
    cluster.stabilize();
    expect(cluster.leader?.id).toBe(5);
    cluster.heal();
    cluster.tickAll(30);
    // "old" was on two disks only and is gone everywhere; the checker has watched that nobody
    // applied it.
    for (const { disk } of cluster.members.values()) {
      expect(disk.durable.term(2)).toBe(cluster.raft(5).term);
    }
  });

  test("a leader begins its term with a no-op, so that older entries commit without a proposal (§8)", () => {
    const replica = new LoneReplica({ log: [1], term: 1 });
    replica.becomeCandidate();
    replica.settle();
    replica.vote(2);
    const noop = { index: 2, term: 2, kind: "noop", payload: new Uint8Array(0) };
    expect(appends(replica.take())[0]).toMatchObject({ previousLogIndex: 1, entries: [noop] });
    replica.persist();
    replica.accept(2, 2);
    expect(replica.raft.commitIndex).toBe(2);
  });
});

describe("crashes (§5.5)", () => {
  test("a restarted replica goes on with its term, vote and log, and applies from where it was (§5.5)", () => {
    const replica = new LoneReplica({ log: [1, 1, 2], term: 3, votedFor: 2, appliedIndex: 2 });
    expect([replica.raft.term, replica.raft.lastIndex]).toEqual([3, 3]);
    expect([replica.raft.commitIndex, replica.raft.role]).toEqual([2, "follower"]);
    replica.tick();
    expect(replica.last?.applyTo).toBe(2);
  });

  test("a follower that was down gets what it missed (§5.5)", () => {
    const cluster = new RaftCluster({ voters: [1, 2, 3] });
    cluster.campaign(1);
    cluster.crash(3);
    cluster.propose(1, "a", "b", "c");
    cluster.tickAll(5);
    cluster.restart(3);
    cluster.tickAll(10);
    expect(cluster.raft(3).commitIndex).toBe(cluster.raft(1).commitIndex);
  });

  test("requests may come twice without harm (§5.5)", () => {
    const replica = followerOf2([1]);
    for (let i = 0; i < 3; i++) replica.append(2, { previous: [1, 1], terms: [1, 1] });
    expect(replica.settle()).toMatchObject([{ index: 3 }, { index: 3 }, { index: 3 }]);
    expect(replica.terms).toEqual([1, 1, 1]);
  });
});

describe("configurations (§6)", () => {
  const context = new Uint8Array(0);
  const joint = { voters: [2, 3, 4], votersOutgoing: [1, 2, 3], learners: [5], context };
  const jointEntry = (index: LogIndex, term: Term) => ({
    index,
    term,
    kind: "configuration" as const,
    payload: encodeConfiguration(joint),
  });

  function withJoint(): LoneReplica {
    const replica = followerOf2([1]);
    replica.receive({
      kind: "appendEntries",
      term: 1,
      from: 2,
      previousLogIndex: 1,
      previousLogTerm: 1,
      entries: [jointEntry(2, 1)],
      commitIndex: 0,
    });
    replica.settle();
    return replica;
  }

  test("a replica uses the latest configuration in its log, committed or not (§6)", () => {
    expect(withJoint().raft.configuration).toEqual(joint);
  });

  test("a configuration that is cut from the log counts no more (§6)", () => {
    const replica = withJoint();
    replica.append(3, { term: 2, previous: [1, 1], terms: [2] });
    expect(replica.raft.configuration.voters).toEqual([1, 2, 3]);
  });

  test("in joint consensus, election takes a majority of both configurations (§6)", () => {
    const replica = withJoint();
    replica.timeOut();
    replica.vote(2, { preVote: true });
    expect(replica.raft.role).toBe("preCandidate");
    replica.vote(4, { preVote: true });
    expect(replica.raft.role).toBe("candidate");
    replica.persist();
    replica.vote(2);
    expect(replica.raft.role).toBe("candidate");
    replica.vote(3);
    expect(replica.raft.role).toBe("leader");
  });

  test("in joint consensus, commitment takes a majority of both configurations (§6)", () => {
    const replica = withJoint();
    replica.becomeLeader();
    expect(replica.raft.role).toBe("leader");
    const last = replica.raft.lastIndex;
    replica.accept(2, last);
    expect(replica.raft.commitIndex).toBe(0);
    replica.accept(4, last);
    expect(replica.raft.commitIndex).toBe(last);
  });

  test("a vote is refused while a leader was heard within the minimal time-out (§6; diss. §4.2.3)", () => {
    const replica = followerOf2([1]);
    replica.tick(9);
    replica.receive({ ...requestVote, term: 7, from: 3, lastLogIndex: 9, lastLogTerm: 6 });
    expect(replica.settle()).toMatchObject([{ granted: false, term: 1 }]);
    expect(replica.raft.term).toBe(1);
  });

  test("learners receive the log, but do not count and do not stand (diss. §4.2.1)", () => {
    const cluster = new RaftCluster({ voters: [1, 2, 3], learners: [4] });
    cluster.campaign(1);
    cluster.propose(1, "a");
    cluster.stabilize();
    cluster.tickAll(3);
    expect(cluster.raft(4).commitIndex).toBe(2);
    cluster.isolate(2);
    cluster.isolate(3);
    cluster.propose(1, "b");
    cluster.tickAll(3);
    expect([cluster.raft(4).lastIndex, cluster.raft(1).commitIndex]).toEqual([3, 2]);
    cluster.isolate(4);
    cluster.tickAll(100);
    expect([cluster.raft(4).role, cluster.raft(4).leader]).toEqual(["follower", 0]);
  });
});

describe("snapshots (§7)", () => {
  const configuration = encodeConfiguration({
    voters: [1, 2, 3],
    votersOutgoing: [],
    learners: [],
    context: new Uint8Array(0),
  });
  const chunk = (offset: number, done: boolean, lastIndex = 5, lastTerm = 2) =>
    ({
      kind: "installSnapshot",
      term: 2,
      from: 2,
      lastIndex,
      lastTerm,
      configuration,
      offset,
      chunk: Uint8Array.of(1, 2, 3),
      done,
    }) as const;

  test("a leader sends a snapshot to a follower whose next entry it has discarded (§7)", () => {
    const replica = leader({ log: [1, 1, 1, 1], term: 1, compactedTo: 3 });
    replica.receive({
      kind: "appendEntriesResponse",
      term: 2,
      from: 2,
      accepted: false,
      index: 4,
      hintIndex: 1,
      hintTerm: 1,
    });
    expect(replica.last?.snapshotChunks).toEqual([{ to: 2, offset: 0 }]);
    expect(replica.raft.progress().get(2)?.state).toBe("snapshot");
    replica.propose("x");
    expect(appends(replica.take()).filter(({ to }) => to === 2)).toEqual([]);
  });

  test("a follower replaces its log by a snapshot that is ahead of it (§7)", () => {
    const replica = new LoneReplica({ log: [1, 1], term: 2 });
    expect(replica.receive(chunk(0, false)).storeChunk).toMatchObject({ offset: 0 });
    expect(replica.receive(chunk(3, true)).storeChunk).toMatchObject({ offset: 3, done: true });
    replica.settle();
    const { configuration: voters } = replica.raft;
    replica.disk.restore({ index: 5, term: 2, configuration: voters, stateHash: 0 });
    replica.step({ kind: "snapshotRestored", index: 5, term: 2 });
    expect(replica.last?.applyTo).toBe(5);
    expect([replica.raft.lastIndex, replica.raft.commitIndex]).toEqual([5, 5]);
    expect(replica.settle()).toMatchObject([
      { kind: "installSnapshotResponse", lastIndex: 5, installed: true },
    ]);
    replica.append(2, { previous: [5, 2], terms: [2] });
    expect(replica.settle()).toMatchObject([{ accepted: true, index: 6 }]);
  });

  test("a follower keeps its log when the snapshot is a part of it (§7)", () => {
    const replica = new LoneReplica({ log: [1, 1, 2, 2, 2, 2], term: 2 });
    expect(replica.receive(chunk(0, false)).storeChunk).toBeUndefined();
    expect(replica.settle()).toMatchObject([{ installed: true, lastIndex: 5 }]);
    expect([replica.raft.lastIndex, replica.raft.commitIndex]).toEqual([6, 5]);
  });

  test("a follower takes chunks in order and says from where it wants to go on (§7)", () => {
    const replica = new LoneReplica({ term: 2 });
    replica.receive(chunk(3, false));
    replica.receive(chunk(0, false));
    replica.receive(chunk(0, false));
    replica.receive(chunk(9, false));
    expect(replica.settle()).toMatchObject([
      { nextOffset: 0 },
      { nextOffset: 3 },
      { nextOffset: 3 },
      { nextOffset: 3 },
    ]);
  });

  test("entries that come while a snapshot is being restored are not acknowledged (§7)", () => {
    const replica = new LoneReplica({ log: [1], term: 2 });
    replica.receive(chunk(0, true));
    replica.settle();
    replica.append(2, { previous: [1, 1], terms: [2], commitIndex: 2 });
    expect(replica.settle()).toEqual([]);
    expect([replica.raft.lastIndex, replica.raft.commitIndex]).toEqual([1, 0]);
  });

  test("a follower far behind catches up by a snapshot and then the log (§7)", () => {
    const cluster = new RaftCluster({ voters: [1, 2, 3] });
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.propose(1, "a", "b", "c");
    cluster.tickAll(3);
    cluster.compact(1);
    cluster.compact(2);
    cluster.propose(1, "d");
    cluster.heal();
    cluster.tickAll(30);
    expect(cluster.member(3).disk.snapshot.index).toBe(4);
    expect(cluster.member(3).appliedIndex).toBe(cluster.raft(1).commitIndex);
  });
});

describe("reads (§8; diss. §6.4)", () => {
  const read = { kind: "readIndex", requestId: 7 } as const;

  test("a leader answers no read before it has committed an entry of its term (§8)", () => {
    const replica = leader({ log: [1, 1], term: 1 });
    replica.step(read);
    expect([replica.last?.reads, replica.take()]).toEqual([[], []]);
    replica.accept(2, 3);
    confirm(replica, 2);
    expect(replica.last?.reads).toEqual([{ requestId: 7, index: 3, refused: false }]);
  });

  test("a leader hears a majority before it answers a read (§8)", () => {
    const replica = leader({ voters: [1, 2, 3, 4, 5] });
    for (const from of [2, 3]) replica.accept(from, 1);
    replica.take();
    replica.step(read);
    expect(replica.take()).toMatchObject([2, 3, 4, 5].map((to) => ({ to, readSequence: 1 })));
    confirm(replica, 2);
    expect(replica.last?.reads).toEqual([]);
    confirm(replica, 5);
    expect(replica.last?.reads).toEqual([{ requestId: 7, index: 1, refused: false }]);
  });

  test("many reads share one round, but none joins a round that began before it (diss. §6.4)", () => {
    const replica = leader();
    replica.accept(2, 1);
    for (let requestId = 1; requestId <= 5; requestId++)
      replica.step({ kind: "readIndex", requestId });
    confirm(replica, 2, 1);
    expect(replica.last?.reads.map(({ requestId }) => requestId)).toEqual([1]);
    confirm(replica, 2, 2);
    expect(replica.last?.reads.map(({ requestId }) => requestId)).toEqual([2, 3, 4, 5]);
  });

  test("a single voter answers a read at once (diss. §6.4)", () => {
    const replica = leader({ voters: [1] });
    expect(replica.step(read).reads).toEqual([{ requestId: 7, index: 1, refused: false }]);
  });

  test("a follower asks the leader for an index to read at (diss. §6.4)", () => {
    const replica = followerOf2([1]);
    replica.step(read);
    expect(replica.take()).toMatchObject([{ kind: "readIndex", to: 2, requestId: 7 }]);
    const answer = { kind: "readIndexResponse", term: 1, from: 2, requestId: 7, refused: false };
    replica.receive({ ...answer, kind: "readIndexResponse", index: 4 });
    expect(replica.last?.reads).toEqual([{ requestId: 7, index: 4, refused: false }]);
  });

  test("reads are refused where there is no leader, and when leadership is lost (diss. §6.4)", () => {
    const alone = new LoneReplica();
    expect(alone.step(read).reads).toEqual([{ requestId: 7, index: 0, refused: true }]);
    const follower = followerOf2([1]);
    follower.step(read);
    expect(follower.heartbeat(3, 2).reads).toEqual([{ requestId: 7, index: 0, refused: true }]);
    const first = leader();
    first.step(read);
    first.receive({ kind: "readIndex", term: 1, from: 3, requestId: 9 });
    expect(first.heartbeat(2, 2).reads).toEqual([{ requestId: 7, index: 0, refused: true }]);
    expect(first.settle()).toContainEqual(
      expect.objectContaining({ kind: "readIndexResponse", to: 3, requestId: 9, refused: true }),
    );
  });

  test("a forwarded read that nobody answers is refused after an election time-out (diss. §6.4)", () => {
    const replica = followerOf2([1]);
    replica.step(read);
    let refused = 0;
    for (let i = 0; i < 20; i++) {
      replica.heartbeat(2);
      replica.tick();
      refused += replica.last!.reads.length;
    }
    expect(refused).toBe(1);
  });
});
