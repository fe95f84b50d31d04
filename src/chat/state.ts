// What is held in memory of the tables, so that the hot path reads them seldom: people, rooms, who
// is in them. Built from the tables at the start, then changed together with them; never a source
// of its own. Decides nothing.
import { assert, assertDefined } from "../base/assert.ts";
import { loadRowsMax, roomsPerUserMax, sessionOwnersHeldMax } from "./limits.ts";
import { integer, text } from "./rows.ts";
import type { Statements } from "./statements.ts";
import type { Audience, RoomId, SessionId, UserId } from "./types.ts";

/** A person as commands and queries need one. */
export interface UserState {
  readonly userId: UserId;
  readonly username: string;
  readonly displayName: string;
  /** Rooms that the person is in now. Invariant: at most roomsPerUserMax. */
  roomCount: number;
}

/** Where an item stands in its room and in the log. Zeros: before the first one. */
export interface ItemPlace {
  readonly number: number;
  readonly position: number;
}

/** A room as commands and queries need one. */
export interface RoomState {
  readonly roomId: RoomId;
  readonly name: string;
  readonly kind: number;
  readonly ownerId: UserId;
  readonly createdPosition: number;
  /** The newest item. Read on first use, then kept; change it by `setLastItem` only. */
  last: ItemPlace | undefined;
  /**
   * Who is in it now. Replaced, not changed, once `audienceOf` has lent it out in the present call
   * of apply.
   */
  members: Set<UserId>;
  /** Always over `members`; one object, so that a message allocates none. */
  audience: Audience;
  /** The call of apply in which `audience` was last lent out. */
  lentInCall: number;
}

/** The resident part of the state. */
export class ChatState {
  readonly #statements: Statements;
  readonly #users = new Map<UserId, UserState>();
  /** The room with id i is at i - 1: rooms are numbered densely and never removed. */
  readonly #rooms: RoomState[] = [];
  /** The same rooms by name: senders name the room in every message. */
  readonly #roomsByName = new Map<string, RoomState>();
  readonly #sessionOwners = new Map<SessionId, UserId>();
  #lastUserId = 0;
  /** Above every `lentInCall` of a room that was never lent out. */
  #call = 1;

  constructor(statements: Statements) {
    this.#statements = statements;
    this.#loadRooms();
    this.#loadUsers();
  }

  /**
   * Must be called at the beginning of each `apply`: audiences lent out before may be changed from
   * now on.
   */
  beginCall(): void {
    this.#call += 1;
  }

  user(userId: UserId): UserState | undefined {
    return this.#users.get(userId);
  }

  get lastUserId(): UserId {
    return this.#lastUserId;
  }

  addUser(user: Omit<UserState, "roomCount">): void {
    assert(user.userId === this.#lastUserId + 1, "user ids are dense");
    this.#users.set(user.userId, { ...user, roomCount: 0 });
    this.#lastUserId = user.userId;
  }

  room(roomId: RoomId): RoomState | undefined {
    return this.#rooms[roomId - 1];
  }

  roomByName(name: string): RoomState | undefined {
    return this.#roomsByName.get(name);
  }

  get lastRoomId(): RoomId {
    return this.#rooms.length;
  }

  addRoom(
    room: Pick<RoomState, "roomId" | "name" | "kind" | "ownerId" | "createdPosition">,
  ): RoomState {
    assert(room.roomId === this.#rooms.length + 1, "room ids are dense");
    const members = new Set<UserId>();
    const added: RoomState = {
      roomId: room.roomId,
      name: room.name,
      kind: room.kind,
      ownerId: room.ownerId,
      createdPosition: room.createdPosition,
      last: undefined,
      members,
      audience: { kind: "users", users: members },
      lentInCall: 0,
    };
    this.#rooms.push(added);
    this.#roomsByName.set(added.name, added);
    return added;
  }

  lastItem(room: RoomState): ItemPlace {
    if (room.last === undefined) {
      const row = this.#statements.lastItem.get(room.roomId);
      room.last =
        row === undefined
          ? { number: 0, position: 0 }
          : { number: integer(row, "number"), position: integer(row, "position") };
    }
    return room.last;
  }

  setLastItem(room: RoomState, last: ItemPlace): void {
    assert(last.number === this.lastItem(room).number + 1, "item numbers are dense");
    assert(last.position > this.lastItem(room).position, "positions rise within a room");
    room.last = last;
  }

  /**
   * The members of a room as the audience of an event. It stays as it is until the next call of
   * apply, also when later commands of this call change the room: an event is for those who were in
   * the room when it happened.
   */
  audienceOf(room: RoomState): Audience {
    room.lentInCall = this.#call;
    return room.audience;
  }

  addMember(room: RoomState, userId: UserId): void {
    const members = this.#changeableMembers(room);
    assert(!members.has(userId), "a member joins again");
    members.add(userId);
    this.#countRooms(userId, 1);
  }

  removeMember(room: RoomState, userId: UserId): void {
    const wasMember = this.#changeableMembers(room).delete(userId);
    assert(wasMember, "someone leaves who is not a member");
    this.#countRooms(userId, -1);
  }

  /** The owner of a session that is open. */
  sessionOwner(sessionId: SessionId): UserId | undefined {
    const held = this.#sessionOwners.get(sessionId);
    if (held !== undefined) return held;
    const row = this.#statements.sessionOwner.get(sessionId);
    if (row === undefined) return undefined;
    // Everything held here can be read again, so a full map is simply emptied.
    if (this.#sessionOwners.size >= sessionOwnersHeldMax) this.#sessionOwners.clear();
    const owner = integer(row, "user_id");
    this.#sessionOwners.set(sessionId, owner);
    return owner;
  }

  forgetSession(sessionId: SessionId): void {
    this.#sessionOwners.delete(sessionId);
  }

  #changeableMembers(room: RoomState): Set<UserId> {
    if (room.lentInCall === this.#call) {
      room.members = new Set(room.members);
      room.audience = { kind: "users", users: room.members };
      room.lentInCall = 0;
    }
    return room.members;
  }

  #countRooms(userId: UserId, change: 1 | -1): void {
    const user = assertDefined(this.#users.get(userId), "the user of a membership");
    user.roomCount += change;
    assert(user.roomCount >= 0 && user.roomCount <= roomsPerUserMax, "roomCount is out of range");
  }

  #loadRooms(): void {
    for (;;) {
      const rows = this.#statements.roomsAfterId.all(this.#rooms.length, loadRowsMax);
      for (const row of rows) {
        this.addRoom({
          roomId: integer(row, "room_id"),
          name: text(row, "name"),
          kind: integer(row, "kind"),
          ownerId: integer(row, "owner_id"),
          createdPosition: integer(row, "created_position"),
        });
      }
      if (rows.length < loadRowsMax) return;
    }
  }

  #loadUsers(): void {
    for (;;) {
      const rows = this.#statements.usersAfterId.all(this.#lastUserId, loadRowsMax);
      for (const row of rows) {
        const userId = integer(row, "user_id");
        this.addUser({
          userId,
          username: text(row, "username"),
          displayName: text(row, "display_name"),
        });
        for (const joined of this.#statements.roomIdsOfUser.all(userId, roomsPerUserMax)) {
          const room = this.room(integer(joined, "room_id"));
          this.addMember(assertDefined(room, "the room of a membership"), userId);
        }
      }
      if (rows.length < loadRowsMax) return;
    }
  }
}
