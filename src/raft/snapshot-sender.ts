// A leader's side of installing a snapshot (Raft §7): asks the caller for chunks and sends them one
// at a time, from wherever the follower wants to go on. Makes and reads no snapshots.
import type { Core } from "./core.ts";
import type { Input } from "./input.ts";
import { snapshotRetryTicks } from "./limits.ts";
import type { AppendEntriesResponse, InstallSnapshotResponse } from "./peer-message.ts";
import type { Progress } from "./progress.ts";
import { sendMatchQuestion } from "./replication.ts";
import type { ReplicaId } from "./types.ts";

/** What the follower needs next is compacted: it gets a snapshot first. */
export function beginSnapshot(core: Core, to: ReplicaId, progress: Progress): void {
  progress.becomeSnapshot();
  core.outbox.requestChunk(to, 0);
}

/** The caller has read a chunk, or could not (an empty one that is not the last). */
export function handleSnapshotChunk(
  core: Core,
  input: Extract<Input, { kind: "snapshotChunk" }>,
): void {
  const progress = core.leading?.progress.get(input.to);
  const transfer = progress?.snapshot;
  if (progress === undefined || transfer === undefined) return;
  if (input.chunk.length === 0 && !input.done) {
    progress.becomeProbe();
    progress.pauseProbe();
    return;
  }
  if (input.offset !== transfer.requestedOffset) return;
  transfer.lastIndex = input.lastIndex;
  transfer.endOffset = input.done ? input.offset + input.chunk.length : undefined;
  progress.stalledTicks = 0;
  const { to, lastIndex, lastTerm, configuration, offset, chunk, done } = input;
  core.send({
    kind: "installSnapshot",
    term: core.term,
    from: core.id,
    to,
    lastIndex,
    lastTerm,
    configuration,
    offset,
    chunk,
    done,
  });
}

/** The follower says from where it wants to go on. Being done is handled by the caller of this. */
export function continueSnapshot(
  core: Core,
  progress: Progress,
  response: InstallSnapshotResponse,
): void {
  const transfer = progress.snapshot;
  if (transfer === undefined || transfer.lastIndex !== response.lastIndex) return;
  if (response.refused) {
    progress.becomeProbe();
    progress.pauseProbe();
    return;
  }
  // A repeated answer asks for what is on its way already.
  if (response.nextOffset === transfer.requestedOffset) return;
  transfer.requestedOffset = response.nextOffset;
  progress.stalledTicks = 0;
  if (response.nextOffset !== transfer.endOffset) {
    core.outbox.requestChunk(response.from, response.nextOffset);
  }
}

/**
 * Its answer to `retrySnapshot`'s question: it neither has the snapshot nor restores it, so it has
 * lost it.
 */
export function handleMatchDenied(
  core: Core,
  message: AppendEntriesResponse,
  progress: Progress,
): void {
  const transfer = progress.snapshot;
  if (transfer === undefined || transfer.requestedOffset !== transfer.endOffset) return;
  if (message.index === transfer.lastIndex) beginSnapshot(core, message.from, progress);
}

/** Called now and then while the follower is alive: asks again for what seems to be lost. */
export function retrySnapshot(core: Core, to: ReplicaId, progress: Progress): void {
  const transfer = progress.snapshot;
  if (transfer === undefined || progress.stalledTicks < snapshotRetryTicks) return;
  progress.stalledTicks = 0;
  if (transfer.requestedOffset !== transfer.endOffset) {
    core.outbox.requestChunk(to, transfer.requestedOffset);
    return;
  }
  // It has everything and restores, and meanwhile does not answer appendEntries. Should its last
  // word be lost, the answer to this will tell; where the log has moved on past that snapshot, only
  // a newer one can help.
  if (!sendMatchQuestion(core, to, transfer.lastIndex)) beginSnapshot(core, to, progress);
}
