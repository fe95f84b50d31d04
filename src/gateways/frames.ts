// ServerFrames as joined bytes. A ServerFrame holds repeated fields and a cursor whose last value
// wins, so encoded parts concatenate: each event is encoded once for all who see it, and one joined
// frame serves many sessions.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { NoticeSchema, ReplySchema, type ServerFrameSchema } from "../proto/gen/chat/v1/api_pb.js";
import { type Event, EventSchema } from "../proto/gen/chat/v1/event_pb.js";
import { encodeCursor } from "./cursor.ts";
import { encodeItemEvent, encodeSentReply, type SentReply } from "./hot-encoding.ts";

/** Field numbers of ServerFrame. */
const replyField = 1;
const eventField = 2;
const cursorField = 3;
const noticeField = 4;

/** The longest header of an unmasked WebSocket frame, RFC 6455 §5.2. */
const webSocketHeaderBytesMax = 10;

/** A finished ServerFrame that may be sent to any number of sessions over either transport. */
export class Frame {
  // The payload stands behind room for a WebSocket header, so that neither transport has to copy
  // it.
  readonly #buffer: Buffer;

  constructor(parts: readonly Uint8Array[]) {
    let length = webSocketHeaderBytesMax;
    for (const part of parts) length += part.length;
    this.#buffer = Buffer.allocUnsafeSlow(length);
    let offset = webSocketHeaderBytesMax;
    for (const part of parts) {
      this.#buffer.set(part, offset);
      offset += part.length;
    }
    this.#writeWebSocketHeader();
  }

  /** The encoded ServerFrame. */
  get payload(): Uint8Array {
    return this.#buffer.subarray(webSocketHeaderBytesMax);
  }

  /** The same as one whole unmasked binary WebSocket message, ready for the socket. */
  get webSocketMessage(): Buffer {
    return this.#buffer.subarray(webSocketHeaderBytesMax - this.#headerBytes());
  }

  #headerBytes(): number {
    const length = this.#buffer.length - webSocketHeaderBytesMax;
    return length < 126 ? 2 : length < 65_536 ? 4 : 10;
  }

  #writeWebSocketHeader(): void {
    const length = this.#buffer.length - webSocketHeaderBytesMax;
    const headerBytes = this.#headerBytes();
    const start = webSocketHeaderBytesMax - headerBytes;
    this.#buffer[start] = 0x82; // A final frame with binary content.
    if (headerBytes === 2) {
      this.#buffer[start + 1] = length;
    } else if (headerBytes === 4) {
      this.#buffer[start + 1] = 126;
      this.#buffer.writeUInt16BE(length, start + 2);
    } else {
      this.#buffer[start + 1] = 127;
      this.#buffer.writeUInt32BE(0, start + 2);
      this.#buffer.writeUInt32BE(length, start + 6);
    }
  }
}

/** An encoded event as a field of a ServerFrame. */
export interface EncodedEvent {
  readonly bytes: Uint8Array;
  /** Undefined for what has no place in the log. */
  readonly position: number | undefined;
}

/** Encodes an event as a field of a ServerFrame. */
export function encodeEvent(event: Event, position: number | undefined): EncodedEvent {
  const bytes =
    event.body.case === "item"
      ? encodeItemEvent(eventField, event.position, event.body.value)
      : asField(eventField, toBinary(EventSchema, event));
  return { bytes, position };
}

/** Encodes a reply as a field of a ServerFrame. */
export function encodeReply(reply: MessageInitShape<typeof ReplySchema>): Uint8Array {
  return asField(replyField, toBinary(ReplySchema, create(ReplySchema, reply)));
}

/** Encodes the reply to a message that was sent as a field of a ServerFrame. */
export function encodeSent(reply: SentReply): Uint8Array {
  return encodeSentReply(replyField, reply);
}

/** What a server says unasked. */
export type NoticeBody = NonNullable<MessageInitShape<typeof NoticeSchema>["body"]>;

/** Encodes a notice as a field of a ServerFrame. */
export function encodeNotice(body: NoticeBody): Uint8Array {
  return asField(noticeField, toBinary(NoticeSchema, create(NoticeSchema, { body })));
}

/** Encodes a cursor as a field of a ServerFrame. */
export function encodeCursorField(clusterId: string, position: number): Uint8Array {
  return asField(cursorField, encodeCursor({ clusterId, position }));
}

/** What goes into a session's next frames, in this order. */
export interface FrameContent {
  /** Encoded replies and notices. */
  readonly replies: readonly Uint8Array[];
  /** Events in the order of the log. */
  readonly events: readonly EncodedEvent[];
  /** Where a client resumes that has seen all of it; undefined: no cursor. */
  readonly endPosition: number | undefined;
  readonly clusterId: string;
  /** Size at which a frame is closed and the next one begun; a single part may be larger. */
  readonly frameBytesTarget: number;
}

/**
 * Joins replies and events into as few frames as the size allows. Each frame that holds events ends
 * with the cursor up to its last event. Laws:
 * (1) the events of one position stay in one frame, since a cursor cannot stand between them;
 * (2) a client that has seen any first part of the frames resumes without a gap and without a
 * double;
 * (3) an event without a position moves no cursor.
 */
export function packFrames(content: FrameContent): Frame[] {
  const frames: Frame[] = [];
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let cursorPosition: number | undefined;
  const close = (position: number | undefined) => {
    if (position !== undefined) parts.push(encodeCursorField(content.clusterId, position));
    if (parts.length > 0) frames.push(new Frame(parts));
    parts = [];
    bytes = 0;
  };
  const isFull = (part: Uint8Array) => bytes > 0 && bytes + part.length > content.frameBytesTarget;
  for (const reply of content.replies) {
    if (isFull(reply)) close(undefined);
    parts.push(reply);
    bytes += reply.length;
  }
  for (const event of content.events) {
    const isOfSamePosition = event.position !== undefined && event.position === cursorPosition;
    if (!isOfSamePosition && isFull(event.bytes)) close(cursorPosition);
    parts.push(event.bytes);
    bytes += event.bytes.length;
    cursorPosition = event.position ?? cursorPosition;
  }
  close(content.endPosition);
  return frames;
}

/**
 * A ServerFrame message that encodes to exactly `payload`, for connect-es, which wants messages.
 * Every payload begins with a one-byte tag; what follows is handed on as the raw bytes of one
 * unknown field with that tag.
 */
export function opaqueServerFrame(payload: Uint8Array): MessageInitShape<typeof ServerFrameSchema> {
  const tag = payload[0] ?? (eventField << 3) | 2;
  return {
    $typeName: "chat.v1.ServerFrame",
    replies: [],
    events: [],
    cursor: new Uint8Array(0),
    notices: [],
    $unknown: [{ no: tag >>> 3, wireType: tag & 7, data: payload.subarray(1) }],
  };
}

function asField(field: number, message: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(message).finish();
}
