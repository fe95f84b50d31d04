// What a face of the client (browser, terminal) draws from: one immutable state, and who wants to
// hear that it changed. It computes nothing of its own, and changes only through `ViewWriter`,
// which the client keeps to itself.
import type { ClientClock } from "./clock.ts";
import { callListener } from "./emitter.ts";
import type { PendingMessage } from "./outbox-entry.ts";
import type {
  ConnectionState,
  HeldMessage,
  IslandState,
  Item,
  Person,
  Room,
  SetAsideMessage,
} from "./types.ts";

/** A room as it is shown. */
export interface TimelineView {
  readonly room: Room;
  /** Oldest first. */
  readonly items: readonly Item[];
  readonly hasOlder: boolean;
  /** Held by an island: to be shown behind the items, with a mark. */
  readonly held: readonly HeldMessage[];
  /** Could not be merged; the person is their author or the room's owner. */
  readonly setAside: readonly SetAsideMessage[];
}

/** Everything that can be drawn. Parts that have not changed stay the same objects. */
export interface ViewState {
  readonly connection: ConnectionState;
  /** As of the server that the session is or was with. */
  readonly island: IslandState;
  /** Client addresses of all servers as told last; to be kept for the next start. */
  readonly servers: readonly string[];
  /** Who is logged in; undefined before the first welcome or log-in. */
  readonly person: Person | undefined;
  /** Rooms heard of, by id. */
  readonly rooms: ReadonlyMap<number, Room>;
  /** Rooms that are open, by id. */
  readonly timelines: ReadonlyMap<number, TimelineView>;
  /**
   * Messages that are not stored yet, oldest first; without those that `timelines` show, as held or
   * as items.
   */
  readonly pending: readonly PendingMessage[];
}

/** The state, for readers. */
export interface Store {
  /** The same object until something changes. */
  getState(): ViewState;
  /** Calls back once per turn in which something changed. The answer ends it. */
  subscribe(listener: () => void): () => void;
}

/** Where each part of the state comes from; asked only when it was touched and somebody looks. */
export type ViewSources = { readonly [Part in keyof ViewState]: () => ViewState[Part] };

/** The store with its writing side. */
export class ViewWriter implements Store {
  readonly #sources: ViewSources;
  readonly #clock: ClientClock;
  readonly #listeners = new Set<() => void>();
  readonly #touched = new Set<keyof ViewState>();
  #state: ViewState;
  #telling = false;

  constructor(sources: ViewSources, clock: ClientClock) {
    this.#sources = sources;
    this.#clock = clock;
    this.#state = {
      connection: sources.connection(),
      island: sources.island(),
      servers: sources.servers(),
      person: sources.person(),
      rooms: sources.rooms(),
      timelines: sources.timelines(),
      pending: sources.pending(),
    };
  }

  getState(): ViewState {
    if (this.#touched.size > 0) {
      const fresh: Partial<Record<keyof ViewState, unknown>> = {};
      for (const part of this.#touched) fresh[part] = this.#sources[part]();
      this.#touched.clear();
      this.#state = { ...this.#state, ...(fresh as Partial<ViewState>) };
    }
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** This part is not what it was. Cheap: nothing is computed before somebody looks. */
  touch(part: keyof ViewState): void {
    this.#touched.add(part);
    if (this.#telling || this.#listeners.size === 0) return;
    this.#telling = true;
    this.#clock.setSoon(() => {
      this.#telling = false;
      for (const listener of this.#listeners) callListener(listener, undefined);
    });
  }
}
