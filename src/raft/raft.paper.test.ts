// What the Raft paper (Ongaro, Ousterhout 2014, "§") and Ongaro's dissertation ("diss. §") claim,
// one test a claim. Here terms, elections and changes of leader; replication, safety, snapshots and
// reads are in the files beside.
import { describe, expect, test } from "vitest";
import { LoneReplica } from "./lone-replica.test-support.ts";
import { followerOf2, kinds, leader, requestVote } from "./paper.test-support.ts";
import { RaftCluster } from "./raft-cluster.test-support.ts";

describe("terms (§5.1)", () => {
  test("a replica that sees a newer term takes it over and has not voted in it (§5.1)", () => {
    const replica = new LoneReplica({ term: 1, votedFor: 3 });
    replica.heartbeat(2, 4);
    expect(replica.raft.term).toBe(4);
    expect(replica.last?.persist?.hardState).toEqual({ term: 4, votedFor: 0 });
  });

  test.each(["preCandidate", "candidate", "leader"] as const)(
    "a %s that finds its term out of date becomes a follower at once (§5.1)",
    (role) => {
      const replica = new LoneReplica();
      if (role === "preCandidate") replica.timeOut();
      if (role === "candidate") replica.becomeCandidate();
      if (role === "leader") replica.becomeLeader();
      expect(replica.raft.role).toBe(role);
      replica.heartbeat(2, 9);
      expect([replica.raft.role, replica.raft.term, replica.raft.leader]).toEqual([
        "follower",
        9,
        2,
      ]);
    },
  );

  test("a request of an older term is refused, and its sender learns the newer one (§5.1)", () => {
    const replica = new LoneReplica({ term: 5 });
    replica.append(2, { term: 4, previous: [0, 0], terms: [4] });
    replica.receive({ ...requestVote, term: 4, from: 3 });
    expect(replica.settle()).toMatchObject([
      { kind: "appendEntriesResponse", to: 2, term: 5, accepted: false },
      { kind: "requestVoteResponse", to: 3, term: 5, granted: false },
    ]);
    expect(replica.terms).toEqual([]);
    expect(replica.raft.leader).toBe(0);
  });
});

describe("leader election (§5.2)", () => {
  test("a replica begins as a follower (§5.2)", () => {
    expect(new LoneReplica().raft.role).toBe("follower");
  });

  test("a leader sends heartbeats to everyone to keep its authority (§5.2)", () => {
    const replica = leader();
    replica.tick(2);
    expect(kinds(replica.take())).toEqual(["heartbeat to 2", "heartbeat to 3"]);
    replica.tick(4);
    expect(replica.take()).toHaveLength(4);
  });

  test("a follower that hears its leader remains a follower (§5.2)", () => {
    const replica = followerOf2();
    for (let i = 0; i < 50; i++) {
      replica.tick(9);
      replica.heartbeat(2);
    }
    expect(replica.raft.role).toBe("follower");
  });

  test("a follower that hears nothing over its election time-out stands (§5.2)", () => {
    const replica = followerOf2();
    replica.tick(9);
    expect(replica.raft.role).toBe("follower");
    replica.tick(11);
    expect([replica.raft.role, replica.raft.leader]).toEqual(["preCandidate", 0]);
  });

  test("a candidate raises its term, votes for itself and asks all others for their votes (§5.2)", () => {
    const replica = new LoneReplica({ log: [1, 2], term: 3 });
    replica.becomeCandidate();
    replica.take();
    expect([replica.raft.role, replica.raft.term]).toEqual(["candidate", 4]);
    expect(replica.settle()).toMatchObject([
      { kind: "requestVote", to: 2, term: 4, preVote: false, lastLogIndex: 2, lastLogTerm: 2 },
      { kind: "requestVote", to: 3, term: 4, preVote: false, lastLogIndex: 2, lastLogTerm: 2 },
    ]);
    expect(replica.disk.hardState).toEqual({ term: 4, votedFor: 1 });
  });

  test.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
    [7, 3],
  ])("of %i voters a candidate needs the votes of %i others (§5.2)", (size, others) => {
    const voters = Array.from({ length: size }, (_, i) => i + 1);
    const replica = new LoneReplica({ voters });
    replica.becomeCandidate();
    replica.persist();
    for (let voter = 2; voter < others + 1; voter++) replica.vote(voter);
    if (others > 0) {
      expect(replica.raft.role).toBe("candidate");
      replica.vote(others + 1);
    }
    expect(replica.raft.role).toBe("leader");
  });

  test("a vote that is given twice counts once (§5.2)", () => {
    const replica = new LoneReplica({ voters: [1, 2, 3, 4, 5] });
    replica.becomeCandidate();
    replica.vote(2);
    replica.vote(2);
    expect(replica.raft.role).toBe("candidate");
  });

  test("a replica votes for at most one candidate a term, first come first served (§5.2)", () => {
    const replica = new LoneReplica();
    replica.receive({ ...requestVote, term: 1, from: 2 });
    replica.receive({ ...requestVote, term: 1, from: 3 });
    replica.receive({ ...requestVote, term: 1, from: 2 });
    expect(replica.settle()).toMatchObject([
      { to: 3, granted: false },
      { to: 2, granted: true },
      { to: 2, granted: true },
    ]);
  });

  test("a vote survives a restart (§5.2)", () => {
    const replica = new LoneReplica({ term: 3, votedFor: 2 });
    replica.receive({ ...requestVote, term: 3, from: 3 });
    replica.receive({ ...requestVote, term: 3, from: 2 });
    expect(replica.settle()).toMatchObject([
      { to: 3, granted: false },
      { to: 2, granted: true },
    ]);
  });

  test("a vote is durable before it is given (Figure 2)", () => {
    const replica = new LoneReplica();
    replica.receive({ ...requestVote, term: 1 });
    expect(replica.take()).toEqual([]);
    expect(replica.settle()).toMatchObject([{ kind: "requestVoteResponse", granted: true }]);
    expect(replica.disk.hardState).toEqual({ term: 1, votedFor: 2 });
  });

  test("a term is durable before its candidate asks for votes (Figure 2)", () => {
    const replica = new LoneReplica();
    replica.becomeCandidate();
    expect(kinds(replica.take()).filter((kind) => kind === "requestVote to 2")).toHaveLength(1);
    expect(kinds(replica.settle())).toEqual(["requestVote to 2", "requestVote to 3"]);
  });

  test("a candidate that hears a leader of its term follows it (§5.2)", () => {
    const replica = new LoneReplica();
    replica.becomeCandidate();
    replica.append(2, { previous: [0, 0] });
    expect([replica.raft.role, replica.raft.leader]).toEqual(["follower", 2]);
  });

  test("a candidate does not mind a leader of an older term (§5.2)", () => {
    const replica = new LoneReplica({ term: 3 });
    replica.becomeCandidate();
    replica.heartbeat(2, 3);
    expect([replica.raft.role, replica.raft.term]).toEqual(["candidate", 4]);
  });

  test("after a split vote a candidate stands again in a new term (§5.2)", () => {
    const replica = new LoneReplica({ voters: [1, 2, 3, 4] });
    replica.becomeCandidate();
    replica.vote(2);
    replica.vote(3, { granted: false });
    expect(replica.raft.role).toBe("candidate");
    replica.tick(20);
    expect(replica.raft.role).toBe("preCandidate");
    replica.vote(2, { preVote: true });
    replica.vote(3, { preVote: true });
    expect([replica.raft.role, replica.raft.term]).toEqual(["candidate", 2]);
  });

  test("a candidate that a majority refuses gives up (§5.2)", () => {
    const replica = new LoneReplica();
    replica.becomeCandidate();
    replica.vote(2, { granted: false });
    replica.vote(3, { granted: false });
    expect(replica.raft.role).toBe("follower");
  });

  test("election time-outs are drawn at random from the whole range (§5.2)", () => {
    const drawn = new Set<number>();
    for (let seed = 0; seed < 300; seed++) {
      const replica = new LoneReplica({ config: { seed } });
      let ticks = 0;
      for (; replica.raft.role === "follower"; ticks++) replica.tick();
      drawn.add(ticks);
    }
    expect([...drawn].sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  test("a new leader tells everyone at once, so that nobody else stands (§5.2)", () => {
    const replica = new LoneReplica();
    replica.becomeCandidate();
    replica.settle();
    replica.vote(2);
    expect(kinds(replica.take())).toEqual(["appendEntries to 2", "appendEntries to 3"]);
  });
});

describe("check-quorum (diss. §6.2)", () => {
  test("a leader that hears no majority for an election time-out steps down (diss. §6.2)", () => {
    const replica = leader();
    replica.tick(19);
    expect(replica.raft.role).toBe("leader");
    replica.tick(1);
    expect([replica.raft.role, replica.raft.leader, replica.raft.term]).toEqual(["follower", 0, 1]);
  });

  test("a leader that hears a majority goes on (diss. §6.2)", () => {
    const replica = leader();
    for (let i = 0; i < 10; i++) {
      replica.tick(19);
      replica.accept(2, 1);
    }
    expect(replica.raft.role).toBe("leader");
  });

  test("a connection that breaks is not silence yet, but shows as not active (diss. §6.2)", () => {
    const replica = leader();
    for (const peer of [2, 3]) replica.step({ kind: "peerUnreachable", peer });
    replica.tick();
    expect(replica.raft.role).toBe("leader");
    expect(replica.raft.progress().get(2)?.recentActive).toBe(false);
    replica.accept(2, 1);
    expect(replica.raft.progress().get(2)?.recentActive).toBe(true);
  });
});

describe("pre-vote (diss. §9.6)", () => {
  test("a pre-candidate asks about the next term without entering it (diss. §9.6)", () => {
    const replica = new LoneReplica({ term: 3, log: [1] });
    replica.timeOut();
    expect([replica.raft.role, replica.raft.term]).toEqual(["preCandidate", 3]);
    expect(replica.last?.persist).toBeUndefined();
    expect(replica.take()).toMatchObject([
      { to: 2, term: 4, preVote: true, lastLogIndex: 1 },
      { to: 3, term: 4, preVote: true, lastLogIndex: 1 },
    ]);
  });

  test("it stands only when a majority would vote for it (diss. §9.6)", () => {
    const replica = new LoneReplica({ voters: [1, 2, 3, 4, 5] });
    replica.timeOut();
    replica.vote(2, { preVote: true });
    replica.vote(3, { preVote: true, granted: false });
    expect([replica.raft.role, replica.raft.term]).toEqual(["preCandidate", 0]);
    replica.vote(4, { preVote: true });
    expect([replica.raft.role, replica.raft.term]).toEqual(["candidate", 1]);
  });

  test("granting a pre-vote changes nothing and may be done for many (diss. §9.6)", () => {
    const replica = new LoneReplica({ log: [1], term: 1 });
    const asked = { ...requestVote, preVote: true, term: 2, lastLogIndex: 1, lastLogTerm: 1 };
    for (const from of [2, 3]) replica.receive({ ...asked, from });
    expect(replica.take()).toMatchObject([
      { to: 2, term: 2, preVote: true, granted: true },
      { to: 3, term: 2, preVote: true, granted: true },
    ]);
    expect([replica.raft.term, replica.disk.writes]).toEqual([1, []]);
  });

  test.each([
    ["its log is behind", { lastLogIndex: 0, lastLogTerm: 0 }, 99],
    ["a leader was heard", { lastLogIndex: 1, lastLogTerm: 1 }, 9],
  ])("a pre-vote is refused when %s (diss. §9.6)", (_, log, ticks) => {
    const replica = followerOf2([1]);
    replica.tick(ticks);
    replica.take();
    replica.receive({ ...requestVote, ...log, preVote: true, term: 2, from: 3 });
    expect(replica.settle()).toMatchObject([{ to: 3, preVote: true, granted: false, term: 1 }]);
  });

  test("a replica that was cut off does not disturb the leader when it returns (diss. §9.6)", () => {
    const cluster = new RaftCluster({ voters: [1, 2, 3] });
    cluster.campaign(1);
    const { term } = cluster.raft(1);
    cluster.isolate(3);
    cluster.tickAll(200);
    cluster.heal();
    cluster.tickAll(20);
    expect([cluster.leader?.id, cluster.raft(1).term, cluster.raft(3).leader]).toEqual([
      1,
      term,
      1,
    ]);
  });
});

describe("leadership transfer (diss. §3.10)", () => {
  test("the target is told to stand when it has the whole log (diss. §3.10)", () => {
    const replica = leader();
    replica.accept(2, 1);
    replica.propose("x");
    replica.settle();
    replica.step({ kind: "transferLeadership", target: 2 });
    expect(kinds(replica.take())).toEqual([]);
    replica.accept(2, 2);
    expect(kinds(replica.take())).toContain("timeoutNow to 2");
  });

  test("without a target, the voter that is furthest takes over (diss. §3.10)", () => {
    const replica = leader();
    replica.accept(3, 1);
    replica.step({ kind: "transferLeadership", target: 0 });
    expect(kinds(replica.take())).toContain("timeoutNow to 3");
  });

  test("no proposals are taken while handing over, until an election time-out has passed (diss. §3.10)", () => {
    const replica = leader();
    replica.step({ kind: "transferLeadership", target: 2 });
    expect([replica.propose("x").proposalDropped, replica.raft.isTransferring]).toEqual([
      true,
      true,
    ]);
    for (let i = 0; i < 20; i++) {
      replica.accept(3, 1);
      replica.tick();
    }
    expect([replica.propose("x").proposalDropped, replica.raft.isTransferring]).toEqual([
      false,
      false,
    ]);
  });

  test("the target stands at once, and its request passes by stickiness (diss. §3.10, §4.2.3)", () => {
    const target = followerOf2([1]);
    target.receive({ kind: "timeoutNow", term: 1, from: 2 });
    expect([target.raft.role, target.raft.term]).toEqual(["candidate", 2]);
    expect(target.settle()).toMatchObject([{ transfer: true }, { transfer: true }]);
    const voter = followerOf2([1]);
    voter.receive({
      ...requestVote,
      term: 2,
      from: 3,
      lastLogIndex: 1,
      lastLogTerm: 1,
      transfer: true,
    });
    expect(voter.settle()).toMatchObject([{ granted: true }]);
  });

  test("a follower hands the wish on to its leader (diss. §3.10)", () => {
    const replica = followerOf2([1]);
    replica.step({ kind: "transferLeadership", target: 3 });
    expect(replica.take()).toMatchObject([{ kind: "transferLeadership", to: 2, target: 3 }]);
  });
});
