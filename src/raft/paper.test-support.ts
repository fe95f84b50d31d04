// What the tests of the paper's claims share: replicas in the roles that the claims speak of.
import { LoneReplica } from "./lone-replica.test-support.ts";
import type { AppendEntries, PeerMessage } from "./peer-message.ts";
import type { Term } from "./types.ts";

/** A request of replica 2 with an empty log; the term is the test's. */
export const requestVote = {
  kind: "requestVote",
  from: 2,
  preVote: false,
  lastLogIndex: 0,
  lastLogTerm: 0,
  transfer: false,
} as const;

/** What goes to whom. */
export function kinds(messages: readonly PeerMessage[]): string[] {
  return messages.map(({ kind, to }) => `${kind} to ${to}`);
}

/** The appendEntries among them. */
export function appends(messages: readonly PeerMessage[]): AppendEntries[] {
  return messages.filter((message) => message.kind === "appendEntries");
}

/** A follower of 2 in term 1. */
export function followerOf2(log: readonly Term[] = [1]): LoneReplica {
  const replica = new LoneReplica({ log, term: Math.max(1, log.at(-1) ?? 0) });
  replica.heartbeat(2);
  replica.settle();
  return replica;
}

/** A leader of its next term, whose no-op is on its own disk only. */
export function leader(start: ConstructorParameters<typeof LoneReplica>[0] = {}): LoneReplica {
  const replica = new LoneReplica(start);
  replica.becomeLeader();
  replica.take();
  return replica;
}

/** A follower answers a heartbeat that carries read rounds up to `readSequence`. */
export function confirm(replica: LoneReplica, from: number, readSequence = 1): void {
  replica.receive({ kind: "heartbeatResponse", term: replica.raft.term, from, readSequence });
}

/** Lets the leader (1) and another core, which plays replica 2, talk until they are done. */
export function exchange(first: LoneReplica, second: LoneReplica): { readonly refusals: number } {
  let refusals = 0;
  for (let round = 0; round < 100; round++) {
    const sent = first.settle().filter(({ to }) => to === 2);
    for (const message of sent) second.receive({ ...message, from: 2 });
    const answers = second.settle();
    if (sent.length === 0 && answers.length === 0) break;
    for (const answer of answers) {
      if (answer.kind === "appendEntriesResponse" && !answer.accepted) refusals++;
      first.receive({ ...answer, from: 2 });
    }
  }
  return { refusals };
}
