// One message of the outbox: its request, who waits for it, and how far it is. When it is sent is
// outbox.ts's part.
import { create } from "@bufbuild/protobuf";
import { assertDefined } from "../base/assert.ts";
import { SendMessageRequestSchema } from "../proto/gen/chat/v1/api_pb.js";
import type { RejectedError } from "./errors.ts";
import { parseCommandId } from "./ids.ts";
import type { OutboxMessage } from "./outbox-store.ts";
import type { RequestBody, Session } from "./session.ts";
import { type HeldReceipt, type SendReceipt, toRoomRef } from "./types.ts";

/** A message that is not stored yet, as it is shown. */
export interface PendingMessage extends OutboxMessage {
  /** An island has it on its disks. */
  readonly held: boolean;
}

/** One message and how it stands. */
export interface Entry {
  readonly message: OutboxMessage;
  readonly request: RequestBody;
  /** Told once what became of it first; undefined when nobody waits (any more). */
  waiter: Waiter<SendReceipt | HeldReceipt> | undefined;
  /** Told once when it is stored, where it was held first. */
  storedWaiter: Waiter<SendReceipt> | undefined;
  /** It is in flight if this is the session that stands. */
  askedIn: Session | undefined;
  /** After the first, nobody knows whether an earlier one was answered with "stored". */
  asks: number;
  held: boolean;
  /** It waits for a majority: not to be asked again before something has changed. */
  parked: boolean;
  /** It was seen in its room, and only its receipt is still to come. */
  seen: boolean;
}

/** Somebody who waits for news of a message. */
export interface Waiter<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: RejectedError) => void;
}

/** Tells whoever waits that it will not come, or take long. */
export function rejectWaiters(entry: Entry, error: RejectedError): void {
  entry.waiter?.reject(error);
  entry.storedWaiter?.reject(error);
  entry.waiter = entry.storedWaiter = undefined;
}

/** A message that was not asked for in this run yet. */
export function createEntry(message: OutboxMessage, how: Pick<Entry, "waiter" | "asks">): Entry {
  return {
    message,
    request: toRequest(message),
    ...how,
    storedWaiter: undefined,
    askedIn: undefined,
    held: false,
    parked: false,
    seen: false,
  };
}

function toRequest(message: OutboxMessage): RequestBody {
  const commandId = assertDefined(parseCommandId(message.commandId), "the message's id");
  const room = toRoomRef(message.room);
  const value = create(SendMessageRequestSchema, { commandId, room, body: message.body });
  return { case: "sendMessage", value };
}
