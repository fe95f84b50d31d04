// The timelines of the rooms that are shown: kept current by events, completed by reads, loaded
// anew when events are missing. Order and gaps are timeline.ts's part, what is held held.ts's; this
// file does the asking.
import { assertDefined } from "../base/assert.ts";
import type { ClientClock, ClientTimer } from "./clock.ts";
import { callListener, type Listener } from "./emitter.ts";
import { isRetryable, RejectedError } from "./errors.ts";
import { HeldShelf } from "./held.ts";
import {
  heldRefreshMs,
  olderItemsDefault,
  openRoomItems,
  openTimelinesMax,
  repairRetryMs,
  timelineHeldMax,
  timelinePageMax,
} from "./limits.ts";
import { TimelineItems } from "./timeline.ts";
import type { HeldMessage, Item, Room, RoomName, SetAsideMessage, TimelinePage } from "./types.ts";

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
  | { readonly kind: "replaced" }
  /** Others are held or set aside than before. Comes also beside any of the above. */
  | { readonly kind: "held" };

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
   * To be shown behind the items: what an island holds, in the order in which it was written as far
   * as anybody knows. The same array until something changes.
   */
  held(): readonly HeldMessage[];
  /** What could not be merged, for its author and the room's owner; oldest first. */
  setAside(): readonly SetAsideMessage[];
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
  /** What was told of held messages meanwhile, likewise. Bounded by `timelineHeldMax`. */
  #heardOfHeld: { readonly roomId: number; readonly apply: (to: LiveTimeline) => void }[] = [];
  #isIsland = false;

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
      if (this.#opening === 0) {
        this.#heard.clear();
        this.#heardOfHeld = [];
      }
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

  /** Takes a message that an island holds. */
  applyHeld(message: HeldMessage): void {
    this.#tellOfHeld(message.roomId, (timeline) => timeline.applyHeld(message));
  }

  /** Takes a message that will not be merged. */
  applySetAside(message: SetAsideMessage): void {
    this.#tellOfHeld(message.roomId, (timeline) => timeline.applySetAside(message));
  }

  #tellOfHeld(roomId: number, apply: (to: LiveTimeline) => void): void {
    const timeline = this.#byRoom.get(roomId);
    if (timeline !== undefined) apply(timeline);
    else if (this.#opening > 0 && this.#heardOfHeld.length < timelineHeldMax)
      this.#heardOfHeld.push({ roomId, apply });
  }

  /** Island mode has begun or ended on the server of the session. */
  setIsland(isIsland: boolean): void {
    if (this.#isIsland === isIsland) return;
    this.#isIsland = isIsland;
    for (const timeline of this.#byRoom.values()) timeline.checkHeld({ isIsland });
  }

  /**
   * Events are missing: reads the newest page of each. `reset`: what is here is of another history.
   */
  reload(how: { readonly reset: boolean }): void {
    if (how.reset) this.#heard.clear();
    for (const timeline of this.#byRoom.values()) timeline.reload(how);
  }

  /** A session stands: goes on with what could not be read before. */
  resume({ isIsland }: { readonly isIsland: boolean }): void {
    this.#isIsland = isIsland;
    for (const timeline of this.#byRoom.values()) {
      timeline.resume({ isIsland });
    }
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
    timeline.takeFirst(page, { isIsland: this.#isIsland });
    timeline.noteNewest(this.#heard.get(roomId) ?? 0);
    for (const heard of this.#heardOfHeld) if (heard.roomId === roomId) heard.apply(timeline);
    return timeline;
  }
}

class LiveTimeline implements Timeline {
  room: Room;
  readonly #options: LiveTimelinesOptions;
  readonly #onClosed: () => void;
  readonly #listeners = new Set<Listener<TimelineChange>>();
  #state = new TimelineItems();
  readonly #shelf = new HeldShelf();
  #isIsland = false;
  /** How many times it was opened and not closed. */
  #uses = 0;
  #needsReload = false;
  /** What is held is to be asked for. */
  #needsHeld = false;
  #repairing = false;
  /** No session will stand for a while: what is read now fails, and is not tried again. */
  #isPaused = false;
  #retryTimer: ClientTimer | undefined;
  /** Set while something is shown as held though no island is there. */
  #heldTimer: ClientTimer | undefined;

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

  held(): readonly HeldMessage[] {
    return this.#shelf.held();
  }

  setAside(): readonly SetAsideMessage[] {
    return this.#shelf.setAside();
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

  resume(how: { readonly isIsland: boolean }): void {
    this.#isPaused = false;
    this.checkHeld(how);
    this.repair();
  }

  pause(): void {
    this.#isPaused = true;
    this.#retryTimer?.cancel();
    this.#heldTimer?.cancel();
    this.#retryTimer = this.#heldTimer = undefined;
  }

  apply(item: Item): void {
    const wasHeld = this.#shelf.applyItems([item]);
    const items = this.#state.apply(item);
    if (items.length > 0) this.#tell({ kind: "added", items });
    else this.repair();
    if (wasHeld) this.#tell({ kind: "held" });
  }

  applyHeld(message: HeldMessage): void {
    if (this.#shelf.applyHeld(message, this.items())) this.#tell({ kind: "held" });
  }

  applySetAside(message: SetAsideMessage): void {
    if (this.#shelf.applySetAside(message)) this.#tell({ kind: "held" });
  }

  /**
   * There is another server, or it is on an island no more: what is shown as held is asked for
   * again, and where a majority is back, until nothing is.
   */
  checkHeld({ isIsland }: { readonly isIsland: boolean }): void {
    this.#isIsland = isIsland;
    this.#heldTimer?.cancel();
    this.#heldTimer = undefined;
    this.#shelf.beginSpan();
    if (this.held().length === 0) return;
    this.#needsHeld = true;
    this.repair();
  }

  /** Takes the page that the room was opened with. */
  takeFirst(page: TimelinePage, { isIsland }: { readonly isIsland: boolean }): void {
    this.#isIsland = isIsland;
    this.applyNewest(page);
    this.#takeHeld(page, this.#shelf.span);
  }

  #takeHeld(page: TimelinePage, span: number): void {
    if (this.#shelf.applyNewest(page, span, this.items())) this.#tell({ kind: "held" });
    if (this.#isIsland || this.#heldTimer !== undefined || this.held().length === 0) return;
    this.#heldTimer = this.#options.clock.setTimer(heldRefreshMs, () => {
      this.checkHeld({ isIsland: this.#isIsland });
    });
  }

  noteNewest(number: number): void {
    this.#state.noteNewest(number);
    this.repair();
  }

  reload(how: { readonly reset: boolean }): void {
    if (how.reset) {
      this.#state = new TimelineItems();
      this.#shelf.clear();
    }
    this.#needsReload = true;
    this.repair();
  }

  /** Takes the newest page of the room, or one that follows what is here. */
  applyNewest(page: TimelinePage): void {
    this.room = page.room;
    const wasHeld = this.#shelf.applyItems(page.items);
    const effect = this.#state.applyPage(page.items);
    if (wasHeld) this.#tell({ kind: "held" });
    if (effect.kind === "replaced" || effect.items.length > 0) this.#tell(effect);
  }

  /** Reads what is missing, if anything is and nobody does yet. */
  repair(): void {
    if (this.#repairing || this.#retryTimer !== undefined) return;
    if (this.#uses === 0 || this.#isPaused) return;
    if (!this.#needsReload && !this.#needsHeld && this.#state.gap() === undefined) return;
    this.#repairing = true;
    void this.#readMissing().then((retryAfterMs) => {
      this.#repairing = false;
      if (this.#uses === 0 || this.#isPaused || retryAfterMs === 0) return;
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
        if (this.#needsHeld && !this.#needsReload) {
          await this.#readHeld();
          continue;
        }
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
      if (!isRetryable(error)) this.#needsReload = this.#needsHeld = false;
      return isRetryable(error) ? Math.max(error.retryAfterMs, repairRetryMs) : 0;
    }
  }

  async #readNewest(): Promise<void> {
    const state = this.#state;
    const { span } = this.#shelf;
    this.#needsReload = this.#needsHeld = false;
    try {
      const page = await this.#options.read({ room: this.roomId, limit: openRoomItems });
      if (state !== this.#state) return;
      this.applyNewest(page);
      this.#takeHeld(page, span);
    } catch (error) {
      this.#needsReload = true;
      throw error;
    }
  }

  /** As #readNewest, but what lies beyond a gap is left to be filled: nothing may be lost by it. */
  async #readHeld(): Promise<void> {
    const state = this.#state;
    const { span } = this.#shelf;
    this.#needsHeld = false;
    try {
      const page = await this.#options.read({ room: this.roomId, limit: openRoomItems });
      if (state !== this.#state) return;
      if (state.joins(page.items)) this.applyNewest(page);
      else state.noteNewest(page.items.at(-1)?.number ?? 0);
      this.#takeHeld(page, span);
    } catch (error) {
      this.#needsHeld = true;
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
