// The way of commands through one replica: taken from its clients, handed to whoever leads, and at
// the leader made into entries. Puts proposals.ts and hand-over.ts to work. Not here: when a
// command is safe, and what it comes to.
import { assert } from "../base/assert.ts";
import type { Clock } from "../io/clock.ts";
import type { ForwardedCommands } from "../proto/gen/cluster/v1/peer_pb.js";
import type { Consensus } from "./consensus.ts";
import { HandOver } from "./hand-over.ts";
import { commandBytesMax, forwardRetryMs, overloadRetryAfterMs } from "./limits.ts";
import { encodeEntryPayload } from "./peer-codec.ts";
import type { Peers } from "./peers.ts";
import { PendingProposals, ProposalQueue } from "./proposals.ts";
import type { ProposalAnswer } from "./service.ts";

/** Who hands commands in: this process, told apart from its earlier lives. */
export interface Origin {
  readonly replicaId: number;
  readonly incarnation: number;
}

/** What the write path needs of the replica. */
export interface WritePathHooks {
  readonly origin: Origin;
  readonly clock: Clock;
  readonly peers: Peers;
  readonly proposalTimeoutMs: number;
  /** Runs a turn at whose end everything is handed over. */
  turn(body: () => void): void;
  /** The stamp of the next entry. */
  nextStampMs(): number;
  /** Whether an entry is to be a checkpoint now, and whom to tell where it stands. */
  takeCheckpointWish(): { proposed(index: number): void } | undefined;
}

/** One replica's write path. */
export class WritePath<Outcome> {
  readonly pending = new PendingProposals<Outcome>();
  readonly #hooks: WritePathHooks;
  readonly #queue = new ProposalQueue();
  readonly #handOver: HandOver;
  #isScheduled = false;
  /** When a pending proposal was last applied or handed over anew, monotonic ms. */
  #progressAtMs = 0;

  constructor(hooks: WritePathHooks) {
    this.#hooks = hooks;
    this.#handOver = new HandOver({ pending: this.pending, origin: hooks.origin });
  }

  /** Takes a client's command; `done` comes later, never from inside. */
  propose(command: Uint8Array, done: (answer: ProposalAnswer<Outcome>) => void): void {
    assert(command.length <= commandBytesMax, "a command is within its limit");
    const { clock } = this.#hooks;
    if (this.pending.add(command, clock.monotonicMs(), done)) this.#schedule();
    else clock.setSoon(() => done({ kind: "overloaded", retryAfterMs: overloadRetryAfterMs }));
  }

  /** Everything that arrives in this turn of the event loop is handed over together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#hooks.clock.setSoon(() => {
      this.#isScheduled = false;
      this.#hooks.turn(() => {});
    });
  }

  /** The leader is another one, or frames to it were lost: what is open goes again. */
  restart(): void {
    this.#handOver.restart();
    this.noteProgress();
  }

  /** The role has changed: what was collected as a leader is its origins' to send again. */
  handleRoleChange(): void {
    this.#queue.clear();
    this.restart();
  }

  /** Something of what is pending was applied. */
  noteProgress(): void {
    this.#progressAtMs = this.#hooks.clock.monotonicMs();
  }

  tick(nowMs: number, consensus: Consensus | undefined): void {
    this.pending.expire(
      nowMs - this.#hooks.proposalTimeoutMs,
      "no majority of servers has confirmed it in time; send the same id again, to any server",
    );
    // Frames may have been lost on the way to a leader that is alive: hand over anew what is open.
    const isStuck = this.pending.openCount > 0 && nowMs - this.#progressAtMs > forwardRetryMs;
    if (isStuck && consensus?.leads !== true) this.restart();
  }

  /**
   * At the end of a turn: hands over what was taken, and makes entries where this replica leads.
   */
  run(consensus: Consensus | undefined): void {
    if (consensus === undefined) return;
    this.#runHandOver(consensus);
    if (!consensus.leads) return;
    this.#makeEntries(consensus);
    this.#makeCheckpoint(consensus);
  }

  /**
   * Brings what clients have handed in to the leader: into the own queue, or into frames for
   * another.
   */
  #runHandOver(consensus: Consensus): void {
    const { leader, term, leads } = consensus;
    if (leader === 0 || this.#isScheduled) return;
    const { peers } = this.#hooks;
    if (leads) {
      this.#handOver.run((proposals, resumed) => this.#queue.add(proposals, resumed));
    } else if (peers.isConnected(leader)) {
      this.#handOver.run((proposals, resumed) =>
        peers.forward(leader, { term, resumed, proposals }),
      );
    }
  }

  /**
   * Leader: makes entries of what has gathered. While a write is under way the next ones wait for
   * it, unless they fill an entry: that costs at most one fsync of delay and makes one write of
   * many.
   */
  #makeEntries(consensus: Consensus): void {
    this.#queue.drain({
      mayWrite: () => consensus.isDiskIdle,
      propose: (entries) => {
        const stampMs = this.#hooks.nextStampMs();
        const payloads = entries.map((proposals) => encodeEntryPayload(stampMs, proposals));
        return !consensus.step({ kind: "propose", payloads }).proposalDropped;
      },
    });
  }

  #makeCheckpoint(consensus: Consensus): void {
    const wish = consensus.isTransferring ? undefined : this.#hooks.takeCheckpointWish();
    if (wish === undefined) return;
    const payloads = [encodeEntryPayload(this.#hooks.nextStampMs(), [], true)];
    const { proposalDropped } = consensus.step({ kind: "propose", payloads });
    if (!proposalDropped) wish.proposed(consensus.lastIndex);
  }

  /** A peer hands commands on; false where they are not its own. */
  takeForwards(
    from: number,
    forwards: readonly ForwardedCommands[],
    consensus: Consensus | undefined,
  ): boolean {
    if (forwards.length === 0 || consensus?.leads !== true) return true;
    return this.#queue.addForwards(forwards, { from, term: consensus.term });
  }
}
