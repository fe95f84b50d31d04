// What events mean to a client: which are news, which rooms and timelines change by them, and who
// hears of them. Each item is told once, in order within its room. Asking for what is missing is
// live-timelines.ts's part.
import type { Event } from "../proto/gen/chat/v1/event_pb.js";
import type { ClientTopics } from "./client.ts";
import type { Emitter } from "./emitter.ts";
import { keyOf } from "./held.ts";
import { heldToldMax, roomsMax } from "./limits.ts";
import type { LiveTimelines } from "./live-timelines.ts";
import type { RoomDirectory } from "./rooms.ts";
import { type Item, toHeldMessage, toItem, toSetAside } from "./types.ts";

/** What events act on. */
export interface IncomingOptions {
  readonly emitter: Emitter<ClientTopics>;
  readonly timelines: LiveTimelines;
  readonly rooms: RoomDirectory;
  /** Who is logged in. */
  readonly userId: () => number | undefined;
  readonly onRoomsChanged: () => void;
  /** An item of this person's own. */
  readonly onOwnItem: (commandId: string) => void;
}

/** Takes events. */
export class Incoming {
  readonly #options: IncomingOptions;
  /** Newest number that was told as `item`, by room, so that none is told twice. */
  readonly #told = new Map<number, number>();
  /** Held messages that were told, for every change of server tells them anew. */
  readonly #toldHeld = new Set<string>();
  #newestRoomId = 0;

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  /** Takes one event. */
  take({ body }: Event): void {
    const { emitter, timelines } = this.#options;
    if (body.case === "item") {
      this.#takeItem(toItem(body.value));
    } else if (body.case === "roomCreated") {
      const { roomId, name, ownerId, personal } = body.value;
      this.#takeRoom({ roomId, name, ownerId, personal });
    } else if (body.case === "held") {
      const message = toHeldMessage(body.value);
      timelines.applyHeld(message);
      if (this.#noteHeld(keyOf(message))) emitter.emit("held", message);
    } else if (body.case === "setAside") {
      const message = toSetAside(body.value);
      timelines.applySetAside(message);
      emitter.emit("setAside", message);
    }
  }

  /** Another history, or another person, begins. */
  forget(): void {
    this.#told.clear();
    this.#toldHeld.clear();
    this.#newestRoomId = 0;
  }

  #takeRoom(room: ClientTopics["roomCreated"]): void {
    if (room.roomId <= this.#newestRoomId) return;
    const { emitter, rooms, userId, onRoomsChanged } = this.#options;
    this.#newestRoomId = room.roomId;
    rooms.applyCreated(room, userId());
    onRoomsChanged();
    emitter.emit("roomCreated", room);
  }

  #takeItem(item: Item): void {
    const { emitter, timelines, rooms, userId, onRoomsChanged, onOwnItem } = this.#options;
    timelines.apply(item);
    if (item.authorId === userId()) onOwnItem(item.commandId);
    if (item.number <= (this.#told.get(item.roomId) ?? 0)) return;
    putBounded(this.#told, item.roomId, item.number);
    if (rooms.applyItem(item, userId())) onRoomsChanged();
    emitter.emit("item", item);
  }

  #noteHeld(key: string): boolean {
    if (this.#toldHeld.has(key)) return false;
    this.#toldHeld.add(key);
    if (this.#toldHeld.size > heldToldMax) {
      for (const oldest of this.#toldHeld) {
        this.#toldHeld.delete(oldest);
        break;
      }
    }
    return true;
  }
}

function putBounded(told: Map<number, number>, roomId: number, number: number): void {
  if (told.size >= roomsMax && !told.has(roomId)) {
    for (const oldest of told.keys()) {
      told.delete(oldest);
      break;
    }
  }
  told.set(roomId, number);
}
