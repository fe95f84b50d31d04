// Who waits for which held command to be on the disks of the island. Calls back in the order of
// asking, never twice. Not here: when a command is on enough disks.
import type { HeldEntry } from "./island-items.ts";

interface Waiter<Answer> {
  /** When the first of them asked. */
  readonly sinceMs: number;
  readonly dones: ((answer: Answer) => void)[];
}

/** Commands whose takers have no answer yet. */
export class IslandWaiters<Answer> {
  /** In the order of their first asking. */
  readonly #waiting = new Map<HeldEntry, Waiter<Answer>>();

  add(
    entry: HeldEntry,
    asked: { readonly nowMs: number; readonly done: (answer: Answer) => void },
  ): void {
    const waiter = this.#waiting.get(entry);
    if (waiter !== undefined) waiter.dones.push(asked.done);
    else this.#waiting.set(entry, { sinceMs: asked.nowMs, dones: [asked.done] });
  }

  /** What was asked for at this moment or before, and has no answer. */
  since(untilMs: number): HeldEntry[] {
    const entries: HeldEntry[] = [];
    for (const [entry, { sinceMs }] of this.#waiting) {
      if (sinceMs > untilMs) break;
      entries.push(entry);
    }
    return entries;
  }

  /** What somebody waits for, in the order of asking. */
  entries(): HeldEntry[] {
    return [...this.#waiting.keys()];
  }

  /** Answers all who wait for this. */
  release(entry: HeldEntry, answer: Answer): void {
    const waiter = this.#waiting.get(entry);
    this.#waiting.delete(entry);
    for (const done of waiter?.dones ?? []) done(answer);
  }

  releaseAll(answer: Answer): void {
    for (const entry of this.entries()) this.release(entry, answer);
  }
}
