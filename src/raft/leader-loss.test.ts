// What a follower does when its connection with the leader breaks: it does not wait for a time-out.
import { describe, expect, test } from "vitest";
import { leaderLostTriesMax } from "./limits.ts";
import { LoneReplica } from "./lone-replica.test-support.ts";
import { RaftCluster } from "./raft-cluster.test-support.ts";

/** A follower of `leader` among these voters that has just lost the connection with it. */
function bereaved(voters: readonly number[], leader: number, seed = 1): LoneReplica {
  const config = { electionTimeoutTicksMin: 30, electionTimeoutTicksMax: 60, seed };
  const replica = new LoneReplica({ voters, log: [1], config });
  replica.heartbeat(leader);
  replica.settle();
  replica.step({ kind: "peerUnreachable", peer: leader });
  return replica;
}

/** Ticks until it asks for pre-votes, up to `max`. */
function ticksToTry(replica: LoneReplica, max = 100): number {
  for (let ticks = 1; ticks <= max; ticks++) {
    replica.tick();
    if (replica.take().some(({ kind }) => kind === "requestVote")) return ticks;
  }
  return max;
}

describe("a follower whose connection with the leader breaks", () => {
  test("knows no leader any more, and says so", () => {
    const replica = bereaved([1, 2, 3], 2);
    expect(replica.last?.roleChange).toEqual({ role: "follower", term: 1, leader: 0 });
  });

  test.each([
    [[1, 2, 3], 2, 1],
    [[1, 2, 3], 3, 1],
    [[8, 1, 9], 9, 1],
  ])(
    "of voters %j without %i stands after %i tick when it comes first",
    (voters, leader, ticks) => {
      expect(ticksToTry(bereaved(voters, leader))).toBe(ticks);
    },
  );

  test("stands five ticks later for each voter before it, the lost leader not counted", () => {
    const config = { electionTimeoutTicksMin: 30, electionTimeoutTicksMax: 60 };
    const cluster = new RaftCluster({ voters: [1, 2, 3, 4, 5], config });
    cluster.campaign(2);
    const others = [1, 3, 4, 5];
    cluster.crash(2);
    for (const id of others) cluster.step(id, { kind: "peerUnreachable", peer: 2 });
    const ticks = others.map((id) => {
      for (let count = 1; count < 100; count++) {
        cluster.step(id, { kind: "tick" });
        if (cluster.raft(id).role !== "follower") return count;
      }
      return 100;
    });
    expect(ticks).toEqual([1, 6, 11, 16]);
  });

  test("gives its vote at once, since it hears nobody", () => {
    const replica = bereaved([1, 2, 3], 2);
    const envelope = { kind: "requestVote", term: 2, from: 3, transfer: false } as const;
    replica.receive({ ...envelope, preVote: true, lastLogIndex: 1, lastLogTerm: 1 });
    replica.receive({ ...envelope, preVote: false, lastLogIndex: 1, lastLogTerm: 1 });
    expect(replica.settle()).toMatchObject([{ granted: true }, { granted: true }]);
  });

  test("tries again after 5 to 15 ticks, a bounded number of times, then after a full time-out", () => {
    for (let seed = 0; seed < 20; seed++) {
      const replica = bereaved([1, 2, 3], 2, seed);
      const delays = Array.from({ length: leaderLostTriesMax + 2 }, () => ticksToTry(replica));
      const short = delays.slice(1, leaderLostTriesMax);
      expect(delays[0]).toBe(1);
      expect(Math.min(...short), `seed ${seed}`).toBeGreaterThanOrEqual(5);
      expect(Math.max(...short), `seed ${seed}`).toBeLessThanOrEqual(15);
      for (const delay of delays.slice(leaderLostTriesMax))
        expect(delay).toBeGreaterThanOrEqual(30);
    }
  });

  test("waits as ever when it hears the leader again", () => {
    const replica = bereaved([1, 2, 3], 2);
    replica.heartbeat(2);
    replica.take();
    expect(ticksToTry(replica)).toBeGreaterThanOrEqual(30);
  });

  test("does not mind that it lost another peer", () => {
    const replica = new LoneReplica({ log: [1] });
    replica.heartbeat(2);
    replica.step({ kind: "peerUnreachable", peer: 3 });
    expect(replica.raft.leader).toBe(2);
  });
});
