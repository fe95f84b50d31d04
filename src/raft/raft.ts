// The consensus core of one replica: dispatches each input to the role that handles it, and nothing
// else. Pure and synchronous: no clock, no I/O, no randomness but the seed in its config.
import { assertNever } from "../base/assert.ts";
import { handleRequestVoteResponse } from "./candidate.ts";
import type { RaftConfig, Restored } from "./config.ts";
import { changeConfiguration } from "./configuration-change.ts";
import { Core } from "./core.ts";
import type { Effects } from "./effects.ts";
import {
  forwardRead,
  forwardTransfer,
  handleAppendEntries,
  handleHeartbeat,
  handleReadIndexResponse,
  handleTimeoutNow,
  hearSnapshot,
  tickFollower,
} from "./follower.ts";
import type { Input } from "./input.ts";
import {
  handleAppendEntriesResponse,
  handleFollowerUnreachable,
  handleHeartbeatResponse,
  handleInstallSnapshotResponse,
  handleOwnDurable,
  handlePeerLostLog,
  propose,
  readAtLeader,
  tickLeader,
} from "./leader.ts";
import type { Leading } from "./leading.ts";
import type { ConfigurationAt } from "./membership.ts";
import type { PeerMessage } from "./peer-message.ts";
import type { ProgressView } from "./progress.ts";
import { handleSnapshotRestored } from "./snapshot-receiver.ts";
import { handleSnapshotChunk } from "./snapshot-sender.ts";
import { beginTransfer } from "./transfer.ts";
import type { Configuration, LogIndex, ReplicaId, Role, Term } from "./types.ts";
import { handleRequestVote } from "./votes.ts";

const noProgress: ReadonlyMap<ReplicaId, ProgressView> = new Map();

/**
 * One replica's part in consensus (Raft; Ongaro's dissertation). Feed it every input in the order
 * in which things happen; do what the effects of each step say, in the order of the steps.
 * Completions (`persisted`, `snapshotRestored`) are reported in the order of the writes. A throw is
 * a bug: the replica must stop.
 */
export class Raft {
  readonly #core: Core;

  /** A replica as its disk holds it; a follower that knows no leader yet. */
  constructor(config: RaftConfig, restored: Restored) {
    this.#core = new Core(config, restored);
  }

  /** Takes one input in and says what it asks of the caller. */
  step(input: Input): Effects {
    this.#handle(input);
    return this.#core.takeEffects();
  }

  get id(): ReplicaId {
    return this.#core.id;
  }

  get role(): Role {
    return this.#core.role;
  }

  get term(): Term {
    return this.#core.term;
  }

  /** Whom this replica follows, itself when it leads, 0 while none is known. */
  get leader(): ReplicaId {
    return this.#core.leader;
  }

  /** Everything up to here is committed, as far as this replica knows. */
  get commitIndex(): LogIndex {
    return this.#core.log.commitIndex;
  }

  /** End of the log, durable here or not. */
  get lastIndex(): LogIndex {
    return this.#core.log.lastIndex;
  }

  /** Everything up to here is known to be durable here. */
  get stableIndex(): LogIndex {
    return this.#core.log.stableIndex;
  }

  /** The newest configuration in the log. */
  get configuration(): Configuration {
    return this.#core.membership.current;
  }

  /** Where the newest configuration is in the log; the log's beginning or 0 without an entry. */
  get configurationIndex(): LogIndex {
    return this.#core.membership.currentIndex;
  }

  /** Whether the newest configuration is joint, or not known to be committed. */
  get isConfigurationChanging(): boolean {
    return this.#core.membership.isChanging;
  }

  /** The newest configuration that is known to be committed. */
  get committedConfiguration(): ConfigurationAt {
    return this.#core.membership.committedConfiguration;
  }

  /** Whether this replica leads and is handing over, so that it takes no proposals. */
  get isTransferring(): boolean {
    return this.#core.leading?.transfer !== undefined;
  }

  /**
   * At a leader, what it knows of each member, itself included (its matchIndex is what its own disk
   * holds); empty at anyone else. A live view: it changes with every step.
   */
  progress(): ReadonlyMap<ReplicaId, ProgressView> {
    return this.#core.leading?.progress ?? noProgress;
  }

  #handle(input: Input): void {
    const core = this.#core;
    const { leading } = core;
    switch (input.kind) {
      case "tick":
        if (leading !== undefined) tickLeader(core, leading);
        else tickFollower(core);
        return;
      case "peerMessage":
        receive(core, input.message);
        return;
      case "propose":
        if (leading !== undefined) propose(core, leading, input.payloads);
        else core.outbox.dropProposal();
        return;
      case "changeConfiguration":
        if (leading !== undefined) changeConfiguration(core, leading, input);
        else core.outbox.refuseConfiguration("this server does not lead");
        return;
      case "peerLostLog":
        if (leading !== undefined) handlePeerLostLog(core, leading, input.peer);
        return;
      case "trustLog":
        core.abstains = false;
        return;
      case "persisted":
        core.log.stableTo(input.index, input.term);
        if (leading !== undefined) handleOwnDurable(core, leading);
        return;
      case "peerUnreachable":
        if (leading !== undefined) handleFollowerUnreachable(leading, input.peer);
        else if (core.leader === input.peer) core.loseLeader();
        return;
      case "readIndex": {
        const { requestId } = input;
        if (leading !== undefined) readAtLeader(core, leading, { from: core.id, requestId });
        else forwardRead(core, requestId);
        return;
      }
      case "transferLeadership":
        if (leading !== undefined) beginTransfer(core, leading, input.target);
        else forwardTransfer(core, input.target);
        return;
      case "snapshotRestored":
        handleSnapshotRestored(core, input.index, input.term);
        return;
      case "snapshotChunk":
        handleSnapshotChunk(core, input);
        return;
      default:
        assertNever(input, "input");
    }
  }
}

/**
 * Rules for all roles (Raft Figure 2): a newer term is taken over, an older one is answered and
 * ignored.
 */
function receive(core: Core, message: PeerMessage): void {
  core.config.observer?.messageReceived?.(message);
  if (message.to !== core.id || message.from === core.id || message.from === 0) return;
  if (message.kind === "requestVote") {
    handleRequestVote(core, message);
    return;
  }
  // A granted pre-vote names the term that was asked about; nobody is in it yet.
  const isGrantedPreVote =
    message.kind === "requestVoteResponse" && message.preVote && message.granted;
  if (!isGrantedPreVote && message.term > core.term) {
    core.becomeFollower(message.term, isOfLeader(message) ? message.from : 0);
  }
  if (message.term < core.term) answerOlderTerm(core, message);
  else receiveCurrent(core, message);
}

function isOfLeader(message: PeerMessage): boolean {
  switch (message.kind) {
    case "appendEntries":
    case "heartbeat":
    case "installSnapshot":
      return true;
    default:
      return false;
  }
}

/**
 * A leader of an older term learns by any answer that it is one; everything else of an older term
 * is void.
 */
function answerOlderTerm(core: Core, message: PeerMessage): void {
  if (!isOfLeader(message)) return;
  const envelope = { term: core.term, from: core.id, to: message.from };
  const hint = { hintIndex: 0, hintTerm: 0 };
  core.send({ kind: "appendEntriesResponse", ...envelope, accepted: false, index: 0, ...hint });
}

function receiveCurrent(core: Core, message: Exclude<PeerMessage, { kind: "requestVote" }>): void {
  switch (message.kind) {
    case "requestVoteResponse":
      handleRequestVoteResponse(core, message);
      return;
    case "appendEntries":
      handleAppendEntries(core, message);
      return;
    case "heartbeat":
      handleHeartbeat(core, message);
      return;
    case "installSnapshot":
      hearSnapshot(core, message);
      return;
    case "timeoutNow":
      handleTimeoutNow(core, message.from);
      return;
    case "readIndexResponse":
      handleReadIndexResponse(core, message);
      return;
    case "transferLeadership":
      if (core.leading !== undefined) beginTransfer(core, core.leading, message.target);
      return;
    case "readIndex":
      receiveReadIndex(core, message);
      return;
    default:
      if (core.leading !== undefined) receiveAnswer(core, core.leading, message);
  }
}

function receiveAnswer(
  core: Core,
  leading: Leading,
  message: Extract<
    PeerMessage,
    { kind: "appendEntriesResponse" | "heartbeatResponse" | "installSnapshotResponse" }
  >,
): void {
  switch (message.kind) {
    case "appendEntriesResponse":
      handleAppendEntriesResponse(core, leading, message);
      return;
    case "heartbeatResponse":
      handleHeartbeatResponse(core, leading, message);
      return;
    case "installSnapshotResponse":
      handleInstallSnapshotResponse(core, leading, message);
      return;
    default:
      assertNever(message, "answer");
  }
}

function receiveReadIndex(core: Core, message: Extract<PeerMessage, { kind: "readIndex" }>): void {
  const { from, requestId } = message;
  if (core.leading !== undefined) readAtLeader(core, core.leading, { from, requestId });
  else core.answerRead({ to: from, requestId, index: 0, refused: true });
}
