// The values that callers see: plain objects with numbers, converted once from the wire's messages.
// No behaviour but that conversion.
import { toHex } from "../base/bytes.ts";
import type * as wire from "../proto/gen/chat/v1/api_pb.js";
import { RoomKind } from "../proto/gen/chat/v1/api_pb.js";
import type * as wireEvents from "../proto/gen/chat/v1/event_pb.js";
import type { RejectedError } from "./errors.ts";

/** A room by name (`general`, `@ada`) or by id. */
export type RoomName = string | number;

/** Someone with an account. */
export interface Person {
  readonly userId: number;
  readonly username: string;
  readonly displayName: string;
}

/** A room and how the caller stands to it. */
export interface Room {
  readonly roomId: number;
  /** A personal room's name is `@` and its owner's username. */
  readonly name: string;
  readonly kind: "personal" | "open";
  readonly ownerId: number;
  readonly memberCount: number;
  /** Number of the newest timeline item, 0 in an empty room. */
  readonly lastNumber: number;
  /** Whether the caller is in it. */
  readonly joined: boolean;
}

/** What a line of a room says. */
export type ItemContent =
  | { readonly kind: "message"; readonly body: string }
  | { readonly kind: "joined" }
  | { readonly kind: "left" };

/** One line of a room; a room's lines are numbered 1, 2, 3, … without a gap. */
export interface Item {
  readonly roomId: number;
  readonly number: number;
  /** Place in the log. */
  readonly position: number;
  /** Cluster time, milliseconds since 1970. */
  readonly timestampMs: number;
  readonly authorId: number;
  readonly authorUsername: string;
  /** The id under which its author's client sent it: 32 hexadecimal digits. */
  readonly commandId: string;
  readonly content: ItemContent;
}

/** A room has come to be. */
export interface RoomCreated {
  readonly roomId: number;
  readonly name: string;
  readonly ownerId: number;
  readonly personal: boolean;
}

/** What every acknowledged write answers. */
export interface Receipt {
  /** Place in the log. */
  readonly position: number;
  /** On how many servers' disks the write was when it was acknowledged. */
  readonly disks: number;
  /** True when a write with this id had been applied before: the answer is that of the first. */
  readonly repeated: boolean;
  /** The id of the write: 32 hexadecimal digits. */
  readonly commandId: string;
}

/** A room was made or joined. */
export interface RoomReceipt extends Receipt {
  readonly room: Room;
}

/** A message is stored: on a majority of disks and on every other server that is alive (R5). */
export interface SendReceipt extends Receipt {
  readonly roomId: number;
  /** The message's number in its room. */
  readonly number: number;
}

/** The server has let this client in. */
export interface Connected {
  readonly person: Person;
  readonly address: string;
  readonly serverId: number;
  /**
   * False: what happened while the client was away was not replayed; open timelines are loaded
   * anew.
   */
  readonly recovered: boolean;
  /** Addresses of all servers, as the server tells. */
  readonly addresses: readonly string[];
}

/** How the client stands to the cluster. */
export type ConnectionState =
  /** Not started, or stopped by the caller. */
  | { readonly kind: "stopped" }
  | { readonly kind: "connecting"; readonly address: string }
  | { readonly kind: "connected"; readonly address: string; readonly serverId: number }
  /** No server could be had; the next attempt is that far away. */
  | { readonly kind: "waiting"; readonly retryInMs: number; readonly reason: string }
  /** The log-in session is over: nothing is tried until the next log-in. */
  | { readonly kind: "ended"; readonly error: RejectedError };

/** A part of a room's timeline. */
export interface TimelinePage {
  readonly room: Room;
  /** Oldest first. */
  readonly items: readonly Item[];
}

/**
 * Only for a server that leaves out a field that the contract demands: empty instead of a crash.
 */
const nobody: Person = { userId: 0, username: "", displayName: "" };

/** The person in a wire message. */
export function toPerson(person: wire.Person | undefined): Person {
  if (person === undefined) return nobody;
  return {
    userId: person.userId,
    username: person.username,
    displayName: person.displayName,
  };
}

/** The room in a wire message. */
export function toRoom(room: wire.Room): Room {
  return {
    roomId: room.roomId,
    name: room.name,
    kind: room.kind === RoomKind.PERSONAL ? "personal" : "open",
    ownerId: room.ownerId,
    memberCount: room.memberCount,
    lastNumber: room.lastNumber,
    joined: room.joined,
  };
}

/** The item in a wire message. */
export function toItem(item: wireEvents.TimelineItem): Item {
  return {
    roomId: item.roomId,
    number: item.number,
    position: Number(item.position),
    timestampMs: Number(item.timestampMs),
    authorId: item.authorId,
    authorUsername: item.authorUsername,
    commandId: toHex(item.commandId),
    content: toContent(item.content),
  };
}

function toContent(content: wireEvents.TimelineItem["content"]): ItemContent {
  switch (content.case) {
    case "joined":
      return { kind: "joined" };
    case "left":
      return { kind: "left" };
    default:
      // A kind of line that only newer servers know keeps its number and shows as empty text.
      return { kind: "message", body: content.value ?? "" };
  }
}

/** The receipt in a wire message, with the id of the write. */
export function toReceipt(receipt: wire.WriteReceipt | undefined, commandId: string): Receipt {
  return {
    position: Number(receipt?.position ?? 0n),
    disks: receipt?.disks ?? 0,
    repeated: receipt?.repeated ?? false,
    commandId,
  };
}
