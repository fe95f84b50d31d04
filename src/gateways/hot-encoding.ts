// Encoders by hand for the three messages of which each chat message costs one: its command, its
// reply, its event. protobuf-es makes and grows a new buffer for every message, which is five times
// the work. The bytes are the same, which the test holds against protobuf-es, and so does it hold
// the lists of fields.
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Event, TimelineItem } from "../proto/gen/chat/v1/event_pb.js";

// Kept between messages, so that its buffer is grown once. Empty between calls.
let writer = new BinaryWriter();

/** Bytes of what `write` writes; nothing of it is left behind when it throws. */
function encoded(write: (writer: BinaryWriter) => void): Uint8Array {
  try {
    write(writer);
    return writer.finish();
  } catch (error) {
    writer = new BinaryWriter();
    throw error;
  }
}

/** Tags: field number << 3 | wire type, 0 for varints, 2 for what has a length. */
const varint = (field: number) => field << 3;
const sized = (field: number) => (field << 3) | 2;

/** A chat.v1.Command with a SendMessage. */
export function encodeSendMessage(command: {
  readonly id: Uint8Array;
  readonly userId: number;
  readonly sessionId: number;
  readonly roomId: number;
  readonly body: string;
}): Uint8Array {
  return encoded((w) => {
    w.uint32(sized(1)).bytes(command.id);
    w.uint32(varint(2)).uint32(command.userId);
    w.uint32(varint(3)).uint32(command.sessionId);
    w.uint32(sized(11)).fork();
    w.uint32(varint(1)).uint32(command.roomId);
    w.uint32(sized(2)).string(command.body);
    w.join();
  });
}

/** What the reply to a message that was sent says; all but `repeated` are above 0. */
export interface SentReply {
  readonly requestId: number;
  readonly status: number;
  readonly position: bigint;
  readonly disks: number;
  readonly repeated: boolean;
  readonly roomId: number;
  readonly number: number;
}

/**
 * A chat.v1.Reply with a SendMessageResponse, as the field `field` of the message that holds it.
 */
export function encodeSentReply(field: number, reply: SentReply): Uint8Array {
  return encoded((w) => {
    w.uint32(sized(field)).fork();
    w.uint32(varint(1)).uint32(reply.requestId);
    w.uint32(sized(4)).fork();
    w.uint32(sized(1)).fork();
    w.uint32(varint(1)).uint32(reply.status);
    w.uint32(varint(2)).uint64(reply.position);
    w.uint32(varint(3)).uint32(reply.disks);
    if (reply.repeated) w.uint32(varint(4)).bool(true);
    w.join();
    w.uint32(varint(2)).uint32(reply.roomId);
    w.uint32(varint(3)).uint32(reply.number);
    w.join().join();
  });
}

/** A chat.v1.Event with a timeline item, as the field `field` of the message that holds it. */
export function encodeItemEvent(
  field: number,
  position: Event["position"],
  item: TimelineItem,
): Uint8Array {
  return encoded((w) => {
    w.uint32(sized(field)).fork();
    w.uint32(varint(1)).uint64(position);
    w.uint32(sized(2)).fork();
    writeItem(w, item);
    w.join().join();
  });
}

function writeItem(w: BinaryWriter, item: TimelineItem): void {
  w.uint32(varint(1)).uint32(item.roomId);
  w.uint32(varint(2)).uint32(item.number);
  w.uint32(varint(3)).uint64(item.position);
  if (item.timestampMs !== 0n) w.uint32(varint(4)).int64(item.timestampMs);
  w.uint32(varint(5)).uint32(item.authorId);
  w.uint32(sized(6)).string(item.authorUsername);
  if (item.commandId.length > 0) w.uint32(sized(7)).bytes(item.commandId);
  const { content } = item;
  if (content.case === "body") w.uint32(sized(8)).string(content.value);
  else if (content.case === "joined") w.uint32(sized(9)).uint32(0);
  else if (content.case === "left") w.uint32(sized(10)).uint32(0);
  if (item.writtenMs !== 0n) w.uint32(varint(11)).int64(item.writtenMs);
}
