// The values that come out of the state machine.
import type { Brand } from "../base/brand.ts";
import type { RejectionCode, Room } from "../proto/gen/chat/v1/api_pb.js";
import type { Event, HeldMessage } from "../proto/gen/chat/v1/event_pb.js";

/** A person; 1, 2, 3, … in the order of registration. 0 is the cluster itself. */
export type UserId = Brand<number, "UserId">;
/** A room; 1, 2, 3, … in the order of creation. */
export type RoomId = Brand<number, "RoomId">;
/** A log-in session; 1, 2, 3, … */
export type SessionId = Brand<number, "SessionId">;

/**
 * Who may see an event; decided here and nowhere else. The set is live: use it at once or copy it.
 */
export type Audience =
  | { readonly kind: "everyone" }
  | { readonly kind: "users"; readonly users: ReadonlySet<UserId> };

/** A change, for those who may see it. */
export interface ChatEvent {
  readonly audience: Audience;
  /** Ready to be encoded; the same object for everyone. */
  readonly event: Event;
}

/**
 * What an accepted command answers; the same for a repeated one, from what was stored with the
 * first.
 */
export type Accepted =
  | { readonly kind: "initialized" }
  | { readonly kind: "registered"; readonly userId: UserId; readonly roomId: RoomId }
  | { readonly kind: "sessionOpened"; readonly sessionId: SessionId; readonly userId: UserId }
  | { readonly kind: "sessionClosed" }
  | { readonly kind: "roomCreated"; readonly roomId: RoomId }
  | { readonly kind: "joined"; readonly roomId: RoomId }
  | { readonly kind: "left"; readonly roomId: RoomId }
  | { readonly kind: "sent"; readonly roomId: RoomId; readonly number: number }
  /** A held message that is kept for its author and the room's owner, and for nobody else. */
  | { readonly kind: "setAside"; readonly roomId: RoomId };

/** A command that was refused; nothing changed. */
export interface Rejection {
  readonly kind: "rejected";
  readonly code: RejectionCode;
  /** A sentence for people: what was wrong and what would be right. */
  readonly message: string;
}

/** What became of a command. */
export type ChatOutcome =
  | {
      readonly kind: "accepted";
      readonly answer: Accepted;
      /** Position of the first application. */
      readonly position: number;
      /** True when this id had been applied before. */
      readonly repeated: boolean;
    }
  | Rejection;

/** A command that an island holds, as a server has it; a HeldItem of cluster/v1 is one. */
export interface HeldCommand {
  readonly command: Uint8Array;
  /** Cluster time of acceptance. */
  readonly timestampMs: bigint;
  readonly hybridTime: bigint;
}

/** A held message and who may see it now. The set is live, as that of an event. */
export interface ShownHeldMessage {
  readonly audience: Audience;
  readonly message: HeldMessage;
}

/** What log-in needs. */
export interface Credentials {
  readonly userId: UserId;
  readonly username: string;
  readonly displayName: string;
  /** PHC string. */
  readonly passwordHash: string;
}

/** A room and how the asking person stands to it. */
export type RoomView = Room;
