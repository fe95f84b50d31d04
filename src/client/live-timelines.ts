// The timelines of the rooms that are shown: kept current by events, completed by reads, loaded
// anew when events are missing. Order and gaps are timeline.ts's part; this file does the asking.
import { assertDefined } from "../base/assert.ts";
import type { ClientClock, ClientTimer } from "./clock.ts";
import { callListener, type Listener } from "./emitter.ts";
import { isRetryable, RejectedError } from "./errors.ts";
import {
  olderItemsDefault,
  openRoomItems,
  openTimelinesMax,
  repairRetryMs,
  timelinePageMax,
} from "./limits.ts";
import { TimelineItems } from "./timeline.ts";
import type { Item, Room, RoomName, TimelinePage } from "./types.ts";

/** What changed in a timeline. */
export type TimelineChange =
  /** New at the end, in order. */
  | { readonly kind: "added"; readonly items: readonly Item[] }
  /** Older ones at the front, by `loadOlder`. */
  | { readonly kind: "older"; readonly items: readonly Item[] }
  /**
   * All items are others: what lies between was too much to load, or the cluster has another
   * history.
   */
  | { readonly kind: "replaced" };

/** A room as it is shown, live (C5): the last items, then everything new, without gap or double. */
export interface Timeline {
  readonly roomId: number;
  /** The room as of the last read. */
  readonly room: Room;
  /** Oldest first. The same array until something changes. */
  items(): readonly Item[];
  /** Whether the room has older items than these. */
  readonly hasOlder: boolean;
  /**
   * Loads older items (default 50, at most 500); answers how many were added. Rejects with
   * RejectedError.
   */
  loadOlder(limit?: number): Promise<number>;
  /** Hears of every change, after it is in `items()`. The answer ends it. */
  subscribe(listener: Listener<TimelineChange>): () => void;
  /** No longer shown; whoever opened the same room too keeps it. */
  close(): void;
}

/** How a page is asked for. */
export interface PageAsk {
  readonly room: RoomName;
  readonly beforeNumber?: number;
  readonly afterNumber?: number;
  readonly limit?: number;
}

/** What live timelines work with. */
export interface LiveTimelinesOptions {
  readonly read: (ask: PageAsk) => Promise<TimelinePage>;
  readonly clock: ClientClock;
  /** Some timeline is not what it was, opened or closed. */
  readonly onChange: () => void;
}

/** All rooms that are shown. */
export class LiveTimelines {
  readonly #options: LiveTimelinesOptions;
  readonly #byRoom = new Map<number, LiveTimeline>();
  /**
   * Newest numbers heard of while a first page is on its way: the page may be older than they are.
   */
  readonly #heard = new Map<number, number>();
  #opening = 0;

  constructor(options: LiveTimelinesOptions) {
    this.#options = options;
  }

  /** Shows a room with its last items. */
  async open(room: RoomName): Promise<Timeline> {
    if (this.#byRoom.size + this.#opening >= openTimelinesMax) throw tooManyOpenError();
    this.#opening++;
    try {
      const page = await this.#options.read({ room, limit: openRoomItems });
      return this.#opened(page);
    } finally {
      this.#opening--;
      if (this.#opening === 0) this.#heard.clear();
    }
  }

  /** The timelines that are shown. */
  all(): Timeline[] {
    return [...this.#byRoom.values()];
  }

  /** Takes a live item. */
  apply(item: Item): void {
    if (this.#opening > 0) this.#heard.set(item.roomId, item.number);
    this.#byRoom.get(item.roomId)?.apply(item);
  }

  /**
   * Events are missing: reads the newest page of each. `reset`: what is here is of another history.
   */
  reload(how: { readonly reset: boolean }): void {
    if (how.reset) this.#heard.clear();
    for (const timeline of this.#byRoom.values()) timeline.reload(how);
  }

  /** A session stands: goes on with what could not be read before. */
  resume(): void {
    for (const timeline of this.#byRoom.values()) timeline.repair();
  }

  /** No session will stand for a while: waits for nothing. */
  pause(): void {
    for (const timeline of this.#byRoom.values()) timeline.pause();
  }

  /** Closes all, for another person. */
  closeAll(): void {
    for (const timeline of [...this.#byRoom.values()]) timeline.end();
  }

  #opened(page: TimelinePage): Timeline {
    const { roomId } = page.room;
    let timeline = this.#byRoom.get(roomId);
    if (timeline === undefined) {
      timeline = new LiveTimeline(page.room, this.#options, () => {
        this.#byRoom.delete(roomId);
        this.#options.onChange();
      });
      this.#byRoom.set(roomId, timeline);
    }
    timeline.use();
    timeline.applyNewest(page);
    timeline.noteNewest(this.#heard.get(roomId) ?? 0);
    return timeline;
  }
}

class LiveTimeline implements Timeline {
  room: Room;
  readonly #options: LiveTimelinesOptions;
  readonly #onClosed: () => void;
  readonly #listeners = new Set<Listener<TimelineChange>>();
  #state = new TimelineItems();
  /** How many times it was opened and not closed. */
  #uses = 0;
  #needsReload = false;
  #repairing = false;
  #retryTimer: ClientTimer | undefined;

  constructor(room: Room, options: LiveTimelinesOptions, onClosed: () => void) {
    this.room = room;
    this.#options = options;
    this.#onClosed = onClosed;
  }

  get roomId(): number {
    return this.room.roomId;
  }

  get hasOlder(): boolean {
    return this.#state.hasOlder;
  }

  items(): readonly Item[] {
    return this.#state.items();
  }

  async loadOlder(limit: number = olderItemsDefault): Promise<number> {
    const oldest = this.items()[0];
    if (oldest === undefined || oldest.number <= 1) return 0;
    const page = await this.#options.read({
      room: this.roomId,
      beforeNumber: oldest.number,
      limit: Math.min(limit, timelinePageMax),
    });
    const items = this.#state.prepend(page.items);
    if (items.length > 0) this.#tell({ kind: "older", items });
    return items.length;
  }

  subscribe(listener: Listener<TimelineChange>): () => void {
    const own: Listener<TimelineChange> = (change) => listener(change);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  close(): void {
    if (this.#uses > 0) this.#uses--;
    if (this.#uses === 0) this.end();
  }

  use(): void {
    this.#uses++;
  }

  end(): void {
    this.#uses = 0;
    this.pause();
    this.#onClosed();
  }

  pause(): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
  }

  apply(item: Item): void {
    const items = this.#state.apply(item);
    if (items.length > 0) this.#tell({ kind: "added", items });
    else this.repair();
  }

  noteNewest(number: number): void {
    this.#state.noteNewest(number);
    this.repair();
  }

  reload(how: { readonly reset: boolean }): void {
    if (how.reset) this.#state = new TimelineItems();
    this.#needsReload = true;
    this.repair();
  }

  /** Takes the newest page of the room, or one that follows what is here. */
  applyNewest(page: TimelinePage): void {
    this.room = page.room;
    const effect = this.#state.applyPage(page.items);
    if (effect.kind === "replaced" || effect.items.length > 0) this.#tell(effect);
  }

  /** Reads what is missing, if anything is and nobody does yet. */
  repair(): void {
    if (this.#repairing || this.#retryTimer !== undefined || this.#uses === 0) return;
    if (!this.#needsReload && this.#state.gap() === undefined) return;
    this.#repairing = true;
    void this.#readMissing().then((retryAfterMs) => {
      this.#repairing = false;
      if (this.#uses === 0 || retryAfterMs === 0) return;
      this.#retryTimer = this.#options.clock.setTimer(retryAfterMs, () => {
        this.#retryTimer = undefined;
        this.repair();
      });
    });
  }

  /** Answers in how many milliseconds to try again; 0 when all is here or trying is useless. */
  async #readMissing(): Promise<number> {
    try {
      while (this.#uses > 0) {
        const gap = this.#state.gap();
        if (!this.#needsReload && gap === undefined) return 0;
        if (this.#needsReload || (gap !== undefined && gap.to - gap.from > timelinePageMax)) {
          await this.#readNewest();
          // A newest page leaves no gap, unless more came meanwhile than is kept ahead: no hurry
          // then.
          if (this.#state.gap() !== undefined) return repairRetryMs;
        } else {
          await this.#fill(assertDefined(gap, "gap"));
        }
      }
      return 0;
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      // Whoever is no longer in the room keeps what is here.
      if (!isRetryable(error)) this.#needsReload = false;
      return isRetryable(error) ? Math.max(error.retryAfterMs, repairRetryMs) : 0;
    }
  }

  async #readNewest(): Promise<void> {
    const state = this.#state;
    this.#needsReload = false;
    try {
      const page = await this.#options.read({ room: this.roomId, limit: openRoomItems });
      if (state === this.#state) this.applyNewest(page);
    } catch (error) {
      this.#needsReload = true;
      throw error;
    }
  }

  async #fill(gap: { readonly from: number; readonly to: number }): Promise<void> {
    const state = this.#state;
    const page = await this.#options.read({
      room: this.roomId,
      afterNumber: gap.from - 1,
      limit: Math.min(gap.to - gap.from, timelinePageMax),
    });
    if (state !== this.#state) return;
    this.applyNewest(page);
    // The server does not have what an event spoke of: the newest page tells what there is.
    if (this.#state.gap()?.from === gap.from) this.#needsReload = true;
  }

  #tell(change: TimelineChange): void {
    this.#options.onChange();
    for (const listener of this.#listeners) callListener(listener, change);
  }
}

function tooManyOpenError(): RejectedError {
  return new RejectedError({
    code: "OVERLOADED",
    message: `More than ${openTimelinesMax} rooms are open. Close one first.`,
    retryAfterMs: 0,
  });
}
