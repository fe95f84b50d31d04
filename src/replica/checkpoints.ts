// The leader's side of snapshots (docs/decisions/0012): which entry is a checkpoint, which state a
// follower is told to fetch, and what of the log the others still need. Not here: taking snapshots
// (snapshots.ts), giving and fetching them (state-transfer.ts).
import type { ProgressView } from "../raft/index.ts";
import { snapshotReaderIdleMs } from "./limits.ts";
import type { ReplicaLog } from "./options.ts";
import type { SnapshotFacts, SnapshotFolder } from "./snapshot-port.ts";

/** What it needs of the replica. */
export interface CheckpointHooks {
  readonly ownId: number;
  nowMs(): number;
  readonly folder: Pick<SnapshotFolder, "newest">;
  readonly log: Pick<ReplicaLog, "base">;
  commitIndex(): number;
  appliedIndex(): number;
  /** The log has grown enough for another checkpoint. */
  isDue(): boolean;
  /** A copy is under way here: a checkpoint that is applied meanwhile would be left out. */
  isBusy(): boolean;
  /** This server applies what is committed; false while it waits for another state. */
  isStateHere(): boolean;
  progress(): ReadonlyMap<number, ProgressView>;
  isConnected(peer: number): boolean;
}

/** Which state a follower needs: of this entry, or later. */
export type Ticket = Pick<SnapshotFacts, "index" | "term" | "configuration">;

type Wish = (index: number) => void;

/** Kept by every server; of use while it leads. */
export class Checkpoints {
  readonly #hooks: CheckpointHooks;
  /** Who waits for a checkpoint that has no entry yet. */
  #wishes: Wish[] = [];
  /** And for one that is not known to be committed. */
  #proposed: { readonly index: number; readonly wishes: readonly Wish[] }[] = [];
  #newestIndex = 0;
  /** Which follower was told to fetch which state, and when it was last there. */
  readonly #tickets = new Map<number, { readonly index: number; seenAtMs: number }>();

  constructor(hooks: CheckpointHooks) {
    this.#hooks = hooks;
  }

  /** Another term, or another role: whoever wishes does so again. */
  clear(): void {
    this.#wishes = [];
    this.#proposed = [];
    this.#newestIndex = 0;
    this.#tickets.clear();
  }

  /** Somebody wishes that there is one; told its index once it is committed. */
  wish(done: Wish): void {
    this.#wishes.push(done);
  }

  /** After every turn: what has been committed is told to those who wait. */
  advance(): void {
    const commitIndex = this.#hooks.commitIndex();
    while ((this.#proposed[0]?.index ?? Number.POSITIVE_INFINITY) <= commitIndex) {
      const { index, wishes } = this.#proposed.shift()!;
      for (const wish of wishes) wish(index);
    }
  }

  /** Whether the next entry is to be a checkpoint; `proposed` is told where it stands. */
  take(): { proposed(index: number): void } | undefined {
    const { appliedIndex, isStateHere, isBusy, isDue } = this.#hooks;
    // Whoever wishes waits for the one under way, which would only be followed by another.
    const isUnderWay = isStateHere() && this.#newestIndex > appliedIndex();
    if (isUnderWay || isBusy() || (!isDue() && this.#wishes.length === 0)) return undefined;
    return {
      proposed: (index) => {
        this.#newestIndex = index;
        this.#proposed.push({ index, wishes: this.#wishes });
        this.#wishes = [];
      },
    };
  }

  /**
   * What a follower that needs a snapshot is told to fetch, of whoever has it: the one that is
   * here, or one of the log's beginning. Another checkpoint alone would not do, since it may take
   * this very follower to commit it.
   */
  ticket(to: number): Ticket {
    const base = this.#hooks.log.base();
    const newest = this.#hooks.folder.newest();
    const isReadable = newest !== undefined && newest.index >= base.index;
    const isUnderWay = this.#wishes.length + this.#proposed.length > 0 || this.#hooks.isBusy();
    if (!isReadable && !isUnderWay) this.#wishes.push(() => {});
    const { index, term } = newest !== undefined && isReadable ? newest : base;
    const configuration = isReadable ? newest.configuration : base.context;
    this.#tickets.set(to, { index, seenAtMs: this.#hooks.nowMs() });
    return { index, term, configuration };
  }

  /** The log must keep what comes after this index, as long as that is bounded; or Infinity. */
  neededAfter(): number {
    const given = [...this.#tickets].map(([peer, ticket]) => this.#heldFor(peer, ticket));
    return Math.min(this.#slowestFollower(), ...given);
  }

  /** A follower that fetches a state needs what comes after it, also while it starts anew. */
  #heldFor(peer: number, ticket: { readonly index: number; seenAtMs: number }): number {
    const { progress, isConnected, nowMs } = this.#hooks;
    const match = progress().get(peer)?.matchIndex ?? 0;
    if (isConnected(peer)) ticket.seenAtMs = nowMs();
    const isGone = nowMs() - ticket.seenAtMs > snapshotReaderIdleMs;
    if (match < ticket.index && !isGone) return ticket.index;
    this.#tickets.delete(peer);
    return Number.POSITIVE_INFINITY;
  }

  /** Up to where the slowest one that follows has the log. */
  #slowestFollower(): number {
    const { ownId, isConnected } = this.#hooks;
    let slowest = Number.POSITIVE_INFINITY;
    for (const [peer, { matchIndex, state }] of this.#hooks.progress()) {
      const isFollowing = peer !== ownId && state === "replicate" && isConnected(peer);
      if (isFollowing) slowest = Math.min(slowest, matchIndex);
    }
    return slowest;
  }
}
