// The messages that a trace has sent and not received, as the specification keeps them: in a bag,
// first those that wait for their sender's `Ready`. Knows them by what they say, since a message
// that arrives is another object than the one that left.
import type { TracedPeerMessage, TraceMessage } from "./raft-trace-event.ts";

/** One message under way. */
export interface Flight {
  readonly message: TraceMessage;
  /** For whom its sender had voted in the message's term. */
  readonly vote: number;
  /**
   * - pending: its sender has not been `Ready` since.
   * - sent: may be received.
   * - void: its sender restarted before it was `Ready`, or it was received.
   */
  state: "pending" | "sent" | "void";
}

/** All messages under way between servers. */
export class Flights {
  readonly #byContent = new Map<string, Flight[]>();

  /** Puts a message under way. */
  add(message: TracedPeerMessage, flight: Flight): void {
    const key = contentOf(message);
    const flights = this.#byContent.get(key);
    if (flights === undefined) this.#byContent.set(key, [flight]);
    else flights.push(flight);
  }

  /** Takes out a message that says this; undefined where none is under way. */
  take(message: TracedPeerMessage): Flight | undefined {
    const key = contentOf(message);
    const flights = this.#byContent.get(key)?.filter(({ state }) => state !== "void") ?? [];
    const flight = flights.shift();
    if (flights.length === 0) this.#byContent.delete(key);
    else this.#byContent.set(key, flights);
    return flight;
  }

  clear(): void {
    this.#byContent.clear();
  }
}

function contentOf(message: TracedPeerMessage): string {
  const { kind, from, to, term } = message;
  return `${kind} ${from} ${to} ${term} ${bodyOf(message)}`;
}

function bodyOf(message: TracedPeerMessage): string {
  switch (message.kind) {
    case "requestVote":
      return `${message.lastLogIndex} ${message.lastLogTerm}`;
    case "requestVoteResponse":
      return `${message.granted}`;
    case "appendEntries": {
      const { previousLogIndex, previousLogTerm, entries, commitIndex } = message;
      return `${previousLogIndex} ${previousLogTerm} ${entries.length} ${commitIndex}`;
    }
    case "appendEntriesResponse":
      return `${message.accepted} ${message.index}`;
    case "heartbeat":
      return `${message.commitIndex} ${message.readSequence} ${message.wantsAnswer}`;
    case "heartbeatResponse":
      return `${message.readSequence}`;
  }
}
