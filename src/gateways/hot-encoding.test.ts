// Holds the encoders by hand against protobuf-es, on what they are used for and at the borders of
// varints.
import { create, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import {
  ReplySchema,
  SendMessageResponseSchema,
  WriteReceiptSchema,
} from "../proto/gen/chat/v1/api_pb.js";
import { CommandSchema, SendMessageSchema } from "../proto/gen/chat/v1/command_pb.js";
import { EventSchema, TimelineItemSchema } from "../proto/gen/chat/v1/event_pb.js";
import { encodeItemEvent, encodeSendMessage, encodeSentReply } from "./hot-encoding.ts";

const asField = (field: number, message: Uint8Array) =>
  new BinaryWriter().tag(field, 2).bytes(message).finish();

const random = new Random(1);
const number = () => 1 + (random.nextUint32() >>> random.nextInteger(1, 31));
const position = () => number() * 4096 + random.nextInteger(0, 4096);
const text = () => {
  const alphabet = ["a", "é", "☀", "🐚", "\n"];
  const length = random.nextInteger(0, random.nextBoolean(0.1) ? 9_000 : 150);
  return Array.from({ length }, () => alphabet[random.nextInteger(0, 5)]).join("");
};
const id = () => Uint8Array.from({ length: 16 }, () => random.nextInteger(0, 256));
const rounds = Array.from({ length: 300 }, (_, i) => i);

describe("encoders by hand write what protobuf-es writes", () => {
  it("for a SendMessage command", () => {
    for (const _ of rounds) {
      const [roomId, body] = [number(), `x${text()}`];
      const head = { id: id(), userId: number(), sessionId: number() };
      const value = { roomId, body };
      const command = create(CommandSchema, { ...head, body: { case: "sendMessage", value } });
      const expected = toBinary(CommandSchema, command);
      expect(Buffer.compare(encodeSendMessage({ ...head, roomId, body }), expected)).toBe(0);
    }
  });

  it("for the reply to it", () => {
    for (const _ of rounds) {
      const reply = {
        requestId: number(),
        status: 1,
        position: BigInt(position()),
        disks: random.nextInteger(1, 8),
        repeated: random.nextBoolean(0.5),
        roomId: number(),
        number: number(),
      };
      const { requestId, roomId, number: n, ...receipt } = reply;
      const value = { roomId, number: n, receipt };
      const message = create(ReplySchema, { requestId, body: { case: "sendMessage", value } });
      const expected = asField(1, toBinary(ReplySchema, message));
      expect(Buffer.compare(encodeSentReply(1, reply), expected)).toBe(0);
    }
  });

  it("for the event of an item of each kind", () => {
    for (const round of rounds) {
      const contents = [
        { case: "body", value: text() },
        { case: "joined", value: {} },
        { case: "left", value: {} },
      ] as const;
      const at = BigInt(position());
      const item = create(TimelineItemSchema, {
        roomId: number(),
        number: number(),
        position: at,
        timestampMs: round === 0 ? 0n : BigInt(position()) * 1000n,
        authorId: number(),
        authorUsername: "ada",
        commandId: round === 1 ? new Uint8Array(0) : id(),
        content: contents[round % 3]!,
        writtenMs: round % 2 === 0 ? 0n : BigInt(position()) * 1000n,
      });
      const event = create(EventSchema, { position: at, body: { case: "item", value: item } });
      const expected = asField(2, toBinary(EventSchema, event));
      expect(Buffer.compare(encodeItemEvent(2, at, item), expected)).toBe(0);
    }
  });

  it("know every field that these messages have", () => {
    const fields = (schema: DescMessage) => schema.fields.map(({ number }) => number);
    expect(fields(CommandSchema)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(fields(SendMessageSchema)).toEqual([1, 2]);
    expect(fields(SendMessageResponseSchema)).toEqual([1, 2, 3]);
    expect(fields(WriteReceiptSchema)).toEqual([1, 2, 3, 4]);
    expect(fields(EventSchema)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(fields(TimelineItemSchema)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it("leave nothing behind after a value that cannot be encoded", () => {
    const command = { id: id(), userId: 1, sessionId: 1, roomId: 1, body: "x" };
    const good = encodeSendMessage(command);
    expect(() => encodeSendMessage({ ...command, roomId: -1 })).toThrow();
    expect(Buffer.compare(encodeSendMessage(command), good)).toBe(0);
  });
});
