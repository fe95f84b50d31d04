// Linearizable reads without writes (dissertation §6.4): the leader's rounds of confirmation, and a
// follower's requests that wait for the leader's answer. Sends nothing; trusts no clock.
import { readsWaitingMax } from "./limits.ts";
import type { LogIndex, ReplicaId } from "./types.ts";

/** Somebody who wants an index to read at. */
export interface ReadRequest {
  /** The replica that asks. */
  readonly from: ReplicaId;
  readonly requestId: number;
}

/**
 * A round: requests that were there when it began are answered with the commit index of that
 * moment.
 */
export interface ReadRound {
  readonly sequence: number;
  readonly index: LogIndex;
  readonly requests: readonly ReadRequest[];
}

/**
 * The reads of a leader, in rounds. One round is under way at a time; what arrives meanwhile shares
 * the next, so any number of reads costs one heartbeat each way per round trip. A read never joins
 * a round that began before it: the round's heartbeats might have been answered before the read was
 * asked for.
 */
export class ReadRounds {
  #waiting: ReadRequest[] = [];
  #underWay: ReadRound | undefined;
  #sequence = 0;

  /** Number of the newest round, 0 before the first: what heartbeats carry. */
  get sequence(): number {
    return this.#sequence;
  }

  /** False when too many wait already. */
  add(request: ReadRequest): boolean {
    if (this.#waiting.length >= readsWaitingMax) return false;
    this.#waiting.push(request);
    return true;
  }

  /**
   * Begins a round at `commitIndex` if reads wait and none is under way; true when heartbeats must
   * go out for it.
   */
  maybeBegin(commitIndex: LogIndex): boolean {
    if (this.#underWay !== undefined || this.#waiting.length === 0) return false;
    this.#sequence++;
    this.#underWay = { sequence: this.#sequence, index: commitIndex, requests: this.#waiting };
    this.#waiting = [];
    return true;
  }

  /** A quorum has confirmed rounds up to `sequence`: the round that this completes, if it does. */
  confirmed(sequence: number): ReadRound | undefined {
    const round = this.#underWay;
    if (round === undefined || sequence < round.sequence) return undefined;
    this.#underWay = undefined;
    return round;
  }

  /** Forgets what a peer asked for: it has lost the connection on which the answer was to come. */
  forget(from: ReplicaId): void {
    this.#waiting = this.#waiting.filter((request) => request.from !== from);
    if (this.#underWay === undefined) return;
    const requests = this.#underWay.requests.filter((request) => request.from !== from);
    this.#underWay = { ...this.#underWay, requests };
  }

  /** Takes out everything that waits, to be refused. */
  takeAll(): ReadRequest[] {
    const all = [...(this.#underWay?.requests ?? []), ...this.#waiting];
    this.#waiting = [];
    this.#underWay = undefined;
    return all;
  }
}

/** The reads that a follower has handed to its leader. */
export class ForwardedReads {
  /** Request id → ticks that it has waited. */
  readonly #waiting = new Map<number, number>();

  add(requestId: number): boolean {
    if (this.#waiting.size >= readsWaitingMax) return false;
    this.#waiting.set(requestId, 0);
    return true;
  }

  /** True when the answer to `requestId` was waited for. */
  answered(requestId: number): boolean {
    return this.#waiting.delete(requestId);
  }

  /**
   * Answers the requests that have waited for `ticksMax` ticks, and forgets them: request or answer
   * was lost.
   */
  tick(ticksMax: number): number[] {
    const expired: number[] = [];
    for (const [requestId, ticks] of this.#waiting) {
      if (ticks + 1 >= ticksMax) expired.push(requestId);
      else this.#waiting.set(requestId, ticks + 1);
    }
    for (const requestId of expired) this.#waiting.delete(requestId);
    return expired;
  }

  /** Takes out everything that waits, to be refused. */
  takeAll(): number[] {
    const all = [...this.#waiting.keys()];
    this.#waiting.clear();
    return all;
  }
}
