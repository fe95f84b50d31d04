// What a leader knows of one follower, and how much it may send to it now. Sends nothing itself.
import { inFlightBytesMax } from "./limits.ts";
import type { LogIndex } from "./types.ts";

/**
 * - probe: where the logs agree is not known; one appendEntries at a time.
 * - replicate: the follower keeps up; appendEntries are pipelined ahead of the answers.
 * - snapshot: the entries it needs are compacted; it receives a snapshot and no entries.
 */
export type ProgressState = "probe" | "replicate" | "snapshot";

/** A leader's view of one member; of itself too, where matchIndex is what its own disk holds. */
export interface ProgressView {
  readonly state: ProgressState;
  /** Highest index known to be durable there. Never falls while this leader leads. */
  readonly matchIndex: LogIndex;
  /** Next index to send. */
  readonly nextIndex: LogIndex;
  /** Heard of within the longest election time-out, and its connection has not broken since. */
  readonly recentActive: boolean;
  /** Ticks since it was last heard of. */
  readonly silentTicks: number;
}

interface InFlight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

/** Where the transfer of a snapshot to one follower stands. */
export interface SnapshotTransfer {
  /** The snapshot's last index; 0 until its first chunk is there. */
  lastIndex: LogIndex;
  /** The chunk that was asked for last. */
  requestedOffset: number;
  /** Where the snapshot ends; undefined until its last chunk was sent. */
  endOffset: number | undefined;
}

/** Limits of the window to one follower, from the config. */
export interface WindowLimits {
  readonly appendsInFlightMax: number;
  /** A follower silent for so many ticks is not recently active. */
  readonly activeTicksMax: number;
}

/**
 * Invariants: matchIndex < nextIndex; in state replicate, everything in (matchIndex, nextIndex) is
 * under way.
 */
export class Progress implements ProgressView {
  state: ProgressState = "probe";
  matchIndex: LogIndex = 0;
  nextIndex: LogIndex;
  silentTicks = 0;
  /** Ticks since the last answer, or since something was sent when nothing was under way. */
  stalledTicks = 0;
  /** Highest commit index that this follower was told of. Only saves messages. */
  sentCommitIndex: LogIndex = 0;
  /** Highest read-index round that it has confirmed in this term. */
  readSequence = 0;
  snapshot: SnapshotTransfer | undefined;
  readonly #limits: WindowLimits;
  #inFlight: InFlight[] = [];
  #inFlightBytes = 0;
  #probeSent = false;
  /** Its connection broke and it was not heard since. */
  #unreachable = false;

  /** `nextIndex` is the leader's first guess: the entry after its last (Raft §5.3). */
  constructor(nextIndex: LogIndex, limits: WindowLimits) {
    this.nextIndex = nextIndex;
    this.#limits = limits;
  }

  get recentActive(): boolean {
    return !this.#unreachable && this.isHeard;
  }

  /**
   * Heard of within the longest election time-out: what check-quorum asks. A broken connection
   * alone is not silence: it is often there again at once, and a leader that still has a majority's
   * ear a moment ago need not fall.
   */
  get isHeard(): boolean {
    return this.silentTicks < this.#limits.activeTicksMax;
  }

  /** Whether nothing may be sent until an answer comes. */
  get isPaused(): boolean {
    if (this.state === "probe") return this.#probeSent;
    return this.state === "snapshot" || this.isWindowFull;
  }

  get isWindowFull(): boolean {
    return (
      this.#inFlight.length >= this.#limits.appendsInFlightMax ||
      this.#inFlightBytes >= inFlightBytesMax
    );
  }

  /** appendEntries with entries that were sent and not answered. */
  get inFlightCount(): number {
    return this.#inFlight.length;
  }

  tick(): void {
    this.silentTicks++;
    this.stalledTicks++;
  }

  /** A message of this follower came. */
  heard(): void {
    this.silentTicks = 0;
    this.#unreachable = false;
  }

  /** An appendEntries left whose last entry is `lastIndex`; `bytes` is 0 when it carries none. */
  sentAppend(lastIndex: LogIndex, bytes: number): void {
    if (this.state === "probe") {
      this.#probeSent = true;
      this.stalledTicks = 0;
      return;
    }
    if (this.#inFlight.length === 0) this.stalledTicks = 0;
    if (bytes === 0) return;
    this.#inFlight.push({ lastIndex, bytes });
    this.#inFlightBytes += bytes;
    this.nextIndex = lastIndex + 1;
  }

  /** The follower has everything up to `index` durable. True when that is news. */
  accepted(index: LogIndex): boolean {
    this.stalledTicks = 0;
    let answered = 0;
    while (answered < this.#inFlight.length && this.#inFlight[answered]!.lastIndex <= index) {
      this.#inFlightBytes -= this.#inFlight[answered]!.bytes;
      answered++;
    }
    if (answered > 0) this.#inFlight.splice(0, answered);
    this.nextIndex = Math.max(this.nextIndex, index + 1);
    if (index <= this.matchIndex) return false;
    this.matchIndex = index;
    return true;
  }

  /**
   * The follower refused what builds on `refusedIndex`; `nextIndex` is the leader's next guess.
   * False for an answer to something older, which says nothing any more.
   */
  refused(refusedIndex: LogIndex, nextIndex: LogIndex): boolean {
    if (refusedIndex <= this.matchIndex || this.state === "snapshot") return false;
    if (this.state === "probe" && refusedIndex !== this.nextIndex - 1) return false;
    this.becomeProbe();
    this.nextIndex = Math.max(Math.min(refusedIndex, nextIndex), this.matchIndex + 1);
    return true;
  }

  /** Forgets what is under way: it may be lost. */
  becomeProbe(): void {
    this.#become("probe");
    this.nextIndex = this.matchIndex + 1;
  }

  /** The logs agree up to matchIndex; from there the pipeline opens. */
  becomeReplicate(): void {
    this.#become("replicate");
    this.nextIndex = this.matchIndex + 1;
  }

  becomeSnapshot(): void {
    this.#become("snapshot");
    this.snapshot = { lastIndex: 0, requestedOffset: 0, endOffset: undefined };
  }

  /** In state probe: what was sent is given up, another may follow. */
  allowProbe(): void {
    this.#probeSent = false;
  }

  /** In state probe: nothing is sent until `allowProbe`. */
  pauseProbe(): void {
    this.#probeSent = true;
  }

  /** The connection broke: nothing under way will be answered. A guess stays as good as it was. */
  unreachable(): void {
    this.#unreachable = true;
    const guess = this.state === "probe" ? this.nextIndex : this.matchIndex + 1;
    this.becomeProbe();
    this.nextIndex = guess;
  }

  #become(state: ProgressState): void {
    this.state = state;
    this.#inFlight = [];
    this.#inFlightBytes = 0;
    this.#probeSent = false;
    this.stalledTicks = 0;
    this.snapshot = undefined;
  }
}
