// Quorum arithmetic against a twin that knows nothing but the definition: try every subset of
// voters.
import { describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { isQuorum, majoritySize, quorumReached, voteResult } from "./quorum.ts";
import type { Configuration, ReplicaId } from "./types.ts";

const cases = 4_000;
const context = new Uint8Array(0);

/** A majority is more than half of a list; of an empty list, everybody is. */
function isMajorityTwin(voters: readonly ReplicaId[], members: readonly ReplicaId[]): boolean {
  const present = voters.filter((id) => members.includes(id)).length;
  return voters.length === 0 || present > voters.length - present;
}

function isQuorumTwin(configuration: Configuration, members: readonly ReplicaId[]): boolean {
  const { voters, votersOutgoing } = configuration;
  return isMajorityTwin(voters, members) && isMajorityTwin(votersOutgoing, members);
}

/** The highest of all values at which those that have at least it are a quorum. */
function quorumReachedTwin(
  configuration: Configuration,
  values: ReadonlyMap<ReplicaId, number>,
): number {
  const candidates = [0, ...values.values()].sort((a, b) => b - a);
  for (const value of candidates) {
    const members = [...values.keys()].filter((id) => values.get(id)! >= value);
    if (isQuorumTwin(configuration, members)) return value;
  }
  return 0;
}

/**
 * Won with the votes that are there; lost if it would not be won even with all that are missing.
 */
function voteResultTwin(
  configuration: Configuration,
  votes: ReadonlyMap<ReplicaId, boolean>,
): string {
  const all = [...configuration.voters, ...configuration.votersOutgoing];
  if (
    isQuorumTwin(
      configuration,
      all.filter((id) => votes.get(id) === true),
    )
  )
    return "won";
  return isQuorumTwin(
    configuration,
    all.filter((id) => votes.get(id) !== false),
  )
    ? "undecided"
    : "lost";
}

function drawIds(random: Random, countMin: number): ReplicaId[] {
  const ids = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const count = random.nextInteger(countMin, 8);
  return Array.from({ length: count }, () => ids.splice(random.nextInteger(0, ids.length), 1)[0]!);
}

function drawConfiguration(random: Random): Configuration {
  const votersOutgoing = random.nextBoolean(0.5) ? drawIds(random, 1) : [];
  return { voters: drawIds(random, 1), votersOutgoing, learners: [], context };
}

describe("quorum arithmetic agrees with its definition in thousands of random cases", () => {
  test("on the index that a quorum has reached (Raft §5.3, §6)", () => {
    for (let seed = 0; seed < cases; seed++) {
      const random = new Random(seed);
      const configuration = drawConfiguration(random);
      const values = new Map<ReplicaId, number>();
      for (const id of [...configuration.voters, ...configuration.votersOutgoing]) {
        values.set(id, random.nextInteger(0, 6));
      }
      const reached = quorumReached(configuration, (id) => values.get(id) ?? 0);
      expect(reached, `seed ${seed}`).toBe(quorumReachedTwin(configuration, values));
    }
  });

  test("on how a vote stands (Raft §5.2, §6)", () => {
    for (let seed = 0; seed < cases; seed++) {
      const random = new Random(seed);
      const configuration = drawConfiguration(random);
      const votes = new Map<ReplicaId, boolean>();
      for (const id of [...configuration.voters, ...configuration.votersOutgoing]) {
        if (random.nextBoolean(0.7)) votes.set(id, random.nextBoolean(0.6));
      }
      expect(voteResult(configuration, votes), `seed ${seed}`).toBe(
        voteResultTwin(configuration, votes),
      );
    }
  });

  test("on whether some members are a quorum, and any two quorums share one (Raft §5.4)", () => {
    for (let seed = 0; seed < cases; seed++) {
      const random = new Random(seed);
      const configuration = drawConfiguration(random);
      const first = drawIds(random, 0);
      const second = drawIds(random, 0);
      const isFirst = isQuorum(configuration, (id) => first.includes(id));
      const isSecond = isQuorum(configuration, (id) => second.includes(id));
      expect(isFirst, `seed ${seed}`).toBe(isQuorumTwin(configuration, first));
      if (!isFirst || !isSecond) continue;
      expect(
        first.some((id) => second.includes(id)),
        `seed ${seed}`,
      ).toBe(true);
    }
  });

  test("on the size of a majority, of none to nine", () => {
    const sizes = Array.from({ length: 10 }, (_, count) => majoritySize(count));
    expect(sizes).toEqual([0, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
  });

  test("says infinity where nobody has a vote, so that joint arithmetic may take the smaller", () => {
    const nobody = { voters: [], votersOutgoing: [], learners: [1], context };
    expect(quorumReached(nobody, () => 0)).toBe(Number.POSITIVE_INFINITY);
  });
});
