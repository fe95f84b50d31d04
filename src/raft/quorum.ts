// Majority and joint arithmetic (Raft §5.2, §5.3, §6). Stateless; knows neither roles nor messages.
import type { Configuration, ReplicaId } from "./types.ts";

/** How a vote stands. An undecided one may still go either way. */
export type VoteResult = "won" | "lost" | "undecided";

/** How many of `count` make a majority; of none, none. */
export function majoritySize(count: number): number {
  return count === 0 ? 0 : Math.floor(count / 2) + 1;
}

/**
 * The highest value that a quorum has reached: in each list of voters a majority has at least it.
 * `reached` answers for one voter, 0 for one that has reached nothing. Infinity where there are no
 * voters at all.
 */
export function quorumReached(
  configuration: Configuration,
  reached: (id: ReplicaId) => number,
): number {
  const incoming = majorityReached(configuration.voters, reached);
  if (configuration.votersOutgoing.length === 0) return incoming;
  return Math.min(incoming, majorityReached(configuration.votersOutgoing, reached));
}

/**
 * Whether the votes given so far decide: won needs both majorities, lost in either list is lost.
 */
export function voteResult(
  configuration: Configuration,
  votes: ReadonlyMap<ReplicaId, boolean>,
): VoteResult {
  const incoming = majorityResult(configuration.voters, votes);
  const outgoing = majorityResult(configuration.votersOutgoing, votes);
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "undecided";
}

/** Whether those for whom `holds` answers true are a quorum. */
export function isQuorum(configuration: Configuration, holds: (id: ReplicaId) => boolean): boolean {
  return quorumReached(configuration, (id) => (holds(id) ? 1 : 0)) >= 1;
}

function majorityReached(voters: readonly ReplicaId[], reached: (id: ReplicaId) => number): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const values: number[] = [];
  for (const id of voters) {
    // Insertion sort, ascending: a handful of voters on the hot path.
    const value = reached(id);
    let place = values.length;
    values.push(value);
    while (place > 0 && values[place - 1]! > value) {
      values[place] = values[place - 1]!;
      place--;
    }
    values[place] = value;
  }
  return values[voters.length - majoritySize(voters.length)]!;
}

function majorityResult(
  voters: readonly ReplicaId[],
  votes: ReadonlyMap<ReplicaId, boolean>,
): VoteResult {
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  const needed = majoritySize(voters.length);
  if (granted >= needed) return "won";
  return granted + missing >= needed ? "undecided" : "lost";
}
