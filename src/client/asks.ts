// What can be asked over the session besides sending messages, each as one function: form the
// request, ask, convert the answer. Every read asks for at least the newest position seen, so that
// nobody travels back in time (design.md §7).
import { create } from "@bufbuild/protobuf";
import {
  CreateRoomRequestSchema,
  JoinRoomRequestSchema,
  LeaveRoomRequestSchema,
  ListPeopleRequestSchema,
  ListRoomsRequestSchema,
  ReadTimelineRequestSchema,
  type Room as WireRoom,
  type WriteReceipt,
} from "../proto/gen/chat/v1/api_pb.js";
import { RejectedError } from "./errors.ts";
import { type CommandIds, commandIdText } from "./ids.ts";
import { faultOfNumber, faultOfRoom, faultOfText, refuse } from "./input.ts";
import { listPageMax, listPagesMax, openRoomItems } from "./limits.ts";
import type { PageAsk } from "./live-timelines.ts";
import type { PendingRequests } from "./requests.ts";
import {
  type Person,
  type Receipt,
  type Room,
  type RoomName,
  type RoomReceipt,
  type TimelinePage,
  toHeldMessage,
  toItem,
  toPerson,
  toReceipt,
  toRoom,
  toRoomRef,
  toSetAside,
} from "./types.ts";

/** The newest position that this client has seen, in whatever answer or event. */
export class SeenPosition {
  #newest = 0n;

  get newest(): bigint {
    return this.#newest;
  }

  note(position: bigint): void {
    if (position > this.#newest) this.#newest = position;
  }

  /** The cluster has another history: positions of the old one mean nothing. */
  reset(): void {
    this.#newest = 0n;
  }
}

/** What asking works with. */
export interface AsksOptions {
  readonly requests: PendingRequests;
  readonly ids: CommandIds;
  readonly seen: SeenPosition;
}

/** Reads, and writes that make, join and leave rooms. All reject with RejectedError. */
export class Asks {
  readonly #requests: PendingRequests;
  readonly #ids: CommandIds;
  readonly #seen: SeenPosition;

  constructor(options: AsksOptions) {
    this.#requests = options.requests;
    this.#ids = options.ids;
    this.#seen = options.seen;
  }

  async createRoom(name: string): Promise<RoomReceipt> {
    refuse(faultOfText(name));
    const commandId = this.#ids.next();
    const value = create(CreateRoomRequestSchema, { commandId, name });
    const reply = await this.#requests.ask({ case: "createRoom", value }, "createRoom");
    return { ...this.#receipt(reply.receipt, commandId), room: roomOf(reply) };
  }

  async joinRoom(room: RoomName): Promise<RoomReceipt> {
    refuse(faultOfRoom(room));
    const commandId = this.#ids.next();
    const value = create(JoinRoomRequestSchema, { commandId, room: toRoomRef(room) });
    const reply = await this.#requests.ask({ case: "joinRoom", value }, "joinRoom");
    return { ...this.#receipt(reply.receipt, commandId), room: roomOf(reply) };
  }

  async leaveRoom(room: RoomName): Promise<Receipt> {
    refuse(faultOfRoom(room));
    const commandId = this.#ids.next();
    const value = create(LeaveRoomRequestSchema, { commandId, room: toRoomRef(room) });
    const reply = await this.#requests.ask({ case: "leaveRoom", value }, "leaveRoom");
    return this.#receipt(reply.receipt, commandId);
  }

  /** All rooms, page by page. */
  async listRooms({ joinedOnly }: { readonly joinedOnly: boolean }): Promise<Room[]> {
    const rooms: Room[] = [];
    for (let page = 0; page < listPagesMax; page++) {
      const value = create(ListRoomsRequestSchema, {
        joinedOnly,
        afterName: rooms.at(-1)?.name ?? "",
        limit: listPageMax,
        atLeastPosition: this.#seen.newest,
      });
      const reply = await this.#requests.ask({ case: "listRooms", value }, "listRooms");
      this.#seen.note(reply.position);
      rooms.push(...reply.rooms.map(toRoom));
      if (!reply.more || reply.rooms.length === 0) break;
    }
    return rooms;
  }

  /** All people whose username fits, page by page. */
  async listPeople(pattern: string): Promise<Person[]> {
    refuse(faultOfText(pattern));
    const people: Person[] = [];
    for (let page = 0; page < listPagesMax; page++) {
      const value = create(ListPeopleRequestSchema, {
        pattern,
        afterUsername: people.at(-1)?.username ?? "",
        limit: listPageMax,
        atLeastPosition: this.#seen.newest,
      });
      const reply = await this.#requests.ask({ case: "listPeople", value }, "listPeople");
      this.#seen.note(reply.position);
      people.push(...reply.people.map(toPerson));
      if (!reply.more || reply.people.length === 0) break;
    }
    return people;
  }

  async readTimeline(ask: PageAsk): Promise<TimelinePage> {
    const { room, beforeNumber = 0, afterNumber, limit = openRoomItems } = ask;
    const after = afterNumber ?? 0;
    refuse(faultOfRoom(room), ...[beforeNumber, after, limit].map(faultOfNumber));
    if (afterNumber === 0 && beforeNumber === 0) return this.#readFromFirst(room, limit);
    return this.#readPage(room, { beforeNumber, afterNumber: after, limit });
  }

  /**
   * 0 on the wire means "not given": the oldest items are those before limit + 1. A server cuts a
   * page of large bodies at its oldest end, so what is missing there is asked for until the first
   * one has come.
   */
  async #readFromFirst(room: RoomName, limit: number): Promise<TimelinePage> {
    const page = await this.#readPage(room, { beforeNumber: limit + 1, afterNumber: 0, limit });
    let items = page.items;
    for (let first = items[0]; first !== undefined && first.number > 1; first = items[0]) {
      const before = { beforeNumber: first.number, afterNumber: 0, limit };
      const older = await this.#readPage(room, before);
      if (older.items.length === 0) break;
      items = [...older.items, ...items];
    }
    return { ...page, items };
  }

  async #readPage(
    room: RoomName,
    page: {
      readonly beforeNumber: number;
      readonly afterNumber: number;
      readonly limit: number;
    },
  ): Promise<TimelinePage> {
    const value = create(ReadTimelineRequestSchema, {
      room: toRoomRef(room),
      ...page,
      atLeastPosition: this.#seen.newest,
    });
    const reply = await this.#requests.ask({ case: "readTimeline", value }, "readTimeline");
    this.#seen.note(reply.position);
    return {
      room: roomOf(reply),
      items: reply.items.map(toItem),
      held: reply.held.map(toHeldMessage),
      setAside: reply.setAside.map(toSetAside),
    };
  }

  #receipt(receipt: WriteReceipt | undefined, commandId: Uint8Array): Receipt {
    this.#seen.note(receipt?.position ?? 0n);
    return toReceipt(receipt, commandIdText(commandId));
  }
}

function roomOf(reply: { readonly room?: WireRoom | undefined }): Room {
  if (reply.room !== undefined) return toRoom(reply.room);
  throw new RejectedError({ code: "UNSPECIFIED", message: "The server's answer lacks the room." });
}
