// What one room's timeline shows behind its items: messages that islands hold, and messages that
// were set aside. Pure: when to ask what became of them is live-timelines.ts's part.
import { timelineHeldMax, timelineSetAsideMax } from "./limits.ts";
import type { HeldMessage, Item, SetAsideMessage, TimelinePage } from "./types.ts";

/** What names a message before it has a number. */
interface Named {
  readonly authorId: number;
  readonly commandId: string;
}

interface HeldEntry {
  readonly message: HeldMessage;
  /** The last span in which a server said that it is held. */
  span: number;
}

/**
 * One room's held and set-aside messages. Law: what is shown as held is neither among the items nor
 * set aside, each is there once, and they stand in the order of their hybrid times.
 */
export class HeldShelf {
  readonly #held = new Map<string, HeldEntry>();
  readonly #setAside = new Map<string, SetAsideMessage>();
  /** Counts the spans in which one server's word holds: since a welcome, or an island's end. */
  #span = 0;
  #heldSnapshot: readonly HeldMessage[] | undefined;
  #setAsideSnapshot: readonly SetAsideMessage[] | undefined;

  /** Oldest first. The same array until something changes. */
  held(): readonly HeldMessage[] {
    this.#heldSnapshot ??= [...this.#held.values()].map(({ message }) => message).sort(compareHeld);
    return this.#heldSnapshot;
  }

  /** Oldest first. The same array until something changes. */
  setAside(): readonly SetAsideMessage[] {
    this.#setAsideSnapshot ??= [...this.#setAside.values()].sort(
      (a, b) => a.acceptedMs - b.acceptedMs || compareNames(a, b),
    );
    return this.#setAsideSnapshot;
  }

  /** From now on what was said before counts only until the next newest page. */
  beginSpan(): void {
    this.#span++;
  }

  /** An island holds this; `items` are those of the timeline. Answers whether anything changed. */
  applyHeld(message: HeldMessage, items: readonly Item[]): boolean {
    const key = keyOf(message);
    const known = this.#held.get(key);
    if (known !== undefined) {
      known.span = this.#span;
      return false;
    }
    const isThere = this.#setAside.has(key) || items.some((item) => keyOf(item) === key);
    if (isThere) return false;
    this.#held.set(key, { message, span: this.#span });
    this.#heldSnapshot = undefined;
    if (this.#held.size > timelineHeldMax) this.#drop(this.held()[0]);
    return this.#held.has(key);
  }

  /** These are in the room now. Answers whether any was held. */
  applyItems(items: readonly Item[]): boolean {
    if (this.#held.size === 0) return false;
    let changed = false;
    for (const item of items) changed = this.#drop(item) || changed;
    return changed;
  }

  /** This will not be merged. Answers whether anything changed. */
  applySetAside(message: SetAsideMessage): boolean {
    const key = keyOf(message);
    const wasHeld = this.#drop(message);
    if (this.#setAside.has(key)) return wasHeld;
    this.#setAside.set(key, message);
    this.#setAsideSnapshot = undefined;
    if (this.#setAside.size > timelineSetAsideMax) {
      const oldest = this.setAside()[0];
      if (oldest !== undefined) this.#setAside.delete(keyOf(oldest));
      this.#setAsideSnapshot = undefined;
    }
    return true;
  }

  /**
   * Takes the newest page of the room, asked for in span `span`: what neither it nor any event
   * since has named is held by nobody whom this client can reach. Answers whether anything changed.
   */
  applyNewest(page: TimelinePage, span: number, items: readonly Item[]): boolean {
    let changed = this.applyItems(page.items);
    for (const message of page.setAside) changed = this.applySetAside(message) || changed;
    for (const message of page.held) changed = this.applyHeld(message, items) || changed;
    if (span !== this.#span) return changed;
    for (const { message, span: named } of [...this.#held.values()]) {
      if (named < this.#span) changed = this.#drop(message) || changed;
    }
    return changed;
  }

  /** Names the present span, for `applyNewest`. */
  get span(): number {
    return this.#span;
  }

  /** Another history begins. */
  clear(): void {
    this.#held.clear();
    this.#setAside.clear();
    this.#heldSnapshot = this.#setAsideSnapshot = undefined;
  }

  #drop(named: Named | undefined): boolean {
    if (named === undefined || !this.#held.delete(keyOf(named))) return false;
    this.#heldSnapshot = undefined;
    return true;
  }
}

/** What stands for a message before it has a number. */
export function keyOf({ authorId, commandId }: Named): string {
  return `${authorId}:${commandId}`;
}

function compareHeld(a: HeldMessage, b: HeldMessage): number {
  if (a.hybridTime !== b.hybridTime) return a.hybridTime < b.hybridTime ? -1 : 1;
  return compareNames(a, b);
}

function compareNames(a: Named, b: Named): number {
  if (a.authorId !== b.authorId) return a.authorId - b.authorId;
  if (a.commandId === b.commandId) return 0;
  return a.commandId < b.commandId ? -1 : 1;
}
