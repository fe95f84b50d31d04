// The log's beginning is cut while a leader is at work: what it does for followers whose next
// entries have gone, and for those that come back with more, or less, than it knew of.
import { describe, expect, test } from "vitest";
import { LoneReplica } from "./lone-replica.test-support.ts";
import { appends, kinds, leader } from "./paper.test-support.ts";
import type { LogIndex } from "./types.ts";

/** A leader whose entries 1–6 are committed through 2; 3 has entry 1, and entries are under way. */
function leaderWithSlowFollower(): LoneReplica {
  const replica = leader({ config: { appendsInFlightMax: 2, appendBytesMax: 1 } });
  replica.accept(2, 1);
  replica.accept(3, 1);
  replica.propose("a", "b", "c", "d", "e");
  replica.settle();
  for (const index of [2, 3, 4, 5, 6]) replica.accept(2, index);
  replica.take();
  expect(replica.raft.commitIndex).toBe(6);
  expect(replica.raft.progress().get(3)).toMatchObject({ state: "replicate", nextIndex: 4 });
  return replica;
}

function compact(replica: LoneReplica, index: LogIndex): void {
  const { configuration } = replica.raft;
  const term = replica.disk.durable.term(index)!;
  replica.disk.compact({ index, term, configuration, stateHash: 0 });
}

/** The ticket that the caller makes of its newest snapshot (docs/decisions/0012). */
function sendTicket(replica: LoneReplica, lastIndex: LogIndex): void {
  replica.step({
    kind: "snapshotChunk",
    to: 3,
    lastIndex,
    lastTerm: 1,
    configuration: new Uint8Array(0),
    offset: 0,
    chunk: Uint8Array.of(1),
    done: true,
  });
}

function heartbeatAnswer(replica: LoneReplica): void {
  replica.receive({ kind: "heartbeatResponse", term: 1, from: 3, readSequence: 0 });
}

describe("a log that is compacted while it is replicated", () => {
  test("a follower whose next entries have gone gets a snapshot", () => {
    const replica = leaderWithSlowFollower();
    compact(replica, 5);
    replica.accept(3, 2);
    expect(replica.last?.snapshotChunks).toEqual([{ to: 3, offset: 0 }]);
    expect(replica.raft.progress().get(3)).toMatchObject({ state: "snapshot", matchIndex: 2 });
  });

  test("answers to what was under way end the snapshot when they reach the log again", () => {
    const replica = leaderWithSlowFollower();
    compact(replica, 3);
    // Entries 2 and 3 were under way; the next one is still there.
    replica.accept(3, 3);
    expect(replica.raft.progress().get(3)).toMatchObject({ state: "replicate", matchIndex: 3 });
    expect(appends(replica.take())[0]).toMatchObject({ previousLogIndex: 3 });
    compact(replica, 6);
    replica.accept(3, 4);
    expect(replica.raft.progress().get(3)).toMatchObject({ state: "snapshot", matchIndex: 4 });
    sendTicket(replica, 6);
    replica.accept(3, 6);
    expect(replica.raft.progress().get(3)).toMatchObject({ state: "replicate", matchIndex: 6 });
  });

  test("a refused follower whose log ends before the leader's gets a snapshot", () => {
    const replica = leaderWithSlowFollower();
    compact(replica, 5);
    replica.step({ kind: "peerLostLog", peer: 3 });
    const refused = { accepted: false, index: 6, hintIndex: 1, hintTerm: 1 };
    replica.receive({ kind: "appendEntriesResponse", term: 1, from: 3, ...refused });
    expect(replica.last?.snapshotChunks).toEqual([{ to: 3, offset: 0 }]);
  });

  test("a follower that returns is asked where it is, even if what it lacked has gone meanwhile", () => {
    const replica = leaderWithSlowFollower();
    replica.step({ kind: "peerUnreachable", peer: 3 });
    compact(replica, 5);
    heartbeatAnswer(replica);
    expect(replica.last?.snapshotChunks).toEqual([]);
    expect(appends(replica.take())).toMatchObject([{ to: 3, previousLogIndex: 6, entries: [] }]);
    replica.accept(3, 6);
    expect(replica.raft.progress().get(3)).toMatchObject({ state: "replicate", matchIndex: 6 });
  });

  test("a follower that fetched a snapshot beside its core goes on from there at once", () => {
    const replica = leaderWithSlowFollower();
    compact(replica, 5);
    replica.accept(3, 2);
    sendTicket(replica, 5);
    const restoring = { lastIndex: 5, nextOffset: 1, refused: false, installed: false };
    replica.receive({ kind: "installSnapshotResponse", term: 1, from: 3, ...restoring });
    replica.tick(2);
    heartbeatAnswer(replica);
    replica.step({ kind: "peerUnreachable", peer: 3 });
    // A proposal meanwhile finds the follower's next entry compacted: a ticket nobody gets.
    replica.propose("f");
    replica.settle();
    replica.accept(2, 7);
    replica.take();
    heartbeatAnswer(replica);
    expect(kinds(replica.take())).toEqual(["appendEntries to 3"]);
    const refused = { accepted: false, index: 7, hintIndex: 5, hintTerm: 1 };
    replica.receive({ kind: "appendEntriesResponse", term: 1, from: 3, ...refused });
    const [append] = appends(replica.take());
    expect(append).toMatchObject({ to: 3, previousLogIndex: 5 });
    expect(append!.entries.map(({ index }) => index)).toEqual([6]);
    expect(replica.last?.snapshotChunks).toEqual([]);
  });

  test("a follower's word that a snapshot is in place counts also while it is being asked", () => {
    const replica = leaderWithSlowFollower();
    replica.step({ kind: "peerUnreachable", peer: 3 });
    heartbeatAnswer(replica);
    const installed = { lastIndex: 5, nextOffset: 0, refused: false, installed: true };
    replica.receive({ kind: "installSnapshotResponse", term: 1, from: 3, ...installed });
    expect(replica.raft.progress().get(3)).toMatchObject({ state: "replicate", matchIndex: 5 });
  });

  test("a follower whose log begins after the leader's question says what it has committed", () => {
    const follower = new LoneReplica({ log: [1, 1, 1, 1, 1], compactedTo: 4 });
    follower.append(2, { term: 1, previous: [2, 1], terms: [1], commitIndex: 9 });
    const answers = follower.settle();
    expect(answers.at(-1)).toMatchObject({ accepted: true, index: 4 });
  });

  test("starts where its log begins when the state was lost, and applies from there (decision 12)", () => {
    const replica = new LoneReplica({ log: [1, 1, 1, 1], compactedTo: 2, lostState: true });
    expect(replica.raft.commitIndex).toBe(2);
    replica.tick();
    expect(replica.last?.applyTo).toBe(2);
  });

  test("takes the term of a fetched snapshot that it has never heard of, and says so to its disk", () => {
    const start = { log: [1, 1, 5], term: 2, votedFor: 3 };
    const replica = new LoneReplica({ ...start, compactedTo: 3 });
    expect([replica.raft.term, replica.raft.lastIndex]).toEqual([5, 3]);
    replica.tick();
    replica.persist();
    expect(replica.disk.hardState).toEqual({ term: 5, votedFor: 0 });
    // Entries that it took itself cannot be newer than its term: that term was lost, or its votes.
    expect(() => new LoneReplica({ ...start, compactedTo: 2 })).toThrow("newer");
  });
});
