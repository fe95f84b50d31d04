// Where our cores and the specification of etcd-io/raft part: what a trace leaves out, and what it
// takes for the same state. Each rule is explained in docs/TESTING.md. Writes nothing.
import type { CoreView, PeerMessage } from "../raft/index.ts";
import { bootstrapShift, type TracedPeerMessage, type TraceState } from "./raft-trace-event.ts";

/** A core's step in which a message came. */
export interface Reception {
  readonly message: TracedPeerMessage;
  readonly answer: TracedPeerMessage | undefined;
  readonly before: CoreView;
  readonly after: CoreView;
}

/** Whether `message` answers `question`. */
export function isAnswerTo(question: TracedPeerMessage, message: PeerMessage): boolean {
  if (message.to !== question.from) return false;
  switch (question.kind) {
    case "requestVote":
      return message.kind === "requestVoteResponse";
    case "appendEntries":
    case "heartbeat":
      return message.kind === "appendEntriesResponse" || message.kind === "heartbeatResponse";
    default:
      return false;
  }
}

/**
 * Whether the specification would handle a message as the core did. Where not, the trace leaves it
 * out, as if it were lost.
 */
export function belongs(state: TraceState, { message, answer, before, after }: Reception): boolean {
  const isBehind = before.hardState.term + bootstrapShift > state.term;
  const isStale = message.term < before.hardState.term;
  switch (message.kind) {
    case "requestVote": {
      if (answer?.kind !== "requestVoteResponse") return false;
      if (answer.granted) return true;
      if (isStale) return !isBehind;
      // Refused although a higher term: this server still hears a leader (stickiness).
      if (message.term > before.hardState.term) return after.hardState.term === message.term;
      const { votedFor } = before.hardState;
      return !isBehind && votedFor !== 0 && votedFor !== message.from;
    }
    case "requestVoteResponse":
      return message.granted ? !isStale : message.term > before.hardState.term;
    case "appendEntries":
    case "heartbeat":
      if (isStale) return !isBehind;
      // Without an answer to entries, the core has put them off.
      return message.kind === "heartbeat" || answer !== undefined;
    case "appendEntriesResponse":
    case "heartbeatResponse":
      return !isStale;
  }
}

/** Whether term and vote of a core that restarts are these, or of a term that it learnt later. */
export function isVoteOf(state: TraceState, { hardState }: CoreView): boolean {
  const term = hardState.term + bootstrapShift;
  if (state.term === term) return state.vote === hardState.votedFor;
  return state.term < term && hardState.votedFor === 0;
}

/** Whether a core that restarts has not gone back behind this term and vote. */
export function isPast(
  { term, vote }: { term: number; vote: number },
  { hardState }: CoreView,
): boolean {
  const restarted = hardState.term + bootstrapShift;
  return restarted > term || (restarted === term && (vote === 0 || vote === hardState.votedFor));
}

/** Whether two states restart alike: all but the role. */
export function isEqual(a: TraceState, b: TraceState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit && a.log === b.log;
}
