// Standing for election: pre-candidates ask whether they would win, candidates ask for votes (Raft
// §5.2, dissertation §9.6). Giving votes is in votes.ts.
import type { Core } from "./core.ts";
import { becomeLeader } from "./leader.ts";
import { allVoters } from "./membership.ts";
import type { RequestVoteResponse } from "./peer-message.ts";
import { voteResult } from "./quorum.ts";

/**
 * Begins with a pre-vote: a replica that could not win must not disturb the others by a new term.
 */
export function preCampaign(core: Core): void {
  core.countTry();
  core.becomePreCandidate();
  requestVotes(core, { preVote: true, transfer: false });
  decide(core);
}

/** Stands for election in a new term; `transfer`: since the leader wished it. */
export function campaign(core: Core, reason: { readonly transfer: boolean }): void {
  core.becomeCandidate();
  requestVotes(core, { preVote: false, transfer: reason.transfer });
  decide(core);
}

/** Counts an answer that belongs to the try under way. */
export function handleRequestVoteResponse(core: Core, message: RequestVoteResponse): void {
  const asked = message.preVote ? "preCandidate" : "candidate";
  if (core.role !== asked) return;
  const termOfGrant = message.preVote ? core.term + 1 : core.term;
  if (message.granted && message.term !== termOfGrant) return;
  if (!core.votes.has(message.from)) core.votes.set(message.from, message.granted);
  decide(core);
}

function requestVotes(
  core: Core,
  request: { readonly preVote: boolean; readonly transfer: boolean },
): void {
  const { preVote, transfer } = request;
  for (const to of allVoters(core.membership.current)) {
    if (to === core.id) continue;
    // A candidate's term and own vote are new in this step, so this waits until they are durable.
    core.send({
      kind: "requestVote",
      term: preVote ? core.term + 1 : core.term,
      from: core.id,
      to,
      preVote,
      lastLogIndex: core.log.lastIndex,
      lastLogTerm: core.log.lastTerm,
      transfer,
    });
  }
}

function decide(core: Core): void {
  switch (voteResult(core.membership.current, core.votes)) {
    case "won":
      if (core.role === "preCandidate") campaign(core, { transfer: false });
      else becomeLeader(core);
      return;
    case "lost":
      core.becomeFollower(core.term, 0);
      return;
    case "undecided":
      return;
  }
}
