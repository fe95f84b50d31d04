// A follower's side of installing a snapshot (Raft §7): takes chunks in order, lets the caller
// store and restore them, and then starts the log anew. Stores nothing itself.
import type { Core } from "./core.ts";
import { decodeConfiguration } from "./membership.ts";
import type { InstallSnapshot } from "./peer-message.ts";
import type { Configuration, LogIndex, ReplicaId, Term } from "./types.ts";

/**
 * A snapshot on its way. Bytes of different leaders are never mixed: their files may differ at the
 * same index.
 */
export interface IncomingSnapshot {
  /** The leader's term, which names the sender. */
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly configuration: Configuration;
  /** Bytes received so far, without a gap. */
  nextOffset: number;
  /**
   * The last chunk was handed to the caller, who puts the snapshot in the place of state and log.
   * Until it says so, nothing is appended or committed here: it would be lost under way.
   */
  restoring: boolean;
}

/** Handles a chunk of the leader of this term, who is known to be heard. */
export function handleInstallSnapshot(core: Core, message: InstallSnapshot): void {
  const { lastIndex, lastTerm } = message;
  const incoming = core.incomingSnapshot;
  if (incoming?.restoring === true) {
    const same = incoming.term === message.term && incoming.lastIndex === lastIndex;
    respond(core, message, { nextOffset: same ? incoming.nextOffset : 0, refused: !same });
    return;
  }
  if (core.log.matches(lastIndex, lastTerm)) core.commitTo(lastIndex);
  if (lastIndex <= core.log.commitIndex) {
    core.incomingSnapshot = undefined;
    respondInstalled(core, message.from, lastIndex);
    return;
  }
  const transfer = transferOf(core, message);
  if (transfer === undefined) {
    respond(core, message, { nextOffset: 0, refused: false });
    return;
  }
  if (message.offset === transfer.nextOffset) {
    transfer.nextOffset += message.chunk.length;
    transfer.restoring = message.done;
    core.outbox.storeChunk(message);
  }
  respond(core, message, { nextOffset: transfer.nextOffset, refused: false });
}

/**
 * The transfer that a chunk belongs to; a first chunk begins one; undefined for the middle of an
 * unknown one.
 */
function transferOf(core: Core, message: InstallSnapshot): IncomingSnapshot | undefined {
  const { term, lastIndex, lastTerm } = message;
  const incoming = core.incomingSnapshot;
  if (incoming?.term === term && incoming.lastIndex === lastIndex) return incoming;
  if (message.offset !== 0) return undefined;
  const configuration = decodeConfiguration(message.configuration);
  if (configuration === undefined) return undefined;
  core.incomingSnapshot = {
    term,
    lastIndex,
    lastTerm,
    configuration,
    nextOffset: 0,
    restoring: false,
  };
  return core.incomingSnapshot;
}

/** The caller has the snapshot durable and in the state machine, and its log begins after it. */
export function handleSnapshotRestored(core: Core, index: LogIndex, term: Term): void {
  const incoming = core.incomingSnapshot;
  if (incoming === undefined || !incoming.restoring) return;
  if (incoming.lastIndex !== index || incoming.lastTerm !== term) return;
  core.incomingSnapshot = undefined;
  core.restoreLog(incoming);
  if (core.leader !== 0) respondInstalled(core, core.leader, index);
}

function respond(
  core: Core,
  to: InstallSnapshot,
  answer: { readonly nextOffset: number; readonly refused: boolean },
): void {
  core.send({
    kind: "installSnapshotResponse",
    term: core.term,
    from: core.id,
    to: to.from,
    lastIndex: to.lastIndex,
    nextOffset: answer.nextOffset,
    refused: answer.refused,
    installed: false,
  });
}

/**
 * Says that everything up to `lastIndex` is durable here, so it leaves after all earlier writes.
 */
function respondInstalled(core: Core, to: ReplicaId, lastIndex: LogIndex): void {
  core.sendAfterPersist({
    kind: "installSnapshotResponse",
    term: core.term,
    from: core.id,
    to,
    lastIndex,
    nextOffset: 0,
    refused: false,
    installed: true,
  });
}
