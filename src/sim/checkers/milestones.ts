// The highest index that had come so far (committed, acknowledged) in each term of leadership: what
// leaders of later terms owe. One record a term.

/** An entry, and in which term it got there. */
export interface Milestone {
  readonly index: number;
  /** Of the entry: with the index it names the log up to here. */
  readonly entryTerm: number;
  /** The term of who said so. */
  readonly inTerm: number;
}

/** Milestones of rising index. */
export class Milestones {
  readonly #reached: Milestone[] = [];

  get last(): Milestone | undefined {
    return this.#reached.at(-1);
  }

  /** Ignores what lies below the highest one. */
  reach(milestone: Milestone): void {
    const last = this.#reached.at(-1);
    if (last !== undefined && milestone.index <= last.index) return;
    if (last?.inTerm === milestone.inTerm) this.#reached.pop();
    this.#reached.push(milestone);
  }

  /**
   * The highest one of a term below this one. Votes of an older term may come in late: a leader by
   * them need not have what later terms have brought.
   */
  before(term: number): Milestone | undefined {
    return this.#reached.findLast(({ inTerm }) => inTerm < term);
  }
}
