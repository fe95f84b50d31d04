// Brings held items to the leader, in the order of hybrid time, until the state here has them
// all. Every server does so for every item that it has, own or copied: merging is idempotent.
import type { HeldEntry, IslandItems } from "./island-items.ts";
import { mergesUnderWayMax } from "./island-limits.ts";

/** What became of a merge that was proposed. */
export type MergeAnswer = "applied" | "unavailable";

/** Proposes what is held. */
export class IslandHealing {
  readonly #items: IslandItems;
  readonly #propose: (entry: HeldEntry, done: (answer: MergeAnswer) => void) => void;
  #underWay = 0;
  #merged: HeldEntry[] = [];

  constructor(options: {
    readonly items: IslandItems;
    /** Calls back once, at any time. */
    readonly propose: (entry: HeldEntry, done: (answer: MergeAnswer) => void) => void;
  }) {
    this.#items = options.items;
    this.#propose = options.propose;
  }

  /** What has been merged by what was proposed here, since the last call. */
  takeMerged(): readonly HeldEntry[] {
    const merged = this.#merged;
    this.#merged = [];
    return merged;
  }

  /**
   * Called on every tick while there is a leader: proposes what is next, and again what came back.
   * Not called otherwise, so that an island that opens again ends it.
   */
  run(): void {
    const next: HeldEntry[] = [];
    for (const entry of this.#items.unmerged()) {
      if (this.#underWay + next.length >= mergesUnderWayMax) break;
      if (!entry.isProposed) next.push(entry);
    }
    for (const entry of next) {
      entry.isProposed = true;
      this.#underWay += 1;
      this.#propose(entry, (answer) => this.#handleAnswer(entry, answer));
    }
  }

  #handleAnswer(entry: HeldEntry, answer: MergeAnswer): void {
    this.#underWay -= 1;
    entry.isProposed = false;
    if (answer === "applied") this.#merged.push(entry);
  }
}
