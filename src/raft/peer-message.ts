// What cores say to each other, as plain values. src/replica/peer-codec.ts turns them into bytes.
import type { Entry, LogIndex, ReplicaId, Term } from "./types.ts";

/**
 * Fields of every peer message. `term` is the sender's, but for a granted or asked pre-vote
 * (dissertation §9.6).
 */
interface Envelope {
  readonly term: Term;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
}

/**
 * Asks for a vote (Raft §5.2), or with `preVote` whether one would be given (dissertation §9.6).
 */
export interface RequestVote extends Envelope {
  readonly kind: "requestVote";
  readonly preVote: boolean;
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  /** The candidate was told to stand by the leader (timeoutNow): stickiness does not count. */
  readonly transfer: boolean;
}

/** Gives or refuses a vote, durable before it is sent (Raft §5.2). */
export interface RequestVoteResponse extends Envelope {
  readonly kind: "requestVoteResponse";
  readonly preVote: boolean;
  readonly granted: boolean;
}

/** Replicates entries after (previousLogIndex, previousLogTerm) (Raft §5.3). */
export interface AppendEntries extends Envelope {
  readonly kind: "appendEntries";
  readonly previousLogIndex: LogIndex;
  readonly previousLogTerm: Term;
  readonly entries: readonly Entry[];
  readonly commitIndex: LogIndex;
}

/** Sent only when the accepted entries are durable at the sender. */
export interface AppendEntriesResponse extends Envelope {
  readonly kind: "appendEntriesResponse";
  readonly accepted: boolean;
  /** Accepted: the highest index known to match. Refused: the previousLogIndex that was refused. */
  readonly index: LogIndex;
  /**
   * Refused: the follower's best guess where the logs agree, by index and the term it has there.
   */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}

/** Keeps followers from standing for election, and tells them the commit index (Raft §5.2). */
export interface Heartbeat extends Envelope {
  readonly kind: "heartbeat";
  /** Never above the receiver's match index. */
  readonly commitIndex: LogIndex;
  /** Number of the newest read-index round that this heartbeat serves, 0 for none. */
  readonly readSequence: number;
  /** False: it only tells the commit index early; the receiver sends nothing back. */
  readonly wantsAnswer: boolean;
}

/** Confirms the leader, also for reads (dissertation §6.4). */
export interface HeartbeatResponse extends Envelope {
  readonly kind: "heartbeatResponse";
  readonly readSequence: number;
}

/** One chunk of a snapshot (Raft §7). */
export interface InstallSnapshot extends Envelope {
  readonly kind: "installSnapshot";
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The configuration as of lastIndex, encoded by encodeConfiguration. */
  readonly configuration: Uint8Array;
  readonly offset: number;
  readonly chunk: Uint8Array;
  readonly done: boolean;
}

/** How far the receiver of a snapshot is. */
export interface InstallSnapshotResponse extends Envelope {
  readonly kind: "installSnapshotResponse";
  readonly lastIndex: LogIndex;
  /** From where the receiver wants to go on. */
  readonly nextOffset: number;
  readonly refused: boolean;
  /** The whole snapshot is durable and restored. */
  readonly installed: boolean;
}

/** Tells a follower to stand for election at once (dissertation §3.10). */
export interface TimeoutNow extends Envelope {
  readonly kind: "timeoutNow";
}

/** A follower asks the leader for an index to read at (dissertation §6.4). */
export interface ReadIndex extends Envelope {
  readonly kind: "readIndex";
  readonly requestId: number;
}

/** The leader's answer to a follower's readIndex. */
export interface ReadIndexResponse extends Envelope {
  readonly kind: "readIndexResponse";
  readonly requestId: number;
  readonly index: LogIndex;
  readonly refused: boolean;
}

/** A follower hands a wish to transfer leadership on to the leader. */
export interface TransferLeadership extends Envelope {
  readonly kind: "transferLeadership";
  readonly target: ReplicaId;
}

/** Everything that cores say to each other. */
export type PeerMessage =
  | RequestVote
  | RequestVoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | Heartbeat
  | HeartbeatResponse
  | InstallSnapshot
  | InstallSnapshotResponse
  | TimeoutNow
  | ReadIndex
  | ReadIndexResponse
  | TransferLeadership;
