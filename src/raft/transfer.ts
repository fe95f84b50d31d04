// Handing leadership over (dissertation §3.10): the target is brought up to date, then told to
// stand at once. Proposals are dropped meanwhile (leader.ts); after an election time-out the leader
// goes on leading.
import type { Core } from "./core.ts";
import type { Leading } from "./leading.ts";
import { replicate } from "./replication.ts";
import type { ReplicaId } from "./types.ts";

/**
 * Begins to hand over to `target`, or with 0 to the voter that is furthest; a later wish replaces
 * an earlier one.
 */
export function beginTransfer(core: Core, leading: Leading, target: ReplicaId): void {
  const chosen = target === 0 ? furthestVoter(core, leading) : target;
  if (chosen === core.id || !core.membership.current.voters.includes(chosen)) return;
  if (leading.transfer?.target === chosen) return;
  leading.transfer = { target: chosen, elapsedTicks: 0 };
  const progress = leading.progress.get(chosen);
  if (progress !== undefined) replicate(core, chosen, progress);
  maybeFinishTransfer(core, leading);
}

/** The voter that has most of the log, but for this one; 0 where none is heard of. */
export function furthestVoter(core: Core, leading: Leading): ReplicaId {
  let best: ReplicaId = 0;
  let bestMatch = -1;
  for (const id of core.membership.current.voters) {
    const progress = leading.progress.get(id);
    if (id === core.id || progress === undefined || !progress.recentActive) continue;
    if (progress.matchIndex <= bestMatch) continue;
    best = id;
    bestMatch = progress.matchIndex;
  }
  return best;
}

/** Tells the target to stand when it has the whole log: then it can win. */
export function maybeFinishTransfer(core: Core, leading: Leading): void {
  if (leading.transfer === undefined) return;
  const { target } = leading.transfer;
  if (leading.progress.get(target)?.matchIndex !== core.log.lastIndex) return;
  core.send({ kind: "timeoutNow", term: core.term, from: core.id, to: target });
}

/** Gives up a transfer that has taken an election time-out. */
export function tickTransfer(core: Core, leading: Leading): void {
  if (leading.transfer === undefined) return;
  leading.transfer.elapsedTicks++;
  if (leading.transfer.elapsedTicks >= core.config.electionTimeoutTicksMax) {
    leading.transfer = undefined;
  }
}
