// Commands on their way into the log. PendingProposals is the side of the replica that a client
// talks to: it keeps each command until it is acknowledged, whoever leads. ProposalQueue is the
// leader's side: it collects what arrives into entries. Not here: consensus, and exactly-once,
// which is the state machine's by the command's own id.

import type { Position } from "../base/position.ts";
import type { ForwardedCommands, Proposal } from "../proto/gen/cluster/v1/peer_pb.js";
import {
  commandBytesMax,
  entryBytesMax,
  entryCommandsMax,
  pendingProposalBytesMax,
  pendingProposalsMax,
  writeBytesMax,
} from "./limits.ts";
import type { ProposalAnswer } from "./service.ts";

/** What of a Proposal matters here. */
export type ProposalFields = Pick<
  Proposal,
  "originId" | "originSequence" | "originIncarnation" | "command"
>;

interface OpenProposal<Outcome> {
  readonly command: Uint8Array;
  readonly proposedAtMs: number;
  readonly done: (answer: ProposalAnswer<Outcome>) => void;
}

interface AppliedProposal<Outcome> {
  readonly command: Uint8Array;
  readonly index: number;
  readonly position: Position;
  readonly outcome: Outcome;
  readonly proposedAtMs: number;
  readonly done: (answer: ProposalAnswer<Outcome>) => void;
}

/** The commands that this replica's clients wait for. */
export class PendingProposals<Outcome> {
  /** By sequence, ascending: handed in and not applied here yet. */
  readonly #open = new Map<number, OpenProposal<Outcome>>();
  /** Applied here, not acknowledged yet; indexes ascend. */
  #applied: AppliedProposal<Outcome>[] = [];
  #nextSequence = 1;
  #openBytes = 0;

  get openCount(): number {
    return this.#open.size;
  }

  /** Sequence of the next proposal; all handed in have lower ones. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** Lowest sequence that is open, or nextSequence where none is. */
  get oldestOpen(): number {
    for (const sequence of this.#open.keys()) return sequence;
    return this.#nextSequence;
  }

  /** Takes a command in; false where too much is under way. */
  add(
    command: Uint8Array,
    nowMs: number,
    done: (answer: ProposalAnswer<Outcome>) => void,
  ): boolean {
    const count = this.#open.size + this.#applied.length;
    if (count >= pendingProposalsMax) return false;
    if (this.#openBytes + command.length > pendingProposalBytesMax) return false;
    this.#open.set(this.#nextSequence, { command, proposedAtMs: nowMs, done });
    this.#nextSequence += 1;
    this.#openBytes += command.length;
    return true;
  }

  /** The open commands with a sequence from `start` on, in order. */
  *openFrom(start: number): Generator<{ sequence: number; command: Uint8Array }> {
    for (let sequence = start; sequence < this.#nextSequence; sequence++) {
      const open = this.#open.get(sequence);
      if (open !== undefined) yield { sequence, command: open.command };
    }
  }

  /**
   * An own command has been applied here. Of a command that stands in the log twice only the first
   * counts.
   */
  handleApplied(applied: {
    sequence: number;
    index: number;
    position: Position;
    outcome: Outcome;
  }): void {
    const open = this.#open.get(applied.sequence);
    if (open === undefined) return;
    this.#open.delete(applied.sequence);
    this.#openBytes -= open.command.length;
    const { index, position, outcome } = applied;
    this.#applied.push({ ...open, index, position, outcome });
  }

  /**
   * Everything up to this index is acknowledged: answers the clients whose commands that covers.
   */
  handleAcknowledged(point: { readonly index: number; readonly disks: number }): void {
    let count = 0;
    while (count < this.#applied.length && this.#applied[count]!.index <= point.index) count += 1;
    if (count === 0) return;
    const answered = this.#applied.slice(0, count);
    this.#applied = this.#applied.slice(count);
    for (const { done, outcome, position } of answered) {
      done({ kind: "applied", outcome, position, disks: point.disks });
    }
  }

  /**
   * Everything that has no answer yet, oldest first, to be answered by the caller: also what was
   * applied and is not acknowledged.
   */
  takeAll(): {
    readonly command: Uint8Array;
    readonly done: (answer: ProposalAnswer<Outcome>) => void;
  }[] {
    const open = [...this.#open.values()];
    const applied = this.#applied;
    this.#open.clear();
    this.#openBytes = 0;
    this.#applied = [];
    return [...applied, ...open].map(({ command, done }) => ({ command, done }));
  }

  /** Answers "unavailable" to what was handed in at or before `untilMs`. */
  expire(untilMs: number, message: string): void {
    const expired: ((answer: ProposalAnswer<Outcome>) => void)[] = [];
    for (const [sequence, open] of this.#open) {
      if (open.proposedAtMs > untilMs) break;
      this.#open.delete(sequence);
      this.#openBytes -= open.command.length;
      expired.push(open.done);
    }
    const kept: AppliedProposal<Outcome>[] = [];
    for (const applied of this.#applied) {
      if (applied.proposedAtMs > untilMs) kept.push(applied);
      else expired.push(applied.done);
    }
    this.#applied = kept;
    for (const done of expired) done({ kind: "unavailable", message });
  }
}

/** The leader's collection of commands that have no entry yet. */
export class ProposalQueue {
  #queue: ProposalFields[] = [];
  #bytes = 0;
  /**
   * By origin: which sequence must come next, so that one origin's commands keep their order
   * through any loss.
   */
  readonly #expected = new Map<number, { incarnation: number; sequence: number }>();

  /**
   * Takes an origin's commands. `resumed`: they begin with its oldest open one, and replace what of
   * it waits here. Commands after a gap are left out; the origin sends them again.
   */
  add(proposals: readonly ProposalFields[], resumed: boolean): void {
    const first = proposals[0];
    if (first === undefined) return;
    if (resumed) {
      this.#removeOrigin(first.originId);
      this.#expected.delete(first.originId);
    }
    for (const proposal of proposals) {
      const expected = this.#expected.get(proposal.originId);
      const sequence = Number(proposal.originSequence);
      const follows =
        expected === undefined
          ? resumed
          : expected.incarnation === proposal.originIncarnation && expected.sequence === sequence;
      if (!follows) return;
      this.#expected.set(proposal.originId, {
        incarnation: proposal.originIncarnation,
        sequence: sequence + 1,
      });
      this.#queue.push(proposal);
      this.#bytes += proposal.command.length;
    }
  }

  /**
   * Takes what a peer hands on, as far as it is meant for this term; false where it is not the
   * peer's own.
   */
  addForwards(
    forwards: readonly ForwardedCommands[],
    now: { readonly from: number; readonly term: number },
  ): boolean {
    for (const { term, resumed, proposals } of forwards) {
      if (Number(term) !== now.term) continue;
      const valid = proposals.every(
        ({ originId, command }) => originId === now.from && command.length <= commandBytesMax,
      );
      if (!valid) return false;
      this.add(proposals, resumed);
    }
    return true;
  }

  /**
   * Makes entries of what waits when `mayWrite`, or when it would fill a write of its own; one
   * write's worth at a time, so that a long queue does not hold up everything else.
   * `propose` gets the commands of each entry and answers false where they cannot be taken now;
   * then they wait here.
   */
  drain(into: {
    readonly mayWrite: () => boolean;
    readonly propose: (entries: readonly (readonly ProposalFields[])[]) => boolean;
  }): void {
    if (this.#queue.length === 0 || !(into.mayWrite() || this.#bytes >= writeBytesMax)) return;
    const entries: ProposalFields[][] = [];
    let count = 0;
    let bytes = 0;
    while (count < this.#queue.length && bytes < writeBytesMax) {
      const entry = this.#entryFrom(count);
      entries.push(entry);
      count += entry.length;
      for (const { command } of entry) bytes += command.length;
    }
    if (!into.propose(entries)) return;
    this.#queue = this.#queue.slice(count);
    this.#bytes -= bytes;
  }

  /** Forgets everything: this replica does not lead, or not in the same term. */
  clear(): void {
    this.#queue = [];
    this.#bytes = 0;
    this.#expected.clear();
  }

  #removeOrigin(originId: number): void {
    this.#queue = this.#queue.filter((proposal) => proposal.originId !== originId);
    this.#bytes = this.#queue.reduce((sum, { command }) => sum + command.length, 0);
  }

  /** The commands from `start` on that make one entry; at least one. */
  #entryFrom(start: number): ProposalFields[] {
    let bytes = 0;
    let end = start;
    while (end < this.#queue.length && end - start < entryCommandsMax) {
      bytes += this.#queue[end]!.command.length;
      if (end > start && bytes > entryBytesMax) break;
      end += 1;
    }
    return this.#queue.slice(start, end);
  }
}
