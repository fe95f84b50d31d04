// Giving votes and pre-votes (Raft §5.2, §5.4.1; dissertation §9.6): the same for every role.
// Asking is candidate.ts.
import type { Core } from "./core.ts";
import type { RequestVote } from "./peer-message.ts";

/** Answers a request of any term; may raise this replica's term (not for a pre-vote). */
export function handleRequestVote(core: Core, message: RequestVote): void {
  if (message.term < core.term || (core.hearsLeader && !message.transfer)) {
    respond(core, message, { granted: false });
    return;
  }
  if (message.preVote) {
    // A promise of nothing: the term asked about is not taken over, and others may hear the same.
    const granted = core.mayVote && message.term > core.term && isUpToDate(core, message);
    respond(core, message, { granted });
    return;
  }
  if (message.term > core.term) core.becomeFollower(message.term, 0);
  const free = core.votedFor === message.from || (core.votedFor === 0 && core.leader === 0);
  const granted = free && core.mayVote && isUpToDate(core, message);
  if (granted) core.vote(message.from);
  respond(core, message, { granted });
}

function isUpToDate(core: Core, message: RequestVote): boolean {
  return core.log.isUpToDate(message.lastLogIndex, message.lastLogTerm);
}

function respond(core: Core, to: RequestVote, answer: { readonly granted: boolean }): void {
  const { granted } = answer;
  const { preVote } = to;
  // A granted pre-vote speaks of the term asked about, so that the asker can tell it from a vote of
  // its own term.
  const term = preVote && granted ? to.term : core.term;
  const envelope = { term, from: core.id, to: to.from };
  const response = { kind: "requestVoteResponse", ...envelope, preVote, granted } as const;
  // A vote must be durable before anybody can count it (Raft §5.2, Figure 2).
  if (granted && !preVote) core.sendAfterPersist(response);
  else core.send(response);
}
