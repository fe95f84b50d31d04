// The values that the model of chat's rules (chat-model.ts) is made of and answers with: what is
// held, what a command comes to, what is told. No rules.
import type { Accepted } from "../chat/index.ts";
import type { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";

/** Where and when a command is applied. */
export interface Moment {
  readonly position: number;
  /** Never before that of an earlier command (MS4). */
  readonly timestampMs: number;
}

/** A person (AC). */
export interface ModelPerson {
  readonly userId: number;
  readonly username: string;
  readonly displayName: string;
  readonly passwordHash: string;
  readonly registered: Moment;
  /** In how many rooms. */
  roomCount: number;
}

/** An open session (SE). */
export interface ModelSession {
  readonly sessionId: number;
  readonly userId: number;
  readonly device: string;
  readonly opened: Moment;
  /** 0: it was not opened on an island (IM10). */
  readonly islandNonce: bigint;
}

/** A room and who is in it now (RM). */
export interface ModelRoom {
  readonly roomId: number;
  readonly name: string;
  readonly ownerId: number;
  readonly personal: boolean;
  readonly created: Moment;
  /** Who is in it, with the position of joining. */
  members: Map<number, number>;
  lastNumber: number;
}

/** A stay in a room that is over (RP2). */
export interface ModelStay {
  readonly userId: number;
  readonly roomId: number;
  readonly joinedPosition: number;
  readonly leftPosition: number;
}

/** What an item says. */
export type ModelContent =
  | { readonly kind: "message"; readonly body: string }
  | { readonly kind: "joined" }
  | { readonly kind: "left" };

/** One line of a room. */
export interface ModelItem {
  readonly kind: "item";
  readonly roomId: number;
  readonly number: number;
  readonly position: number;
  readonly timestampMs: number;
  readonly authorId: number;
  readonly authorUsername: string;
  readonly commandId: Uint8Array;
  readonly content: ModelContent;
  /** When an island accepted it; 0 where none did (IM8). */
  readonly writtenMs: number;
}

/** A held message that was not put into its room (IM9). */
export interface ModelSetAside {
  readonly kind: "setAside";
  readonly roomId: number;
  readonly ownerId: number;
  readonly authorId: number;
  readonly authorUsername: string;
  readonly commandId: Uint8Array;
  readonly position: number;
  readonly acceptedMs: number;
  readonly body: string;
  /** What stood against it. */
  readonly code: RejectionCode;
  /** Hash of the content. */
  readonly content: number;
  readonly answer: Accepted;
}

/** What is told, and to whom. Look at it before the next command: audiences are not copied. */
export interface ModelEvent {
  readonly audience: "everyone" | ReadonlySet<number> | ReadonlyMap<number, unknown>;
  readonly what:
    | ModelItem
    | ModelSetAside
    | {
        readonly kind: "roomCreated";
        readonly roomId: number;
        readonly name: string;
        readonly ownerId: number;
        readonly personal: boolean;
      }
    | { readonly kind: "sessionEnded"; readonly sessionId: number };
}

/** What a command must come to. */
export type ModelOutcome =
  | { readonly kind: "rejected"; readonly code: RejectionCode }
  | {
      readonly kind: "accepted";
      readonly answer: Accepted;
      readonly position: number;
      readonly repeated: boolean;
    };

/** What a command must come to, and what must be told of it. */
export interface ModelResult {
  readonly outcome: ModelOutcome;
  readonly events: readonly ModelEvent[];
}
