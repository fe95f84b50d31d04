// Who could give a state, and what a majority says that it should be, by what the others tell of
// their snapshots now. Pure; who is asked in the end is state-transfer.ts's matter.
import { Digests } from "./digests.ts";
import type { Peer } from "./peers.ts";
import type { StateSource } from "./state-transfer.ts";

/** The connected servers with their newest snapshots. */
export function stateSources(peers: Iterable<Peer>, leader: number): StateSource[] {
  return [...peers]
    .filter(({ connected }) => connected)
    .map(({ peerId, status }) => ({
      peerId,
      snapshotIndex: Number(status?.snapshotIndex ?? 0n),
      snapshotDigest: status?.snapshotDigest ?? new Uint8Array(0),
      leads: peerId === leader,
    }));
}

/** Enough of the others have a vote for their digests to make a majority. */
export function mayAgree(sources: readonly StateSource[], voters: readonly number[]): boolean {
  return sources.filter(({ peerId }) => voters.includes(peerId)).length > voters.length / 2;
}

/** The digest that a majority of the voters tells of this index. */
export function agreedAmong(
  sources: readonly StateSource[],
  voters: readonly number[],
  index: number,
): Uint8Array | undefined {
  const told = new Digests();
  for (const { peerId, snapshotIndex, snapshotDigest } of sources) {
    if (snapshotIndex === index) told.hear(peerId, index, snapshotDigest);
  }
  return told.agreed(index, voters);
}
