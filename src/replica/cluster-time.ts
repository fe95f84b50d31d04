// Cluster time (product row R12): the median of the members' clocks, so that one wrong clock moves
// nothing, and never backwards in the log. Only stamps commands; nothing is ever decided by it.

/** The leader's clock for stamping entries. */
export class ClusterTime {
  /**
   * By member: its wall clock minus this replica's monotonic clock, ms, as of the last time it was
   * heard.
   */
  readonly #offsets = new Map<number, number>();
  #lastStampMs = 0;

  /** A member has told its wall clock. Travel time is ignored: it is far below what people see. */
  hear(member: number, clocks: { readonly wallMs: number; readonly monotonicMs: number }): void {
    this.#offsets.set(member, clocks.wallMs - clocks.monotonicMs);
  }

  /** A stamp that stands in the log already, so that later ones are not below it. */
  observeStamp(timestampMs: number): void {
    if (timestampMs > this.#lastStampMs) this.#lastStampMs = timestampMs;
  }

  /**
   * The stamp of the next entry, whole milliseconds since 1970. Only members' clocks count, each
   * once.
   */
  nextStampMs(members: readonly number[], monotonicMs: number): number {
    this.observeStamp(this.nowMs(members, monotonicMs));
    return this.#lastStampMs;
  }

  /** Cluster time as of now; what a leader would stamp. */
  nowMs(members: readonly number[], monotonicMs: number): number {
    const offsets: number[] = [];
    for (const member of members) {
      const offset = this.#offsets.get(member);
      if (offset !== undefined) offsets.push(offset);
    }
    offsets.sort((a, b) => a - b);
    // Of an even number the lower of the two in the middle: a clock that runs ahead would otherwise
    // drag the log into the future, where it stays, since stamps never go back.
    const median = offsets[Math.floor((offsets.length - 1) / 2)] ?? 0;
    return Math.max(this.#lastStampMs, Math.floor(median + monotonicMs));
  }
}
