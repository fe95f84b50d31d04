// What a person missed: exactly the events that they would have been sent live, in the order of the
// log. Walks the person's stays in rooms, also those that have ended, so that the audience is that
// of each event's own time.
import { assertDefined } from "../../base/assert.ts";
import type { SqlRow, Statement } from "../../io/database.ts";
import type { Context } from "../context.ts";
import {
  replayEndedMembershipsMax,
  replayEventsMax,
  replayRowsMax,
  roomsPerUserMax,
} from "../limits.ts";
import type { ChatQueries, Page } from "../queries.ts";
import { integer } from "../rows.ts";
import type { ChatState, ItemPlace, RoomState } from "../state.ts";
import type { Statements } from "../statements.ts";
import {
  eventOfItem,
  eventOfRoom,
  eventOfSetAside,
  itemOfRow,
  setAsideOfRow,
} from "../timeline.ts";
import type { Audience, ChatEvent, RoomId, UserId } from "../types.ts";
import { mergeSources, type Source } from "./merge-sources.ts";

/** Positions (after, until]. */
interface Window {
  readonly after: number;
  readonly until: number;
}

/**
 * SPEC.md RP1 to RP4, IM12. A page ends where a position ends: it holds all events of each
 * position that it touches, so the last event's position is where the next page begins. (It may go
 * over `limit` by the rest of one command's events; no command of today has two that are replayed
 * to one person.)
 */
export function eventsSince(
  context: Context,
  asker: UserId,
  ask: Parameters<ChatQueries["eventsSince"]>[1],
): Page<ChatEvent> {
  const asked = { after: ask.afterPosition, until: ask.untilPosition };
  const window = shortenWindow(context.statements, asker, asked);
  const limit = Math.max(1, Math.min(ask.limit, replayEventsMax));
  const sources = [
    new RoomsCreated(context.state, window),
    ...setAsideSources(context, asker, window),
    ...staySources(context, asker, window),
  ];
  const merged = mergeSources(sources, limit);
  return { items: merged.items, more: merged.more || window.until < asked.until };
}

/**
 * Cuts a window that holds too many ended stays where the last one bearable ends. That stay's own
 * Left event lies on the cut, so a shortened window is never without events, and whoever asks on
 * comes on.
 */
function shortenWindow(statements: Statements, asker: UserId, window: Window): Window {
  const cut = statements.endedMembership.get(
    asker,
    window.after,
    window.until,
    replayEndedMembershipsMax - 1,
  );
  return cut === undefined ? window : { after: window.after, until: integer(cut, "left_position") };
}

/** A source for each stay that has something in the window. */
function staySources(context: Context, asker: UserId, window: Window): StayedInRoom[] {
  const { state, statements } = context;
  const audience: Audience = { kind: "users", users: new Set([asker]) };
  const staysMax = replayEndedMembershipsMax + roomsPerUserMax;
  const stays = statements.membershipsWithin.all(asker, window.after, window.until, staysMax);
  const sources: StayedInRoom[] = [];
  for (const stay of stays) {
    const room = assertDefined(state.room(integer(stay, "room_id")), "the room of a membership");
    const after = Math.max(window.after, integer(stay, "joined_position") - 1);
    const until = Math.min(window.until, integer(stay, "left_position"));
    const first = firstItemAfter(context, room, after);
    if (first === undefined || first.position > until) continue;
    sources.push(new StayedInRoom(context, { roomId: room.roomId, first, until, audience }));
  }
  return sources;
}

/**
 * Number and position of a room's first item after a position. Positions rise with numbers, so no
 * index by position is needed: gallops from the newest item down, since most who ask have missed
 * little, then halves. A room without anything new costs no statement.
 */
function firstItemAfter(
  { state, statements }: Context,
  room: RoomState,
  after: number,
): ItemPlace | undefined {
  // Invariant: the item `high` lies after the position; `low` does not, or is 0.
  let high = state.lastItem(room);
  if (high.position <= after) return undefined;
  let low = 0;
  const probe = (number: number) => {
    const position = integer(statements.itemPosition.get(room.roomId, number), "position");
    if (position > after) high = { number, position };
    else low = number;
  };
  for (let step = 1; low === 0 && high.number > step; step *= 2) probe(high.number - step);
  while (high.number - low > 1) probe(Math.floor((low + high.number) / 2));
  return high;
}

/**
 * The items of one stay in a room, read a few rows at a time, and none before the first is taken.
 */
class StayedInRoom implements Source {
  readonly #statements: Statements;
  readonly #state: ChatState;
  readonly #roomId: RoomId;
  readonly #until: number;
  readonly #audience: Audience;
  /** The number of the last item taken. */
  #number: number;
  /** The position of the next item; undefined where the room has no more. */
  #position: number | undefined;
  #rows: readonly SqlRow[] = [];
  #next = 0;

  constructor(
    { state, statements }: Context,
    stay: {
      readonly roomId: RoomId;
      readonly first: ItemPlace;
      /** Items up to this position. */
      readonly until: number;
      readonly audience: Audience;
    },
  ) {
    this.#statements = statements;
    this.#state = state;
    this.#roomId = stay.roomId;
    this.#until = stay.until;
    this.#audience = stay.audience;
    this.#number = stay.first.number - 1;
    this.#position = stay.first.position;
  }

  position(): number | undefined {
    const position = this.#position;
    return position !== undefined && position <= this.#until ? position : undefined;
  }

  take(): ChatEvent {
    const row = assertDefined(this.#nextRow(), "the row to take");
    this.#number = integer(row, "number");
    this.#next += 1;
    const following = this.#nextRow();
    this.#position = following === undefined ? undefined : integer(following, "position");
    return { audience: this.#audience, event: eventOfItem(itemOfRow(this.#state, row)) };
  }

  #nextRow(): SqlRow | undefined {
    if (this.#next === this.#rows.length) {
      this.#rows = this.#statements.itemsAfter.all(this.#roomId, this.#number, replayRowsMax);
      this.#next = 0;
    }
    return this.#rows[this.#next];
  }
}

/** The held messages of the asker's, and those in the asker's rooms, that were set aside. */
function setAsideSources({ state, statements }: Context, asker: UserId, window: Window): Source[] {
  const { setAsideByAuthor, setAsideByOthers } = statements;
  return [setAsideByAuthor, setAsideByOthers].map(
    (statement) => new MessagesSetAside(state, { statement, asker, window }),
  );
}

/** What one statement finds, read a few rows at a time. */
class MessagesSetAside implements Source {
  readonly #state: ChatState;
  readonly #read: (after: number) => readonly SqlRow[];
  readonly #audience: Audience;
  #rows: readonly SqlRow[];
  #next = 0;

  constructor(
    state: ChatState,
    by: { readonly statement: Statement; readonly asker: UserId; readonly window: Window },
  ) {
    const { statement, asker, window } = by;
    this.#state = state;
    this.#audience = { kind: "users", users: new Set([asker]) };
    this.#read = (after) => statement.all(asker, after, window.until, replayRowsMax);
    this.#rows = this.#read(window.after);
  }

  position(): number | undefined {
    const row = this.#rows[this.#next];
    return row === undefined ? undefined : integer(row, "position");
  }

  take(): ChatEvent {
    const row = assertDefined(this.#rows[this.#next], "the row to take");
    const position = integer(row, "position");
    this.#next += 1;
    if (this.#next === this.#rows.length) {
      this.#rows = this.#read(position);
      this.#next = 0;
    }
    const event = eventOfSetAside(position, setAsideOfRow(this.#state, row));
    return { audience: this.#audience, event };
  }
}

/** The rooms that came to be; everyone was told. Ids and positions of creation rise together. */
class RoomsCreated implements Source {
  readonly #state: ChatState;
  readonly #until: number;
  #next: RoomId;

  constructor(state: ChatState, window: Window) {
    this.#state = state;
    this.#until = window.until;
    let low = 1;
    let high = state.lastRoomId + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const room = assertDefined(state.room(middle), "a room within the range");
      if (room.createdPosition > window.after) high = middle;
      else low = middle + 1;
    }
    this.#next = low;
  }

  position(): number | undefined {
    const room = this.#state.room(this.#next);
    return room !== undefined && room.createdPosition <= this.#until
      ? room.createdPosition
      : undefined;
  }

  take(): ChatEvent {
    const room = assertDefined(this.#state.room(this.#next), "the room to take");
    this.#next += 1;
    return eventOfRoom(room);
  }
}
