// Votes (Raft §5.2): a server gives one vote a term, over all its lives, and says nothing of a vote
// or of a term that it leads before that is durable. A disk that was replaced is another server's.
import type { HardState, PeerMessage } from "../../raft/index.ts";
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";

/** What a server has made durable. */
interface SavedVotes {
  term: number;
  votedFor: ServerId;
  /** By term: for whom. Grows by a number an election. */
  readonly votes: Map<number, ServerId>;
}

/** Judges every hard state, and every message that rests on one. */
export class Votes implements ClusterChecker {
  readonly name = "votes";
  readonly #saved = new Map<ServerId, SavedVotes>();
  readonly #births = new Map<ServerId, string>();

  see(event: ClusterEvent): void {
    switch (event.kind) {
      case "started":
        // A folder that has begun anew is another member, without a say until it is taken in.
        if (this.#births.get(event.server) !== event.birth) this.#saved.delete(event.server);
        this.#births.set(event.server, event.birth);
        this.#recover(event.server, event.hardState);
        break;
      case "hardStateSaved":
        this.#save(event.server, event.hardState);
        break;
      case "diskReplaced":
        this.#saved.delete(event.server);
        break;
      case "messageSent":
        this.#send(event.server, event.message);
        break;
    }
  }

  #of(server: ServerId): SavedVotes {
    let saved = this.#saved.get(server);
    if (saved === undefined) {
      saved = { term: 0, votedFor: 0, votes: new Map() };
      this.#saved.set(server, saved);
    }
    return saved;
  }

  #recover(server: ServerId, hardState: HardState): void {
    const { term, votedFor } = this.#of(server);
    const isOlder =
      hardState.term < term ||
      (hardState.term === term && votedFor !== 0 && hardState.votedFor !== votedFor);
    if (isOlder) {
      this.#fail(
        `server ${server} came back with ${describe(hardState)}, ` +
          `after ${describe({ term, votedFor })} was durable`,
      );
    }
    this.#save(server, hardState);
  }

  #save(server: ServerId, { term, votedFor }: HardState): void {
    const saved = this.#of(server);
    if (term < saved.term) this.#fail(`server ${server} went from term ${saved.term} to ${term}`);
    saved.term = term;
    saved.votedFor = votedFor;
    if (votedFor === 0) {
      const known = saved.votes.get(term);
      if (known !== undefined) this.#fail(`server ${server} took back its vote in term ${term}`);
      return;
    }
    const known = saved.votes.get(term) ?? votedFor;
    if (known !== votedFor) {
      this.#fail(`server ${server} voted for ${known} and ${votedFor} in term ${term}`);
    }
    saved.votes.set(term, votedFor);
  }

  #send(server: ServerId, message: PeerMessage): void {
    switch (message.kind) {
      case "requestVote":
        if (!message.preVote) this.#checkVote(server, message.term, server);
        break;
      case "requestVoteResponse":
        if (message.granted && !message.preVote) this.#checkVote(server, message.term, message.to);
        break;
      case "appendEntries":
      case "heartbeat":
        if (this.#of(server).term < message.term) {
          this.#fail(`server ${server} leads term ${message.term} before that is durable`);
        }
        break;
    }
  }

  #checkVote(server: ServerId, term: number, candidate: ServerId): void {
    if (this.#of(server).votes.get(term) === candidate) return;
    this.#fail(
      `server ${server} says that it votes for ${candidate} in term ${term}, ` +
        "which is not durable",
    );
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}

function describe({ term, votedFor }: HardState): string {
  return `term ${term} and a vote for ${votedFor}`;
}
