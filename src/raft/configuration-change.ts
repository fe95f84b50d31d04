// A leader's part in changing who takes part (Raft §6; dissertation §4.3): takes a wish or refuses
// it, leaves the joint phase, and goes when it has no vote any more. Which configuration counts is
// membership.ts; who ought to be a member, and whether a learner has caught up, is the caller's.
import type { Core } from "./core.ts";
import type { Input } from "./input.ts";
import type { Leading } from "./leading.ts";
import {
  configurationContextBytesMax,
  configurationMembersMax,
  entryOverheadBytes,
} from "./limits.ts";
import { allMembers, encodeConfiguration } from "./membership.ts";
import {
  announceCommit,
  maybeCommit,
  maybeFinishReadRound,
  replicateToAll,
} from "./replication.ts";
import { furthestVoter } from "./transfer.ts";
import type { Configuration, ReplicaId } from "./types.ts";

type Change = Extract<Input, { kind: "changeConfiguration" }>;

/**
 * Proposes another configuration. With other voters than now it is joint: from here on both
 * majorities decide, so that at no moment two majorities exist that have nobody in common.
 */
export function changeConfiguration(core: Core, leading: Leading, change: Change): void {
  const next = nextConfiguration(core.membership.current, change);
  const refusal = stateRefusal(core, leading) ?? listsRefusal(change, next);
  if (refusal !== undefined) {
    core.outbox.refuseConfiguration(refusal);
    return;
  }
  const payload = encodeConfiguration(next);
  const index = core.log.lastIndex + 1;
  if (!leading.addUncommitted(index, payload.length + entryOverheadBytes)) {
    core.outbox.refuseConfiguration("too much is not committed yet");
    return;
  }
  core.outbox.takeConfiguration(index);
  append(core, leading, payload);
}

/** One step where the voters stay the same, which is the usual way to add a learner. */
function nextConfiguration(now: Configuration, change: Change): Configuration {
  const { voters, learners, context } = change;
  const votersOutgoing = sameMembers(now.voters, voters) ? [] : now.voters;
  return { voters, votersOutgoing, learners, context };
}

function sameMembers(some: readonly ReplicaId[], others: readonly ReplicaId[]): boolean {
  return some.length === others.length && some.every((id) => others.includes(id));
}

/** Why no change at all may begin now. */
function stateRefusal(core: Core, leading: Leading): string | undefined {
  if (leading.transfer !== undefined) return "leadership is being handed over";
  // Before its first commit a leader does not know what its predecessor has committed. Joint
  // changes would do no harm, single steps would (erratum to dissertation §4.1): none begins.
  if (core.log.commitIndex < leading.firstIndexOfTerm) return "this leader is too new";
  if (core.membership.isChanging) return "another change is under way";
  return undefined;
}

/** What is wrong with the lists that are wished for. */
function listsRefusal(change: Change, next: Configuration): string | undefined {
  const { voters, learners, context } = change;
  if (voters.length === 0) return "somebody must have a vote";
  const ids = [...voters, ...learners];
  if (!ids.every(isId)) return "a server's id is a positive integer of 32 bits";
  if (new Set(ids).size !== ids.length) return "a server is listed twice";
  if (ids.length + next.votersOutgoing.length > configurationMembersMax) return "too many servers";
  if (context.length > configurationContextBytesMax) return "the context is too large";
  return undefined;
}

function isId(id: ReplicaId): boolean {
  return Number.isInteger(id) && id > 0 && id <= 0xffff_ffff;
}

/**
 * Once a joint configuration is committed, both majorities know of it and the new voters alone may
 * decide: the final entry follows, whoever leads now. Not while leadership is handed over, since
 * the target would stand with a log that lacks it.
 */
export function maybeLeaveJoint(core: Core, leading: Leading): void {
  const { current, currentIndex } = core.membership;
  if (current.votersOutgoing.length === 0 || leading.transfer !== undefined) return;
  if (core.log.commitIndex < Math.max(currentIndex, leading.firstIndexOfTerm)) return;
  append(core, leading, encodeConfiguration({ ...current, votersOutgoing: [] }));
}

/** The configuration counts at once (Raft §6): who is sent to, and who is counted. */
function append(core: Core, leading: Leading, payload: Uint8Array): void {
  const index = core.log.lastIndex + 1;
  core.appendOwn([{ index, term: core.term, kind: "configuration", payload }]);
  leading.setMembers(allMembers(core.membership.current), index);
  replicateToAll(core, leading);
  // Fewer have to agree, perhaps, to what waits already.
  maybeCommit(core, leading);
  maybeFinishReadRound(core, leading);
  announceCommit(core, leading);
}

/**
 * A leader that the committed configuration gives no vote has done its work, the others have been
 * told of the commit, and one of them takes over at once (dissertation §4.2.2).
 */
export function maybeStepDown(core: Core, leading: Leading): void {
  const { membership } = core;
  if (membership.isChanging || membership.current.voters.includes(core.id)) return;
  const to = furthestVoter(core, leading);
  leading.transfer = undefined;
  if (to !== 0) core.send({ kind: "timeoutNow", term: core.term, from: core.id, to });
  core.becomeFollower(core.term, 0);
}
