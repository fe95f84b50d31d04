// The rooms that this client has heard of, with what events have changed since. A view, not a
// truth: who needs it fresh asks listRooms.
import { roomsMax } from "./limits.ts";
import type { Item, Room, RoomCreated } from "./types.ts";

/** Rooms by id. */
export class RoomDirectory {
  #rooms = new Map<number, Room>();
  #snapshot: ReadonlyMap<number, Room> | undefined;

  /** All rooms. The same map until something changes. */
  all(): ReadonlyMap<number, Room> {
    this.#snapshot ??= new Map(this.#rooms);
    return this.#snapshot;
  }

  /** Takes a room as a server has just told it. Past `roomsMax` rooms, new ones are left out. */
  put(room: Room): void {
    const known = this.#rooms.get(room.roomId);
    if (known === undefined && this.#rooms.size >= roomsMax) return;
    // An answer may be older than an event that came first.
    const lastNumber = Math.max(room.lastNumber, known?.lastNumber ?? 0);
    this.#set(lastNumber === room.lastNumber ? room : { ...room, lastNumber });
  }

  /** A room has come to be. */
  applyCreated(created: RoomCreated, ownUserId: number | undefined): void {
    if (this.#rooms.has(created.roomId) || this.#rooms.size >= roomsMax) return;
    this.#set({
      roomId: created.roomId,
      name: created.name,
      kind: created.personal ? "personal" : "open",
      ownerId: created.ownerId,
      memberCount: 1,
      lastNumber: 0,
      joined: created.ownerId === ownUserId,
    });
  }

  /** A room has a new item. False when it is no news. */
  applyItem(item: Item, ownUserId: number | undefined): boolean {
    const room = this.#rooms.get(item.roomId);
    if (room === undefined || item.number <= room.lastNumber) return false;
    const own = item.authorId === ownUserId;
    // The owner's own "joined" is the first item, and counted when the room came to be.
    const founding = item.number === 1 && item.authorId === room.ownerId;
    const change =
      item.content.kind === "joined" && !founding ? 1 : item.content.kind === "left" ? -1 : 0;
    this.#set({
      ...room,
      lastNumber: item.number,
      memberCount: Math.max(0, room.memberCount + change),
      joined: own ? item.content.kind !== "left" : room.joined,
    });
    return true;
  }

  /** The caller has left. */
  applyLeft(roomId: number): void {
    const room = this.#rooms.get(roomId);
    if (room?.joined) this.#set({ ...room, joined: false });
  }

  /** Finds a room by name or id among those heard of. */
  find(name: string | number): Room | undefined {
    if (typeof name === "number") return this.#rooms.get(name);
    for (const room of this.#rooms.values()) if (room.name === name) return room;
    return undefined;
  }

  clear(): void {
    this.#rooms = new Map();
    this.#snapshot = undefined;
  }

  #set(room: Room): void {
    this.#rooms.set(room.roomId, room);
    this.#snapshot = undefined;
  }
}
