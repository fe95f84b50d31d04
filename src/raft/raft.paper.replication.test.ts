// Claims of the Raft paper and the dissertation, one test a claim: log replication and its speed.
import { describe, expect, test } from "vitest";
import { LoneReplica } from "./lone-replica.test-support.ts";
import { appends, exchange, followerOf2, kinds, leader } from "./paper.test-support.ts";
import { RaftCluster } from "./raft-cluster.test-support.ts";
import type { LogIndex, Term } from "./types.ts";

describe("log replication (§5.3)", () => {
  test("a leader appends a command and sends it to all others at the same time (§5.3)", () => {
    const replica = leader();
    replica.accept(2, 1);
    replica.accept(3, 1);
    replica.take();
    const effects = replica.propose("x");
    const entry = { index: 2, term: 1, kind: "commands", payload: Uint8Array.of(120) };
    expect(effects.persist?.entries).toEqual([entry]);
    expect(effects.send).toMatchObject([
      { to: 2, previousLogIndex: 1, previousLogTerm: 1, entries: [entry], commitIndex: 1 },
      { to: 3, previousLogIndex: 1, previousLogTerm: 1, entries: [entry], commitIndex: 1 },
    ]);
  });

  test("anyone but a leader takes no proposal (§5.3)", () => {
    expect(followerOf2().propose("x").proposalDropped).toBe(true);
    expect(leader().propose("x").proposalDropped).toBe(false);
  });

  test.each([
    [3, 1],
    [5, 2],
    [7, 3],
  ])(
    "of %i voters, an entry is committed on the disks of the leader and %i more (§5.3)",
    (size, others) => {
      const voters = Array.from({ length: size }, (_, i) => i + 1);
      const replica = leader({ voters });
      for (let voter = 2; voter < others + 1; voter++) replica.accept(voter, 1);
      expect(replica.raft.commitIndex).toBe(0);
      replica.accept(others + 1, 1);
      expect(replica.raft.commitIndex).toBe(1);
    },
  );

  test("a leader tells followers what is committed, and they may apply it (§5.3)", () => {
    const follower = followerOf2([1]);
    expect(follower.last?.applyTo).toBe(0);
    follower.append(2, { previous: [1, 1], terms: [1, 1], commitIndex: 2 });
    expect(follower.raft.commitIndex).toBe(2);
    follower.persist();
    expect(follower.last?.applyTo).toBe(2);
    follower.heartbeat(2, 1, 3);
    expect(follower.last?.applyTo).toBe(3);
  });

  test("followers learn of a commit at once, not with the next heartbeat (§5.3)", () => {
    const replica = leader();
    const effects = replica.accept(2, 1);
    expect(effects.send).toMatchObject([{ kind: "heartbeat", to: 2, commitIndex: 1 }]);
    expect(replica.accept(3, 1).send).toMatchObject([{ kind: "heartbeat", to: 3, commitIndex: 1 }]);
  });

  test("a commit includes all entries before it, those of former leaders too (§5.3)", () => {
    const replica = leader({ log: [1, 1, 2], term: 3 });
    replica.accept(2, 4);
    expect(replica.raft.commitIndex).toBe(4);
    expect(replica.last?.applyTo).toBe(4);
  });

  test.each([
    ["no entry at the previous index", [3, 1]],
    ["another term at the previous index", [2, 3]],
  ] as [string, [LogIndex, Term]][])(
    "a follower refuses entries where it has %s (§5.3)",
    (_, previous) => {
      const replica = followerOf2([1, 1]);
      replica.append(2, { term: 3, previous, terms: [3] });
      expect(replica.settle()).toMatchObject([
        { kind: "appendEntriesResponse", accepted: false, index: previous[0] },
      ]);
      expect(replica.terms).toEqual([1, 1]);
    },
  );

  test.each([
    ["(a) one entry short", [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ["(b) many entries short", [1, 1, 1, 4]],
    ["(c) one entry more", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ["(d) entries of another term more", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ["(e) short and with others", [1, 1, 1, 4, 4, 4, 4]],
    ["(f) three terms of its own", [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])("a leader brings a follower's log in line with its own: Figure 7 %s (§5.3)", (_, log) => {
    const first = new LoneReplica({ log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6], term: 7 });
    first.becomeLeader();
    const second = new LoneReplica({ log, term: Math.max(7, log.at(-1)!) });
    exchange(first, second);
    expect(second.terms).toEqual([1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8]);
  });

  test("a conflict costs one refusal a term, not one an entry (§5.3, end)", () => {
    const ones = Array.from({ length: 50 }, () => 1);
    const first = new LoneReplica({ log: [...ones, 3, 3, 3], term: 4 });
    first.becomeLeader();
    const twos = Array.from({ length: 100 }, () => 2);
    const second = new LoneReplica({ log: [...ones.slice(0, 20), ...twos], term: 4 });
    expect(exchange(first, second).refusals).toBeLessThanOrEqual(2);
    expect(second.terms).toEqual([...ones, 3, 3, 3, 5]);
  });

  test("a follower removes what conflicts and everything after it (§5.3)", () => {
    const replica = followerOf2([1, 1, 1, 1]);
    replica.append(2, { term: 2, previous: [1, 1], terms: [2] });
    expect(replica.settle()).toMatchObject([{ accepted: true, index: 2 }]);
    expect(replica.terms).toEqual([1, 2]);
  });

  test("a follower keeps what an older message does not contradict (§5.3, Figure 2)", () => {
    const replica = followerOf2([1, 1, 1]);
    replica.append(2, { previous: [0, 0], terms: [1] });
    expect(replica.settle()).toMatchObject([{ accepted: true, index: 1 }]);
    expect(replica.terms).toEqual([1, 1, 1]);
  });

  test("a follower acknowledges only what the message has verified (§5.3)", () => {
    const replica = followerOf2([1, 1, 1]);
    replica.append(2, { term: 2, previous: [2, 1], terms: [] });
    expect(replica.settle()).toMatchObject([{ accepted: true, index: 2 }]);
  });

  test("a follower commits no further than what the message has verified (§5.3, Figure 2)", () => {
    const replica = followerOf2([1, 1, 1]);
    replica.append(2, { term: 2, previous: [2, 1], terms: [], commitIndex: 3 });
    expect(replica.raft.commitIndex).toBe(2);
  });

  test("a heartbeat tells no commit index beyond what is known to match (§5.3)", () => {
    const replica = leader();
    replica.accept(2, 1);
    replica.take();
    replica.tick(2);
    expect(replica.take()).toMatchObject([
      { to: 2, commitIndex: 1 },
      { to: 3, commitIndex: 0 },
    ]);
  });

  test("a follower acknowledges entries only when they are durable (§5.3, Figure 2)", () => {
    const replica = followerOf2([1]);
    replica.append(2, { previous: [1, 1], terms: [1] });
    expect(replica.take()).toEqual([]);
    // The same again while the first write is under way: no excuse.
    replica.append(2, { previous: [1, 1], terms: [1] });
    expect(replica.take()).toEqual([]);
    expect(replica.settle()).toMatchObject([
      { accepted: true, index: 2 },
      { accepted: true, index: 2 },
    ]);
  });

  test("a leader never overwrites or removes entries of its log (§5.3, Leader Append-Only)", () => {
    const replica = leader({ log: [1, 1], term: 2 });
    replica.append(2, { term: 2, previous: [0, 0], terms: [2] });
    replica.accept(2, 0);
    expect(replica.terms).toEqual([1, 1, 3]);
  });

  test("a leader sends again and again what a follower does not answer (§5.3)", () => {
    const cluster = new RaftCluster({ voters: [1, 2, 3] });
    cluster.campaign(1);
    cluster.block(1, 3);
    cluster.propose(1, "a", "b");
    cluster.tickAll(5);
    expect(cluster.raft(3).lastIndex).toBe(1);
    cluster.heal();
    cluster.tickAll(10);
    expect(cluster.raft(3).commitIndex).toBe(3);
  });

  test("one slow follower delays nobody (§5.3)", () => {
    const cluster = new RaftCluster({ voters: [1, 2, 3] });
    cluster.campaign(1);
    cluster.isolate(3);
    for (let i = 0; i < 20; i++) {
      cluster.propose(1, `${i}`);
      cluster.stabilize();
    }
    expect([cluster.raft(1).commitIndex, cluster.raft(2).commitIndex]).toEqual([21, 21]);
  });
});

describe("performance (diss. §10.2)", () => {
  test("a leader sends entries before its own disk has them (diss. §10.2.1)", () => {
    const replica = leader();
    replica.accept(2, 1);
    replica.accept(3, 1);
    replica.take();
    replica.propose("x");
    expect(kinds(replica.take())).toEqual(["appendEntries to 2", "appendEntries to 3"]);
  });

  test("a leader counts itself only when its disk has the entry (diss. §10.2.1)", () => {
    const replica = leader();
    replica.accept(2, 1);
    replica.propose("x");
    replica.accept(2, 2);
    expect(replica.raft.commitIndex).toBe(1);
    replica.persist();
    expect(replica.raft.commitIndex).toBe(2);
  });

  test("an entry may commit by the disks of others, and is applied when it is on the own (diss. §10.2.1)", () => {
    const replica = leader();
    replica.accept(2, 1);
    replica.accept(3, 1);
    replica.propose("x");
    replica.accept(2, 2);
    replica.accept(3, 2);
    expect([replica.raft.commitIndex, replica.last?.applyTo]).toEqual([2, 1]);
    replica.persist();
    expect(replica.last?.applyTo).toBe(2);
  });

  test("entries are pipelined without waiting for answers, up to the window (diss. §10.2.1)", () => {
    const replica = leader();
    replica.accept(2, 1);
    replica.take();
    for (let i = 0; i < 6; i++) replica.propose(`${i}`);
    const sent = appends(replica.take()).filter(({ to }) => to === 2);
    expect(sent.map(({ previousLogIndex }) => previousLogIndex)).toEqual([1, 2, 3, 4]);
    replica.accept(2, 3);
    expect(appends(replica.take())).toMatchObject([
      { to: 2, previousLogIndex: 5, entries: [{}, {}] },
    ]);
  });

  test("proposals of one step travel in one message, up to its bytes (diss. §10.2.2)", () => {
    const replica = leader({ config: { appendBytesMax: 4 * 33 } });
    replica.accept(2, 1);
    replica.take();
    replica.propose("a", "b", "c", "d", "e");
    const sent = appends(replica.take()).filter(({ to }) => to === 2);
    expect(sent.map(({ entries }) => entries.length)).toEqual([4, 1]);
  });
});
