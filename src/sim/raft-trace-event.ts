// The vocabulary of etcd-io/raft's trace validation (state_trace.go and tla/ there): names and
// fields of its events, and a peer message as it spells one. Knows nothing of when what is written.
import type { PeerMessage } from "../raft/index.ts";

/**
 * The specification begins with a log whose first entry, of term 1, is the configuration, as etcd
 * writes it when it bootstraps; ours begins empty, at term 0. So every index and every term is
 * written one higher than it is.
 */
export const bootstrapShift = 1;

/** A server's role; a pre-candidate is a follower there. */
export type TraceRole = "StateFollower" | "StateCandidate" | "StateLeader";

/** What an event says happened. */
export type TraceEventName =
  | "InitState"
  | "BecomeFollower"
  | "BecomeCandidate"
  | "BecomeLeader"
  | "Replicate"
  | "Commit"
  | "Ready"
  | `${"Send" | "Receive"}${"RequestVote" | "AppendEntries"}${"Request" | "Response"}`;

/** A server's state as the specification has it; shifted like everything. */
export interface TraceState {
  term: number;
  /** For whom it voted in `term`; 0 for nobody. */
  vote: number;
  role: TraceRole;
  commit: number;
  /** Length of its log. */
  log: number;
}

const messageTypes = {
  requestVote: "MsgVote",
  requestVoteResponse: "MsgVoteResp",
  appendEntries: "MsgApp",
  appendEntriesResponse: "MsgAppResp",
  heartbeat: "MsgHeartbeat",
  heartbeatResponse: "MsgHeartbeatResp",
} as const;

/** The kinds of our messages that the specification has. */
export type TracedKind = keyof typeof messageTypes;

/** A message that the specification has: not a pre-vote. */
export type TracedPeerMessage = Extract<PeerMessage, { kind: TracedKind }>;

/** A message as it is written. */
export interface TraceMessage {
  readonly type: (typeof messageTypes)[TracedKind];
  readonly term: number;
  readonly from: number;
  readonly to: number;
  /** How many entries it carries. */
  readonly entries: number;
  readonly logTerm: number;
  readonly index: number;
  readonly commit: number;
  readonly reject: boolean;
}

/** Whether the specification has a message at all; it has no pre-votes, reads and transfers. */
export function isTraced(message: PeerMessage): message is TracedPeerMessage {
  if (!(message.kind in messageTypes)) return false;
  return !("preVote" in message && message.preVote);
}

/** A message as it is written. What a leader says to be committed depends on more: `commit`. */
export function toTraceMessage(
  message: TracedPeerMessage,
  changes: { readonly commit?: number; readonly index?: number } = {},
): TraceMessage {
  const { kind, from, to } = message;
  const envelope = { type: messageTypes[kind], term: message.term + bootstrapShift, from, to };
  const empty = { entries: 0, logTerm: 0, index: 0, commit: 0, reject: false };
  return { ...envelope, ...empty, ...bodyOf(message), ...changes };
}

function bodyOf(message: TracedPeerMessage): Partial<TraceMessage> {
  switch (message.kind) {
    case "requestVote":
      return {
        logTerm: message.lastLogTerm + bootstrapShift,
        index: message.lastLogIndex + bootstrapShift,
      };
    case "requestVoteResponse":
      return { reject: !message.granted };
    case "appendEntries":
      return {
        entries: message.entries.length,
        logTerm: message.previousLogTerm + bootstrapShift,
        index: message.previousLogIndex + bootstrapShift,
      };
    case "appendEntriesResponse":
      return { reject: !message.accepted, index: message.index + bootstrapShift };
    case "heartbeat":
    case "heartbeatResponse":
      return {};
  }
}

/** What an event that is about a message is called. */
export function messageEventName(
  way: "Send" | "Receive",
  { type }: Pick<TraceMessage, "type">,
): TraceEventName {
  switch (type) {
    case "MsgVote":
      return `${way}RequestVoteRequest`;
    case "MsgVoteResp":
      return `${way}RequestVoteResponse`;
    case "MsgApp":
    case "MsgHeartbeat":
      return `${way}AppendEntriesRequest`;
    case "MsgAppResp":
    case "MsgHeartbeatResp":
      return `${way}AppendEntriesResponse`;
  }
}

/** One event, before it becomes a line. */
export interface TraceEvent {
  readonly name: TraceEventName;
  readonly server: number;
  readonly state: TraceState;
  readonly voters: readonly number[];
  readonly message: TraceMessage | undefined;
}

/** Of equal length for as many lines as anyone will write: validate.sh sorts lines as text. */
const firstLineNumber = 1_000_000_000;

/** The line of an event, the `count`-th of its trace. */
export function eventLine(count: number, event: TraceEvent): string {
  const { name, server, state, voters, message } = event;
  const { term, vote, commit, role, log } = state;
  return JSON.stringify({
    tag: "trace",
    ts: firstLineNumber + count,
    event: {
      name,
      nid: String(server),
      state: { term, vote: String(vote), commit },
      role,
      log,
      conf: [voters.map(String), []],
      ...(message === undefined ? {} : { msg: messageFields(message) }),
    },
  });
}

function messageFields(message: TraceMessage) {
  const { type, term, from, to, entries, logTerm, index, commit, reject } = message;
  return {
    type,
    term,
    from: String(from),
    to: String(to),
    entries,
    logTerm,
    index,
    commit,
    vote: "0",
    reject,
    rejectHint: 0,
  };
}

/** A line for people: the validation reads only those whose tag is "trace". */
export function noteLine(count: number, text: string): string {
  return JSON.stringify({ tag: "note", ts: firstLineNumber + count, text });
}
