// Up to where the log is acknowledged (product row R5): on a majority of disks and on every other
// server that is alive. The leader works it out, tells the followers, and they answer their clients
// by it. Pure bookkeeping: no clock, no I/O. Not here: the majority itself, which is the consensus
// core's commit index.

import { newLeaderGraceMs } from "./limits.ts";

/** `live`: wait for every live server's disk. `majority`: the commit alone counts. */
export type AckMode = "live" | "majority";

/** A follower as a new leader knows it. */
export interface FollowerContact {
  readonly peer: number;
  readonly connected: boolean;
  /** When anything was last heard from it, monotonic ms. */
  readonly lastHeardMs: number;
}

/** What the leader knows of one follower, for this purpose. */
interface FollowerLiveness {
  connected: boolean;
  /** When anything was last heard from it, monotonic ms. */
  lastHeardMs: number;
  /** Acknowledgements wait for it. */
  awaited: boolean;
  /**
   * It holds everything that has been acknowledged, and is awaited; this it is told. Invariant:
   * confirmed implies awaited, and its match index is never below the acknowledged index while it
   * holds.
   */
  confirmed: boolean;
}

/** Progress of the followers as the core knows it. */
export type MatchIndexOf = (peer: number) => number;

/** What the leader announces. */
export interface AckPoint {
  readonly index: number;
  readonly disks: number;
}

/** The leader's side. Made anew with each term of leadership. */
export class LeaderAcknowledgements {
  readonly #mode: AckMode;
  readonly #liveTimeoutMs: number;
  readonly #followers = new Map<number, FollowerLiveness>();
  /**
   * What was committed when, at most liveTimeoutMs back; a follower must have reached what is older
   * than that.
   */
  readonly #commits: { readonly atMs: number; readonly index: number }[] = [];
  /** Committed longer than liveTimeoutMs ago: a follower below it is overdue. Never falls. */
  #overdueIndex = 0;
  /** End of the log when this term began: an earlier leader may have acknowledged up to here. */
  readonly #startIndex: number;
  #point: AckPoint = { index: 0, disks: 0 };

  /**
   * `connected`: the followers that can be reached now. They are awaited until they are shown to be
   * dead or hung: a new leader does not know better, and waiting is what the promise asks.
   */
  constructor(options: {
    readonly mode: AckMode;
    readonly liveTimeoutMs: number;
    readonly nowMs: number;
    /** The last index of the leader's log as its term begins. */
    readonly startIndex: number;
    readonly followers: readonly FollowerContact[];
  }) {
    const { nowMs, liveTimeoutMs } = options;
    this.#mode = options.mode;
    this.#startIndex = options.startIndex;
    this.#liveTimeoutMs = liveTimeoutMs;
    // One that was silent before the election is not given all of its time again: most often it is
    // the leader before, which hangs. Whoever lives has a moment to be heard.
    const heardMs = nowMs - liveTimeoutMs + newLeaderGraceMs;
    for (const { peer, connected, lastHeardMs } of options.followers) {
      this.#followers.set(peer, {
        connected,
        lastHeardMs: Math.min(nowMs, Math.max(lastHeardMs, heardMs)),
        awaited: connected,
        confirmed: false,
      });
    }
  }

  /** The members are others now. A newcomer is awaited once it is near. */
  setFollowers(followers: readonly FollowerContact[]): void {
    const ids = new Set(followers.map(({ peer }) => peer));
    for (const peer of [...this.#followers.keys()]) {
      if (!ids.has(peer)) this.#followers.delete(peer);
    }
    for (const { peer, connected, lastHeardMs } of followers) {
      if (this.#followers.has(peer)) continue;
      this.#followers.set(peer, { connected, lastHeardMs, awaited: false, confirmed: false });
    }
  }

  /** A follower's log has lost entries: it is awaited again once it is near. */
  handleLostLog(peer: number): void {
    const follower = this.#followers.get(peer);
    if (follower !== undefined) drop(follower);
  }

  /** The newest acknowledged index and on how many disks it is. The index never falls. */
  get point(): AckPoint {
    return this.#point;
  }

  /** Whether this follower holds everything acknowledged, and acknowledgements wait for it. */
  isLive(peer: number): boolean {
    return this.#followers.get(peer)?.confirmed ?? false;
  }

  handleConnected(peer: number, nowMs: number): void {
    const follower = this.#followers.get(peer);
    if (follower === undefined) return;
    follower.connected = true;
    follower.lastHeardMs = nowMs;
  }

  /** A broken connection counts at once: nobody waits for a killed server. */
  handleDisconnected(peer: number): void {
    const follower = this.#followers.get(peer);
    if (follower === undefined) return;
    follower.connected = false;
    drop(follower);
  }

  handleHeard(peer: number, nowMs: number): void {
    const follower = this.#followers.get(peer);
    if (follower !== undefined) follower.lastHeardMs = nowMs;
  }

  /**
   * Looks for followers that hang, and for those that have caught up again. Called on every tick.
   */
  checkLiveness(
    now: { readonly nowMs: number; readonly commitIndex: number },
    match: MatchIndexOf,
  ) {
    const oldestMs = now.nowMs - this.#liveTimeoutMs;
    while (this.#commits.length > 0 && this.#commits[0]!.atMs <= oldestMs) {
      this.#overdueIndex = this.#commits.shift()!.index;
    }
    if ((this.#commits.at(-1)?.index ?? this.#overdueIndex) < now.commitIndex) {
      this.#commits.push({ atMs: now.nowMs, index: now.commitIndex });
    }
    // A follower within reach of what was committed a few ticks ago is taken back: acknowledgements
    // wait for it from now on, so it soon holds them all.
    const nearIndex =
      this.#commits[Math.max(0, this.#commits.length - 4)]?.index ?? this.#overdueIndex;
    for (const [peer, follower] of this.#followers) {
      const index = match(peer);
      const silent = follower.lastHeardMs <= oldestMs;
      if (silent || index < this.#overdueIndex) drop(follower);
      else if (follower.connected && index >= nearIndex) follower.awaited = true;
    }
  }

  /**
   * Moves the point as far as it may go. Answers whether it, or whether a follower is confirmed,
   * has changed.
   */
  advance(
    log: { readonly commitIndex: number; readonly durableIndex: number },
    match: MatchIndexOf,
  ): boolean {
    let index = Math.min(log.commitIndex, log.durableIndex);
    if (this.#mode === "live") {
      for (const [peer, follower] of this.#followers) {
        if (follower.awaited) index = Math.min(index, match(peer));
      }
    }
    index = Math.max(index, this.#point.index);
    let disks = 1;
    let changed = index !== this.#point.index;
    for (const [peer, follower] of this.#followers) {
      const holds = match(peer) >= index;
      if (holds) disks += 1;
      const confirmed = follower.awaited && holds && match(peer) >= this.#startIndex;
      if (confirmed !== follower.confirmed) {
        follower.confirmed = confirmed;
        changed = true;
      }
    }
    if (changed) this.#point = { index, disks };
    return changed;
  }
}

function drop(follower: FollowerLiveness): void {
  follower.awaited = false;
  follower.confirmed = false;
}
