// What a replica does that does not lead: waits for the leader, takes its log, hands reads on.
// Candidates share the ticks; their votes are in candidate.ts.
import { campaign, preCampaign } from "./candidate.ts";
import type { Core } from "./core.ts";
import { brokenLaw } from "./log-slice.ts";
import type {
  AppendEntries,
  Heartbeat,
  InstallSnapshot,
  ReadIndexResponse,
} from "./peer-message.ts";
import { handleInstallSnapshot } from "./snapshot-receiver.ts";
import type { LogIndex, ReplicaId } from "./types.ts";

/** One tick without leading: after the election time-out it stands (Raft §5.2). */
export function tickFollower(core: Core): void {
  for (const requestId of core.forwardedReads.tick(core.config.electionTimeoutTicksMax)) {
    core.outbox.read({ requestId, index: 0, refused: true });
  }
  core.electionElapsedTicks++;
  if (core.electionElapsedTicks < core.electionTimeoutTicks) return;
  if (core.isPromotable) preCampaign(core);
  // A learner cannot stand, but it must not go on naming a leader that is gone.
  else core.becomeFollower(core.term, 0);
}

/** The leader's log goes on (Raft §5.3). Of this term: its sender leads. */
export function handleAppendEntries(core: Core, message: AppendEntries): void {
  core.hearLeader(message.from);
  // Entries that came now would be lost when the snapshot takes the log's place; the leader sends
  // them again.
  if (core.incomingSnapshot?.restoring === true) return;
  // A leader of before this replica joined would count the answer as its predecessor's. It cannot
  // have committed the entry that added this one; who leads now has, or will soon.
  if (!core.hasJoined && message.commitIndex < core.joinedIndex) return;
  const { log } = core;
  const { previousLogIndex, previousLogTerm, entries } = message;
  if (previousLogIndex < log.commitIndex) {
    // Committed entries are the same everywhere (Leader Completeness): no need to look, they may be
    // compacted.
    respondAccepted(core, message.from, log.commitIndex);
    return;
  }
  const slice = {
    term: message.term,
    previousIndex: previousLogIndex,
    previousTerm: previousLogTerm,
    entries,
  };
  if (brokenLaw(slice) !== undefined) return;
  const result = core.append(slice);
  switch (result.kind) {
    case "appended":
      core.commitTo(Math.min(message.commitIndex, result.lastIndex));
      respondAccepted(core, message.from, result.lastIndex);
      return;
    case "mismatch":
      respondRefused(core, message);
      return;
    case "busy":
      // As if the message were lost: the leader sends it again.
      return;
  }
}

/**
 * Promises that everything up to `index` is durable, so it leaves after all writes so far, this
 * step's included. Never more than this message has verified: what this log has after it may be
 * another leader's (Raft §5.3).
 */
function respondAccepted(core: Core, to: ReplicaId, index: LogIndex): void {
  core.sendAfterPersist({
    kind: "appendEntriesResponse",
    term: core.term,
    from: core.id,
    to,
    accepted: true,
    index,
    hintIndex: 0,
    hintTerm: 0,
  });
}

function respondRefused(core: Core, message: AppendEntries): void {
  const { previousLogIndex, previousLogTerm } = message;
  const hint = core.log.lastNotAfterTerm(previousLogIndex, previousLogTerm);
  core.send({
    kind: "appendEntriesResponse",
    term: core.term,
    from: core.id,
    to: message.from,
    accepted: false,
    index: previousLogIndex,
    hintIndex: hint.index,
    hintTerm: hint.term,
  });
}

/** The leader of this term is there. */
export function handleHeartbeat(core: Core, message: Heartbeat): void {
  core.hearLeader(message.from);
  // A leader that has not heard yet what this replica has lost, or that takes it for its
  // predecessor, may name what is not here: that commits nothing.
  const isLost = !core.mayVote && message.commitIndex > core.log.lastIndex;
  if (core.incomingSnapshot?.restoring !== true && !isLost) core.commitTo(message.commitIndex);
  if (!message.wantsAnswer) return;
  core.send({
    kind: "heartbeatResponse",
    term: core.term,
    from: core.id,
    to: message.from,
    // Before it has joined it confirms nobody: see handleAppendEntries.
    readSequence: core.hasJoined ? message.readSequence : 0,
  });
}

/** A chunk of the leader's snapshot. Of this term: its sender leads. */
export function hearSnapshot(core: Core, message: InstallSnapshot): void {
  core.hearLeader(message.from);
  handleInstallSnapshot(core, message);
}

/**
 * The leader hands over: stands at once, without a pre-vote, since nobody is to be spared
 * (dissertation §3.10).
 */
export function handleTimeoutNow(core: Core, from: ReplicaId): void {
  if (core.leader !== from || !core.isPromotable) return;
  campaign(core, { transfer: true });
}

/** A read at a follower: the leader is asked for an index (dissertation §6.4). */
export function forwardRead(core: Core, requestId: number): void {
  if (core.leader === 0 || !core.forwardedReads.add(requestId)) {
    core.outbox.read({ requestId, index: 0, refused: true });
    return;
  }
  const envelope = { term: core.term, from: core.id, to: core.leader };
  core.send({ kind: "readIndex", ...envelope, requestId });
}

/** The leader's answer to a forwarded read. */
export function handleReadIndexResponse(core: Core, message: ReadIndexResponse): void {
  if (!core.forwardedReads.answered(message.requestId)) return;
  const { requestId, index, refused } = message;
  core.outbox.read({ requestId, index, refused });
}

/** A wish to transfer leadership goes to the leader, if one is known. */
export function forwardTransfer(core: Core, target: ReplicaId): void {
  if (core.leader === 0) return;
  const envelope = { term: core.term, from: core.id, to: core.leader };
  core.send({ kind: "transferLeadership", ...envelope, target });
}
