// A leader's sending: appendEntries within each follower's window, heartbeats, and the advance of
// commitIndex. Answers of followers are handled in leader.ts.
import { assertDefined } from "../base/assert.ts";
import type { Core } from "./core.ts";
import type { Leading } from "./leading.ts";
import { assertLogSlice, type LogSlice } from "./log-slice.ts";
import type { Progress } from "./progress.ts";
import { quorumReached } from "./quorum.ts";
import { entryBytes } from "./raft-log.ts";
import { beginSnapshot } from "./snapshot-sender.ts";
import type { LogIndex, ReplicaId } from "./types.ts";

/** Sends every follower what its window allows. */
export function replicateToAll(core: Core, leading: Leading): void {
  for (const [to, progress] of leading.progress) {
    if (to !== core.id) replicate(core, to, progress);
  }
}

/** Sends one follower what its window allows; nothing when there is nothing new. */
export function replicate(core: Core, to: ReplicaId, progress: Progress): void {
  if (!core.requireLeading().termDurable) return;
  while (!progress.isPaused && progress.nextIndex <= core.log.lastIndex) {
    if (!sendAppend(core, to, progress)) return;
  }
}

/**
 * Sends one appendEntries, empty when the follower has all; false when it needs a snapshot instead.
 */
export function sendAppend(core: Core, to: ReplicaId, progress: Progress): boolean {
  const { log, config } = core;
  const start = progress.nextIndex;
  const previousTerm = log.term(start - 1);
  if (previousTerm === undefined) {
    beginSnapshot(core, to, progress);
    return false;
  }
  const entries = progress.isPaused
    ? []
    : log.entries(start, log.lastIndex + 1, config.appendBytesMax);
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  sendSlice(core, to, { term: core.term, previousIndex: start - 1, previousTerm, entries });
  const lastIndex = start - 1 + entries.length;
  const tells = Math.min(log.commitIndex, lastIndex);
  progress.sentCommitIndex = Math.max(progress.sentCommitIndex, tells);
  progress.sentAppend(lastIndex, bytes);
  return true;
}

/**
 * Asks, by an appendEntries without entries, whether a follower's log matches at `index`; false if
 * it cannot.
 */
export function sendMatchQuestion(core: Core, to: ReplicaId, index: LogIndex): boolean {
  const previousTerm = core.log.term(index);
  if (previousTerm === undefined) return false;
  sendSlice(core, to, { term: core.term, previousIndex: index, previousTerm, entries: [] });
  return true;
}

function sendSlice(core: Core, to: ReplicaId, slice: LogSlice): void {
  assertLogSlice(slice);
  core.send({
    kind: "appendEntries",
    term: slice.term,
    from: core.id,
    to,
    previousLogIndex: slice.previousIndex,
    previousLogTerm: slice.previousTerm,
    entries: slice.entries,
    commitIndex: core.log.commitIndex,
  });
}

/**
 * Tells every follower that this replica leads; repeats the newest round of reads and the commit
 * index.
 */
export function sendHeartbeats(core: Core, leading: Leading): void {
  leading.heartbeatElapsedTicks = 0;
  for (const [to, progress] of leading.progress) {
    if (to !== core.id) sendHeartbeat(core, { to, progress, wantsAnswer: true });
  }
}

/**
 * Never tells a commit index above what is known to match: the follower's log may differ there
 * (Raft §5.3 lets only appendEntries, which check, say more).
 */
function sendHeartbeat(
  core: Core,
  { to, progress, wantsAnswer }: { to: ReplicaId; progress: Progress; wantsAnswer: boolean },
): void {
  const leading = core.requireLeading();
  if (!leading.termDurable) return;
  const commitIndex = Math.min(core.log.commitIndex, progress.matchIndex);
  progress.sentCommitIndex = Math.max(progress.sentCommitIndex, commitIndex);
  core.send({
    kind: "heartbeat",
    term: core.term,
    from: core.id,
    to,
    commitIndex,
    readSequence: leading.reads.sequence,
    wantsAnswer,
  });
}

/**
 * Commits what a quorum has durable, if it is of this term: entries of older terms are committed by
 * what follows them only (Raft §5.4.2). The leader counts itself by its disk, like anybody
 * (dissertation §10.2.1). True when commitIndex has moved.
 */
export function maybeCommit(core: Core, leading: Leading): boolean {
  const reached = quorumReached(core.membership.current, (id) => {
    return leading.progress.get(id)?.matchIndex ?? 0;
  });
  if (reached <= core.log.commitIndex || core.log.term(reached) !== core.term) return false;
  core.commitTo(reached);
  leading.committed(reached);
  return true;
}

/**
 * Tells followers at once what has been committed, so that they deliver without waiting for the
 * next append or heartbeat. Only those who have it and were not told; they need not answer.
 */
export function announceCommit(core: Core, leading: Leading): void {
  const { commitIndex } = core.log;
  for (const [to, progress] of leading.progress) {
    if (to === core.id) continue;
    const tells = Math.min(commitIndex, progress.matchIndex);
    if (tells > progress.sentCommitIndex) {
      sendHeartbeat(core, { to, progress, wantsAnswer: false });
    }
  }
}

/** Begins a round of reads if some wait and none is under way (dissertation §6.4). */
export function maybeBeginReadRound(core: Core, leading: Leading): void {
  if (core.log.commitIndex < leading.firstIndexOfTerm) return;
  if (!leading.reads.maybeBegin(core.log.commitIndex)) return;
  sendHeartbeats(core, leading);
  maybeFinishReadRound(core, leading);
}

/** Answers the round under way once a quorum, the leader included, has confirmed it. */
export function maybeFinishReadRound(core: Core, leading: Leading): void {
  const { sequence } = leading.reads;
  const confirmed = quorumReached(core.membership.current, (id) => {
    return id === core.id ? sequence : assertProgress(leading, id).readSequence;
  });
  const round = leading.reads.confirmed(confirmed);
  if (round === undefined) return;
  for (const { from, requestId } of round.requests) {
    core.answerRead({ to: from, requestId, index: round.index, refused: false });
  }
  maybeBeginReadRound(core, leading);
}

function assertProgress(leading: Leading, id: ReplicaId): Progress {
  return assertDefined(leading.progress.get(id), `progress of ${id}`);
}
