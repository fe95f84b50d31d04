// What the fake cluster knows: rooms, items, who applied what under which id, as one history that
// all servers share. A server on an island sees it as of its separation. No connections in here.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type ClientRequest,
  type ReadTimelineRequest,
  RejectedSchema,
  RejectionCode,
  type Reply,
  ReplySchema,
  RoomKind,
  type RoomRef,
  RoomSchema,
  WriteStatus,
} from "../proto/gen/chat/v1/api_pb.js";
import {
  type Event,
  EventSchema,
  type HeldMessage,
  HeldMessageSchema,
  type SetAside,
  SetAsideSchema,
  type TimelineItem,
} from "../proto/gen/chat/v1/event_pb.js";
import { commandIdText } from "./ids.ts";
import type { ManualClock } from "./manual-clock.test-support.ts";

interface FakeRoom {
  readonly roomId: number;
  readonly name: string;
  readonly members: Set<number>;
  readonly items: TimelineItem[];
  readonly setAside: SetAside[];
}

/** Something that clients are told, and who. */
export interface LoggedEvent {
  readonly position: number;
  readonly audience: ReadonlySet<number> | "everyone";
  readonly event: Event;
}

/** Servers that hold together without a majority. */
export interface FakeIsland {
  /** They know the history up to here. */
  readonly asOf: number;
  readonly servers: number;
  readonly held: HeldMessage[];
}

type EventBody = NonNullable<MessageInitShape<typeof EventSchema>["body"]>;

/** A request that writes. */
type WriteBody = Exclude<ClientRequest["body"], { case: undefined }> & {
  value: { commandId?: Uint8Array };
};

/** A refusal as a reply's body. */
export function refusal(
  code: RejectionCode,
  retryAfterMs = 0,
): Extract<Reply["body"], { case: "rejected" }> {
  const message = `refused with ${RejectionCode[code]}`;
  return { case: "rejected", value: create(RejectedSchema, { code, message, retryAfterMs }) };
}

/** The history. */
export class FakeHistory {
  /** Pages are cut to so many items at their oldest end, as real ones are by bytes. */
  pageItemsMax = 500;
  log: LoggedEvent[] = [];
  position = 100;
  readonly #clock: ManualClock;
  /** On how many disks a write is. */
  readonly #disks: () => number;
  readonly #onEvent: (logged: LoggedEvent) => void;
  readonly #rooms: FakeRoom[] = [];
  /** Answers of applied commands by user and id, and when they were applied. */
  readonly #applied = new Map<string, { readonly answer: Reply["body"]; readonly at: number }>();
  #hybridTime = 0n;

  constructor(options: {
    clock: ManualClock;
    disks: () => number;
    onEvent: (logged: LoggedEvent) => void;
  }) {
    this.#clock = options.clock;
    this.#disks = options.disks;
    this.#onEvent = options.onEvent;
  }

  /** Another history begins. */
  forget(): void {
    this.log = [];
    this.position = 50;
    for (const room of this.#rooms) room.items.length = 0;
  }

  write(userId: number, body: WriteBody, island: FakeIsland | undefined): Reply["body"] {
    const key = keyOf(userId, body.value.commandId);
    const before = this.#applied.get(key);
    if (before !== undefined && before.at <= (island?.asOf ?? before.at)) {
      return asRepeated(before.answer);
    }
    if (island !== undefined) return this.#hold(userId, body, island);
    const answer = this.apply(userId, body);
    if (answer.case !== "rejected") this.#applied.set(key, { answer, at: this.position });
    return answer;
  }

  #hold(userId: number, body: ClientRequest["body"], island: FakeIsland): Reply["body"] {
    const room = body.case === "sendMessage" ? this.#find(body.value.room) : undefined;
    if (body.case !== "sendMessage" || !room?.members.has(userId)) {
      return refusal(RejectionCode.NEEDS_MAJORITY);
    }
    const { commandId } = body.value;
    const key = keyOf(userId, commandId);
    if (!island.held.some((one) => keyOf(one.authorId, one.commandId) === key)) {
      const message = create(HeldMessageSchema, {
        roomId: room.roomId,
        authorId: userId,
        authorUsername: nameOf(userId),
        commandId,
        timestampMs: BigInt(this.#clock.wallMs()),
        body: body.value.body,
        hybridTime: ++this.#hybridTime,
      });
      island.held.push(message);
      this.#onEvent(this.heldEvent(message));
    }
    const receipt = { status: WriteStatus.HELD, disks: island.servers };
    const value = { receipt, roomId: room.roomId };
    return create(ReplySchema, { body: { case: "sendMessage", value } }).body;
  }

  /** A held message as clients of its island are told of it: at no position. */
  heldEvent(message: HeldMessage): LoggedEvent {
    const audience = this.#rooms[message.roomId - 1]?.members ?? new Set();
    const event = create(EventSchema, { body: { case: "held", value: message } });
    return { position: 0, audience, event };
  }

  /** What the island held comes into the log; whose author has left the room is set aside. */
  merge({ held }: FakeIsland): void {
    for (const { authorId, commandId, roomId, body, timestampMs } of held) {
      const key = keyOf(authorId, commandId);
      const room = this.#rooms[roomId - 1];
      if (this.#applied.has(key) || room === undefined) continue;
      this.position++;
      if (room.members.has(authorId)) {
        const content = { case: "body", value: body } as const;
        const written = { authorId, commandId, writtenMs: timestampMs };
        const number = this.#addItem(room, written, content);
        const receipt = { ...this.#receipt(), repeated: false };
        const value = { receipt, roomId, number };
        const answer = create(ReplySchema, { body: { case: "sendMessage", value } }).body;
        this.#applied.set(key, { answer, at: this.position });
      } else {
        const authorUsername = nameOf(authorId);
        const told = { roomId, authorId, authorUsername, commandId, body };
        const acceptedMs = timestampMs;
        const value = create(SetAsideSchema, { ...told, acceptedMs, reason: "You have left." });
        room.setAside.push(value);
        this.#tell(new Set([authorId]), { case: "setAside", value });
        const answer = refusal(RejectionCode.NOT_A_MEMBER);
        this.#applied.set(key, { answer, at: this.position });
      }
    }
  }

  #receipt() {
    return {
      status: WriteStatus.STORED,
      position: BigInt(this.position),
      disks: this.#disks(),
    };
  }

  /** Applies a write as the state machine would, and tells those who may know. */
  apply(userId: number, body: ClientRequest["body"]): Reply["body"] {
    this.position++;
    const receipt = this.#receipt();
    if (body.case === "createRoom") {
      const roomId = this.#rooms.length + 1;
      const { name, commandId } = body.value;
      const room = { roomId, name, members: new Set([userId]), items: [], setAside: [] };
      this.#rooms.push(room);
      const created = { roomId, name, ownerId: userId, personal: false };
      this.#tell("everyone", { case: "roomCreated", value: created });
      this.#addItem(room, { authorId: userId, commandId }, { case: "joined", value: {} });
      const value = { room: this.#view(room, userId), receipt };
      return create(ReplySchema, { body: { case: "createRoom", value } }).body;
    }
    if (body.case !== "joinRoom" && body.case !== "leaveRoom" && body.case !== "sendMessage") {
      throw new Error(`${body.case} is no write`);
    }
    const room = this.#find(body.value.room);
    const { commandId } = body.value;
    if (room === undefined) return refusal(RejectionCode.UNKNOWN_ROOM);
    if (body.case === "joinRoom") {
      const isNew = !room.members.has(userId);
      room.members.add(userId);
      if (isNew)
        this.#addItem(room, { authorId: userId, commandId }, { case: "joined", value: {} });
      const value = { room: this.#view(room, userId), receipt };
      return create(ReplySchema, { body: { case: "joinRoom", value } }).body;
    }
    if (!room.members.has(userId)) return refusal(RejectionCode.NOT_A_MEMBER);
    if (body.case === "leaveRoom") {
      this.#addItem(room, { authorId: userId, commandId }, { case: "left", value: {} });
      room.members.delete(userId);
      return create(ReplySchema, { body: { case: "leaveRoom", value: { receipt } } }).body;
    }
    const text = { case: "body", value: body.value.body } as const;
    const number = this.#addItem(room, { authorId: userId, commandId }, text);
    const value = { receipt, roomId: room.roomId, number };
    return create(ReplySchema, { body: { case: "sendMessage", value } }).body;
  }

  read(userId: number, body: ClientRequest["body"], island: FakeIsland | undefined): Reply["body"] {
    const position = BigInt(island?.asOf ?? this.position);
    if (body.case === "listRooms") {
      const { afterName, limit, joinedOnly } = body.value;
      const all = this.#rooms
        .filter((room) => room.name > afterName && (!joinedOnly || room.members.has(userId)))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      const rooms = all.slice(0, limit).map((room) => this.#view(room, userId));
      const value = { rooms, more: all.length > limit, position };
      return create(ReplySchema, { body: { case: "listRooms", value } }).body;
    }
    if (body.case === "listPeople") {
      const people = ["ada", "bob"]
        .map((username, i) => ({ userId: i + 1, username, displayName: "" }))
        .filter(({ username }) => username > body.value.afterUsername);
      const limit = Math.min(1, body.value.limit);
      const value = { people: people.slice(0, limit), more: people.length > limit, position };
      return create(ReplySchema, { body: { case: "listPeople", value } }).body;
    }
    if (body.case !== "readTimeline") throw new Error(`${body.case} is no read`);
    return this.#readTimeline(userId, body.value, { position, island });
  }

  #readTimeline(
    userId: number,
    ask: ReadTimelineRequest,
    as: { readonly position: bigint; readonly island: FakeIsland | undefined },
  ): Reply["body"] {
    const { position, island } = as;
    const { room: ref, beforeNumber, afterNumber, limit, atLeastPosition } = ask;
    if (atLeastPosition > position && island === undefined)
      return refusal(RejectionCode.UNAVAILABLE, 50);
    const room = this.#find(ref);
    if (room === undefined) return refusal(RejectionCode.UNKNOWN_ROOM);
    if (!room.members.has(userId)) return refusal(RejectionCode.NOT_A_MEMBER);
    const known = room.items.filter((item) => item.position <= position);
    const items =
      afterNumber > 0
        ? known.filter(({ number }) => number > afterNumber).slice(0, limit)
        : known.filter(({ number }) => beforeNumber === 0 || number < beforeNumber).slice(-limit);
    const kept = afterNumber > 0 ? items : items.slice(-this.pageItemsMax);
    const isNewest = beforeNumber === 0 && afterNumber === 0;
    const held = (island?.held ?? []).filter(({ roomId }) => roomId === room.roomId);
    const setAside = room.setAside.filter(({ authorId }) => authorId === userId);
    const value = {
      room: this.#view(room, userId),
      items: kept,
      position,
      held: isNewest ? held : [],
      setAside: isNewest ? setAside : [],
    };
    return create(ReplySchema, { body: { case: "readTimeline", value } }).body;
  }

  /** A room's items as the servers have them. */
  itemsOf(roomId: number): readonly TimelineItem[] {
    return this.#rooms[roomId - 1]?.items ?? [];
  }

  /** The bodies of a room's messages as the servers have them. */
  bodiesOf(roomId: number): string[] {
    return this.itemsOf(roomId).flatMap(({ content }) =>
      content.case === "body" ? [content.value] : [],
    );
  }

  #find(ref: RoomRef | undefined): FakeRoom | undefined {
    return this.#rooms.find(({ roomId, name }) =>
      ref?.room.case === "name" ? name === ref.room.value : roomId === ref?.room.value,
    );
  }

  #view(room: FakeRoom, userId: number) {
    const { roomId, name, members } = room;
    return create(RoomSchema, {
      roomId,
      name,
      kind: RoomKind.OPEN,
      ownerId: 1,
      memberCount: members.size,
      lastNumber: room.items.length,
      joined: members.has(userId),
    });
  }

  #addItem(
    room: FakeRoom,
    written: { authorId: number; commandId: Uint8Array; writtenMs?: bigint },
    content: { case: "body"; value: string } | { case: "joined" | "left"; value: object },
  ): number {
    const number = room.items.length + 1;
    const value = {
      roomId: room.roomId,
      number,
      position: BigInt(this.position),
      timestampMs: BigInt(this.#clock.wallMs()),
      authorUsername: nameOf(written.authorId),
      ...written,
      content,
    };
    const event = this.#tell(new Set(room.members), { case: "item", value } as EventBody);
    if (event.body.case === "item") room.items.push(event.body.value);
    return number;
  }

  #tell(audience: LoggedEvent["audience"], body: EventBody): Event {
    const position = this.position;
    const event = create(EventSchema, { position: BigInt(position), body });
    const logged = { position, audience, event };
    this.log.push(logged);
    this.#onEvent(logged);
    return event;
  }
}

function keyOf(userId: number, commandId: Uint8Array = new Uint8Array(0)): string {
  return `${userId}:${commandIdText(commandId)}`;
}

function nameOf(userId: number): string {
  return userId === 1 ? "ada" : "bob";
}

function asRepeated(body: Reply["body"]): Reply["body"] {
  const copy = structuredClone(body);
  if (copy.case === "sendMessage" || copy.case === "createRoom" || copy.case === "joinRoom") {
    if (copy.value.receipt !== undefined) copy.value.receipt.repeated = true;
  }
  return copy;
}
