// The values that callers see: plain objects, converted once from and to the wire's messages. No
// behaviour but that conversion.
import { create } from "@bufbuild/protobuf";
import { toHex } from "../base/bytes.ts";
import type * as wire from "../proto/gen/chat/v1/api_pb.js";
import { RoomKind, RoomRefSchema } from "../proto/gen/chat/v1/api_pb.js";
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
  /** Cluster time, milliseconds since 1970. Never runs backwards within a room. */
  readonly timestampMs: number;
  /**
   * Only where it was written in island mode: cluster time of then, which is the time to be shown.
   * `timestampMs` is that of the merge.
   */
  readonly writtenMs?: number;
  readonly authorId: number;
  readonly authorUsername: string;
  /** The id under which its author's client sent it: 32 hexadecimal digits. */
  readonly commandId: string;
  readonly content: ItemContent;
}

/**
 * A message that an island holds: it has no number yet. When it is merged it comes as an item with
 * the same author and command id.
 */
export interface HeldMessage {
  readonly roomId: number;
  readonly authorId: number;
  readonly authorUsername: string;
  readonly commandId: string;
  /** Cluster time at which it was accepted. */
  readonly timestampMs: number;
  readonly body: string;
  /** Orders held messages. */
  readonly hybridTime: bigint;
}

/** A held message that could not be put into its room; its author and the room's owner see it. */
export interface SetAsideMessage {
  readonly roomId: number;
  readonly authorId: number;
  readonly authorUsername: string;
  readonly commandId: string;
  /** Cluster time at which it was accepted. */
  readonly acceptedMs: number;
  readonly body: string;
  /** A sentence for people. */
  readonly reason: string;
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
  readonly status: "stored";
  readonly roomId: number;
  /** The message's number in its room. */
  readonly number: number;
}

/** A message is held: on the disks of an island, to be merged when a majority is back (R8). */
export interface HeldReceipt {
  readonly status: "held";
  readonly commandId: string;
  readonly roomId: number;
  /** On how many servers' disks it is. */
  readonly disks: number;
  /**
   * The receipt of the merged message, however long that takes. Rejects as `send` does; whoever
   * does not listen misses nothing.
   */
  readonly stored: Promise<SendReceipt>;
}

/**
 * The receipt of the stored message, waited for where an island holds it. Rejects as `send` does.
 */
export function untilStored(receipt: SendReceipt | HeldReceipt): Promise<SendReceipt> {
  return receipt.status === "held" ? receipt.stored : Promise.resolve(receipt);
}

/** Whether the server that the session is with has a majority behind it. */
export interface IslandState {
  /** It has none: messages are held, everything else is refused with NEEDS_MAJORITY. */
  readonly open: boolean;
  /** How many servers hold together; 0 where there is no island, or it is not known yet. */
  readonly servers: number;
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
  /** With the newest items: what an island holds in this room, oldest first. */
  readonly held: readonly HeldMessage[];
  /** With the newest items: what was set aside there, oldest first. */
  readonly setAside: readonly SetAsideMessage[];
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

/** A room as the wire names it. */
export function toRoomRef(room: RoomName): wire.RoomRef {
  return create(RoomRefSchema, {
    room:
      typeof room === "number" ? { case: "roomId", value: room } : { case: "name", value: room },
  });
}

/** The item in a wire message. */
export function toItem(item: wireEvents.TimelineItem): Item {
  return {
    roomId: item.roomId,
    number: item.number,
    position: Number(item.position),
    timestampMs: Number(item.timestampMs),
    ...(item.writtenMs !== 0n && { writtenMs: Number(item.writtenMs) }),
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

/** The held message in a wire message. */
export function toHeldMessage(held: wireEvents.HeldMessage): HeldMessage {
  return {
    roomId: held.roomId,
    authorId: held.authorId,
    authorUsername: held.authorUsername,
    commandId: toHex(held.commandId),
    timestampMs: Number(held.timestampMs),
    body: held.body,
    hybridTime: held.hybridTime,
  };
}

/** The message that was set aside in a wire message. */
export function toSetAside(setAside: wireEvents.SetAside): SetAsideMessage {
  return {
    roomId: setAside.roomId,
    authorId: setAside.authorId,
    authorUsername: setAside.authorUsername,
    commandId: toHex(setAside.commandId),
    acceptedMs: Number(setAside.acceptedMs),
    body: setAside.body,
    reason: setAside.reason,
  };
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
