// Leading: its ticks, proposals, followers' answers, reads, and the way out by check-quorum. What
// it sends is in replication.ts, handing over in transfer.ts.

import { maybeLeaveJoint, maybeStepDown } from "./configuration-change.ts";
import type { Core } from "./core.ts";
import { Leading } from "./leading.ts";
import { entryOverheadBytes } from "./limits.ts";
import { allMembers } from "./membership.ts";
import type {
  AppendEntriesResponse,
  HeartbeatResponse,
  InstallSnapshotResponse,
} from "./peer-message.ts";
import type { Progress } from "./progress.ts";
import { isQuorum } from "./quorum.ts";
import type { ReadRequest } from "./read-index.ts";
import {
  announceCommit,
  maybeBeginReadRound,
  maybeCommit,
  maybeFinishReadRound,
  replicate,
  replicateToAll,
  sendAppend,
  sendHeartbeats,
} from "./replication.ts";
import { continueSnapshot, handleMatchDenied, retrySnapshot } from "./snapshot-sender.ts";
import { maybeFinishTransfer, tickTransfer } from "./transfer.ts";
import type { Entry, EntryKind, ReplicaId } from "./types.ts";

const noPayload = new Uint8Array(0);

/**
 * Leads the term that it has won, beginning with a no-op, through which older entries commit (Raft
 * §5.4.2, §8).
 */
export function becomeLeader(core: Core): void {
  const firstIndexOfTerm = core.log.lastIndex + 1;
  // Others have voted, so they were asked, so the term had become durable here first.
  const termDurable = [...core.votes].some(([id, granted]) => granted && id !== core.id);
  const leading = new Leading(core.config, { firstIndexOfTerm, termDurable });
  leading.setMembers(allMembers(core.membership.current), firstIndexOfTerm);
  leading.progress.get(core.id)!.accepted(core.log.stableIndex);
  core.becomeLeading(leading);
  core.appendOwn(makeEntries(core, "noop", [noPayload]));
  replicateToAll(core, leading);
}

function makeEntries(core: Core, kind: EntryKind, payloads: readonly Uint8Array[]): Entry[] {
  const start = core.log.lastIndex + 1;
  return payloads.map((payload, i) => ({ index: start + i, term: core.term, kind, payload }));
}

/** One tick of leading. */
export function tickLeader(core: Core, leading: Leading): void {
  for (const [id, progress] of leading.progress) if (id !== core.id) progress.tick();
  // Check-quorum (dissertation §6.2): whoever no longer hears a majority must not go on as if it
  // led.
  const isActive = (id: ReplicaId) => leading.progress.get(id)?.isHeard ?? false;
  if (!isQuorum(core.membership.current, isActive)) {
    core.becomeFollower(core.term, 0);
    return;
  }
  tickTransfer(core, leading);
  maybeLeaveJoint(core, leading);
  leading.heartbeatElapsedTicks++;
  if (leading.heartbeatElapsedTicks >= core.config.heartbeatIntervalTicks) {
    sendHeartbeats(core, leading);
  }
}

/** Appends proposals, each as one entry, and sends them while its own disk writes. */
export function propose(core: Core, leading: Leading, payloads: readonly Uint8Array[]): void {
  if (payloads.length === 0) return;
  let bytes = 0;
  for (const payload of payloads) bytes += payload.length + entryOverheadBytes;
  const lastIndex = core.log.lastIndex + payloads.length;
  if (leading.transfer !== undefined || !leading.addUncommitted(lastIndex, bytes)) {
    core.outbox.dropProposal();
    return;
  }
  core.appendOwn(makeEntries(core, "commands", payloads));
  replicateToAll(core, leading);
}

/** The leader's own disk has come further: it counts like a follower's. */
export function handleOwnDurable(core: Core, leading: Leading): void {
  const { log } = core;
  if (!leading.termDurable && log.term(log.stableIndex) === core.term) {
    leading.termDurable = true;
    replicateToAll(core, leading);
  }
  if (leading.progress.get(core.id)?.accepted(log.stableIndex)) afterMatch(core, leading);
}

/** Some matchIndex has risen. */
function afterMatch(core: Core, leading: Leading): void {
  if (maybeCommit(core, leading)) {
    maybeLeaveJoint(core, leading);
    maybeBeginReadRound(core, leading);
  }
  announceCommit(core, leading);
  maybeStepDown(core, leading);
}

/**
 * A follower has answered. Where one has returned that was being given a snapshot, or whose next
 * entries are compacted meanwhile, what it holds now is anybody's guess: a snapshot that it fetched
 * itself, or all that it had not acknowledged. It is asked at the log's end, before it is given a
 * snapshot that it may not need.
 */
function hear(core: Core, progress: Progress): { readonly hasReturned: boolean } {
  const hasReturned = !progress.recentActive;
  progress.heard();
  const isCompacted = core.log.term(progress.nextIndex - 1) === undefined;
  if (hasReturned && (progress.state === "snapshot" || isCompacted)) {
    progress.becomeProbe();
    progress.nextIndex = core.log.lastIndex + 1;
  }
  return { hasReturned };
}

/** A follower's answer to appendEntries. */
export function handleAppendEntriesResponse(
  core: Core,
  leading: Leading,
  message: AppendEntriesResponse,
): void {
  const progress = leading.progress.get(message.from);
  if (progress === undefined) return;
  hear(core, progress);
  if (message.accepted) {
    if (message.index <= core.log.lastIndex) handleAccepted(core, leading, message, progress);
    return;
  }
  if (progress.state === "snapshot") {
    handleMatchDenied(core, message, progress);
    return;
  }
  // The follower skips to a term that it may share; here terms that it cannot have are skipped.
  const { hintIndex, hintTerm } = message;
  const agreed = hintTerm === 0 ? hintIndex : core.log.lastNotAfterTerm(hintIndex, hintTerm).index;
  if (progress.refused(message.index, agreed + 1)) replicateFrom(core, message.from, progress);
}

function handleAccepted(
  core: Core,
  leading: Leading,
  message: AppendEntriesResponse,
  progress: Progress,
): void {
  const { from, index } = message;
  const news = progress.accepted(index);
  const canReplicate = core.log.term(progress.matchIndex) !== undefined;
  if (progress.state === "probe" || (progress.state === "snapshot" && canReplicate)) {
    progress.becomeReplicate();
  }
  replicate(core, from, progress);
  if (!news) return;
  afterMatch(core, leading);
  maybeFinishTransfer(core, leading);
}

/** Sends from where the logs may agree, even when that is the end: only an answer tells. */
function replicateFrom(core: Core, to: ReplicaId, progress: Progress): void {
  if (core.requireLeading().termDurable) sendAppend(core, to, progress);
}

/** A follower has heard a heartbeat: time to repeat what seems to be lost. */
export function handleHeartbeatResponse(
  core: Core,
  leading: Leading,
  message: HeartbeatResponse,
): void {
  const progress = leading.progress.get(message.from);
  if (progress === undefined) return;
  const { hasReturned } = hear(core, progress);
  if (message.readSequence > progress.readSequence) {
    progress.readSequence = message.readSequence;
    maybeFinishReadRound(core, leading);
  }
  if (progress.state === "snapshot") {
    retrySnapshot(core, message.from, progress);
    return;
  }
  if (!hasReturned && progress.stalledTicks < core.config.heartbeatIntervalTicks) return;
  if (progress.state === "replicate" && progress.matchIndex === core.log.lastIndex) return;
  // Back again, or unanswered for a heartbeat's time. In state probe this sends the probe again; in
  // state replicate an appendEntries without entries or with the next ones, which is refused if
  // anything before it was lost.
  progress.allowProbe();
  progress.stalledTicks = 0;
  replicateFrom(core, message.from, progress);
}

/** A follower's answer to a chunk, or its word that the snapshot is in place. */
export function handleInstallSnapshotResponse(
  core: Core,
  leading: Leading,
  message: InstallSnapshotResponse,
): void {
  const progress = leading.progress.get(message.from);
  if (progress === undefined) return;
  hear(core, progress);
  if (!message.installed) {
    continueSnapshot(core, progress, message);
    return;
  }
  if (message.lastIndex > core.log.lastIndex) return;
  const news = progress.accepted(message.lastIndex);
  if (progress.state !== "replicate") progress.becomeReplicate();
  replicate(core, message.from, progress);
  if (news) afterMatch(core, leading);
}

/**
 * A read, of this replica or forwarded: joins the next round; waits for the term's first commit if
 * need be.
 */
export function readAtLeader(core: Core, leading: Leading, request: ReadRequest): void {
  if (!leading.reads.add(request)) {
    core.answerRead({ to: request.from, requestId: request.requestId, index: 0, refused: true });
    return;
  }
  maybeBeginReadRound(core, leading);
}

/** The connection to a follower broke: what is under way to it is lost, and so are its reads. */
export function handleFollowerUnreachable(leading: Leading, peer: ReplicaId): void {
  leading.progress.get(peer)?.unreachable();
  leading.reads.forget(peer);
  if (leading.transfer?.target === peer) leading.transfer = undefined;
}

/**
 * What a follower had acknowledged may be gone: its part in what is not committed yet no longer
 * counts. commitIndex stays, being true; the follower gets everything anew, as far as it lacks it.
 */
export function handlePeerLostLog(core: Core, leading: Leading, peer: ReplicaId): void {
  if (peer === core.id || !leading.progress.has(peer)) return;
  handleFollowerUnreachable(leading, peer);
  const progress = leading.renew(peer, core.log.lastIndex + 1);
  replicateFrom(core, peer, progress);
}
