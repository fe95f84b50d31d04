// The items of a room: how one is added and how a stored one becomes an event again. Live events
// and replayed ones are made by the same function, so that they cannot differ. Rights are decided
// before (access.ts).
import { assert, assertDefined } from "../base/assert.ts";
import type { SqlRow } from "../io/database.ts";
import type { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import type { Event, SetAside, TimelineItem } from "../proto/gen/chat/v1/event_pb.js";
import type { Author, Context } from "./context.ts";
import { setAsideReason } from "./rejections.ts";
import { bytes, integer, text } from "./rows.ts";
import { itemKind, roomKind } from "./schema.ts";
import type { ChatState, RoomState } from "./state.ts";
import type { Audience, ChatEvent } from "./types.ts";

/** What an item says; the numbers are those of schema.ts. */
export type ItemContent =
  | { readonly kind: typeof itemKind.message; readonly body: string }
  | { readonly kind: typeof itemKind.joined }
  | { readonly kind: typeof itemKind.left };

/** A stored item, as a row or as it is about to become one. */
interface StoredItem {
  readonly roomId: number;
  readonly number: number;
  readonly position: number;
  readonly timestampMs: number;
  readonly authorId: number;
  readonly commandId: Uint8Array;
  readonly content: ItemContent;
  /** Not 0: written in island mode at this cluster time. */
  readonly writtenMs: number;
}

/** The audience of what is no secret. */
export const everyone: Audience = { kind: "everyone" };

/**
 * Adds an item with the room's next number and answers its event. The author must have the right to
 * it.
 */
export function appendItem(
  { state, statements }: Context,
  room: RoomState,
  author: Author & {
    /** Where it was written in island mode: when. */
    readonly writtenMs?: number;
  },
  content: ItemContent,
): Event {
  const number = state.lastItem(room).number + 1;
  const { position, timestampMs, userId: authorId, commandId, writtenMs = 0 } = author;
  const body = content.kind === itemKind.message ? content.body : null;
  statements.insertItem.run(
    room.roomId,
    number,
    position,
    timestampMs,
    authorId,
    content.kind,
    commandId,
    body,
    writtenMs,
  );
  state.setLastItem(room, { number, position });
  const { roomId } = room;
  const stored = { roomId, number, position, timestampMs, authorId, commandId, content, writtenMs };
  return eventOfItem(toTimelineItem(state, stored));
}

/** The item in a row of timeline_items. */
export function itemOfRow(state: ChatState, row: SqlRow): TimelineItem {
  return toTimelineItem(state, {
    roomId: integer(row, "room_id"),
    number: integer(row, "number"),
    position: integer(row, "position"),
    timestampMs: integer(row, "timestamp_ms"),
    authorId: integer(row, "author_id"),
    commandId: bytes(row, "command_id"),
    content: contentOfRow(row),
    writtenMs: integer(row, "written_ms"),
  });
}

/** The event that tells of an item. */
export function eventOfItem(item: TimelineItem): Event {
  return {
    $typeName: "chat.v1.Event",
    position: item.position,
    body: { case: "item", value: item },
  };
}

/** Keeps a held message that may not enter its room, and answers its event. */
export function addSetAside(
  { state, statements }: Context,
  room: RoomState,
  message: {
    readonly author: Author;
    readonly body: string;
    readonly acceptedMs: number;
    /** What stood against it. */
    readonly code: RejectionCode;
  },
): Event {
  const { author, body, acceptedMs, code } = message;
  const { position, userId: authorId, commandId } = author;
  const { roomId, ownerId } = room;
  statements.insertSetAside.run(
    position,
    roomId,
    authorId,
    ownerId,
    commandId,
    acceptedMs,
    body,
    code,
  );
  const stored = { roomId, authorId, commandId, acceptedMs, body, code };
  return eventOfSetAside(position, toSetAside(state, stored));
}

/** The held message in a row of set_aside. */
export function setAsideOfRow(state: ChatState, row: SqlRow): SetAside {
  return toSetAside(state, {
    roomId: integer(row, "room_id"),
    authorId: integer(row, "author_id"),
    commandId: bytes(row, "command_id"),
    acceptedMs: integer(row, "accepted_ms"),
    body: text(row, "body"),
    code: integer(row, "code"),
  });
}

/** The event that tells of a message set aside. */
export function eventOfSetAside(position: number, setAside: SetAside): Event {
  return {
    $typeName: "chat.v1.Event",
    position: BigInt(position),
    body: { case: "setAside", value: setAside },
  };
}

/** The event that tells everyone of a new room. */
export function eventOfRoom(room: RoomState): ChatEvent {
  const { roomId, name, ownerId } = room;
  const personal = room.kind === roomKind.personal;
  const created = { $typeName: "chat.v1.RoomCreated", roomId, name, ownerId, personal } as const;
  return {
    audience: everyone,
    event: {
      $typeName: "chat.v1.Event",
      position: BigInt(room.createdPosition),
      body: { case: "roomCreated", value: created },
    },
  };
}

function contentOfRow(row: SqlRow): ItemContent {
  const kind = integer(row, "kind");
  if (kind === itemKind.message) return { kind, body: text(row, "body") };
  assert(kind === itemKind.joined || kind === itemKind.left, `unknown kind of item ${kind}`);
  return { kind };
}

// Literals in place of protobuf's create(): the same objects at a seventh of its cost, on the hot
// path.
function toTimelineItem(state: ChatState, stored: StoredItem): TimelineItem {
  return {
    $typeName: "chat.v1.TimelineItem",
    roomId: stored.roomId,
    number: stored.number,
    position: BigInt(stored.position),
    timestampMs: BigInt(stored.timestampMs),
    authorId: stored.authorId,
    authorUsername: usernameOf(state, stored.authorId),
    commandId: stored.commandId,
    content: toContent(stored.content),
    writtenMs: stored.writtenMs === 0 ? 0n : BigInt(stored.writtenMs),
  };
}

function toSetAside(
  state: ChatState,
  stored: Pick<StoredItem, "roomId" | "authorId" | "commandId"> & {
    readonly acceptedMs: number;
    readonly body: string;
    readonly code: RejectionCode;
  },
): SetAside {
  const { roomId, authorId, commandId, acceptedMs, body, code } = stored;
  return {
    $typeName: "chat.v1.SetAside",
    roomId,
    authorId,
    authorUsername: usernameOf(state, authorId),
    commandId,
    acceptedMs: BigInt(acceptedMs),
    body,
    reason: setAsideReason(code),
  };
}

function usernameOf(state: ChatState, authorId: number): string {
  return assertDefined(state.user(authorId), "the author of what is shown").username;
}

function toContent(content: ItemContent): TimelineItem["content"] {
  switch (content.kind) {
    case itemKind.message:
      return { case: "body", value: content.body };
    case itemKind.joined:
      return { case: "joined", value: { $typeName: "chat.v1.Joined" } };
    case itemKind.left:
      return { case: "left", value: { $typeName: "chat.v1.Left" } };
  }
}
