// The reads that gateways may ask of the chat state. All synchronous, all bounded, none changes
// anything.
import type { Person } from "../proto/gen/chat/v1/api_pb.js";
import type { SetAside, TimelineItem } from "../proto/gen/chat/v1/event_pb.js";
import type {
  ChatEvent,
  Credentials,
  HeldCommand,
  Rejection,
  RoomView,
  SessionId,
  ShownHeldMessage,
  UserId,
} from "./types.ts";

/** Names a room by id or by name. */
export type RoomName = { readonly roomId: number } | { readonly name: string };

/** A page of something, and whether there is more. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly more: boolean;
}

/** A part of a room's timeline. */
export interface TimelineView {
  readonly room: RoomView;
  /** Oldest first. */
  readonly items: readonly TimelineItem[];
  /**
   * With the newest items: the held messages of this room that were set aside and that the asker
   * may see, oldest first; at most the newest `setAsideShownMax`.
   */
  readonly setAside: readonly SetAside[];
}

/** Fulfilled by `Chat` (chat.ts). */
export interface ChatQueries {
  /** The key that signs session tokens; undefined until the first leader has made it. */
  tokenKey(): Uint8Array | undefined;
  credentials(username: string): Credentials | undefined;
  person(userId: UserId): Person | undefined;
  /** The owner of a session that has not been ended. */
  sessionOwner(sessionId: SessionId): UserId | undefined;
  /** The session that was opened on an island under this number, unless it has been ended. */
  sessionByIslandNonce(nonce: bigint): SessionId | undefined;
  listPeople(ask: {
    pattern: string;
    afterUsername: string;
    limit: number;
  }): Page<Person> | Rejection;
  listRooms(
    asker: UserId,
    ask: { joinedOnly: boolean; afterName: string; limit: number },
  ): Page<RoomView>;
  /** A room that the asker may see; unknownRoom otherwise. */
  findRoom(asker: UserId, room: RoomName): RoomView | Rejection;
  /**
   * Items oldest first; notAMember for a room that the asker is not in. `limit` at most
   * timelinePageMax.
   */
  readTimeline(
    asker: UserId,
    ask: { room: RoomName; beforeNumber: number; afterNumber: number; limit: number },
  ): TimelineView | Rejection;
  /**
   * What the asker may see of what happened after `afterPosition` and up to `untilPosition`, in
   * order, at most `limit` events (replayEventsMax); `more` tells that there is still some.
   * Audience as of the event itself: a person who joined later does not see it, a person who has
   * left since still sees what came before.
   */
  eventsSince(
    asker: UserId,
    ask: { afterPosition: number; untilPosition: number; limit: number },
  ): Page<ChatEvent>;
  /**
   * How a held command is shown, and to whom now: to the members of its room. Undefined for what is
   * no message, what its author may not write now, and what has been applied: that is shown by its
   * item.
   */
  heldMessage(held: HeldCommand): ShownHeldMessage | undefined;
  /** Whether what a held command stands for is in the state, so that merging it changes nothing. */
  isMerged(command: Uint8Array): boolean;
}
