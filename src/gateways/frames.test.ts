// Joined frames: they decode to what went in, split where they may, and every cursor stands where
// it must.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { RejectionCode, ServerFrameSchema } from "../proto/gen/chat/v1/api_pb.js";
import { EventSchema } from "../proto/gen/chat/v1/event_pb.js";
import { decodeCursor } from "./cursor.ts";
import {
  encodeCursorField,
  encodeEvent,
  encodeNotice,
  encodeReply,
  Frame,
  opaqueServerFrame,
  packFrames,
} from "./frames.ts";

const clusterId = "00c0ffee00c0ffee";

function roomCreated(position: number, name: string) {
  const value = { roomId: 1, name, ownerId: 1, personal: false };
  const body = { case: "roomCreated", value } as const;
  return encodeEvent(create(EventSchema, { position: BigInt(position), body }), position);
}

const pong = (requestId: number) => encodeReply({ requestId, body: { case: "pong", value: {} } });

describe("frames", () => {
  it("decode to what went in", () => {
    const [frame] = packFrames({
      replies: [pong(1), pong(200)],
      events: [roomCreated(5, "a"), roomCreated(6, "b".repeat(300))],
      endPosition: 7,
      clusterId,
      frameBytesTarget: 10_000,
    });
    const decoded = fromBinary(ServerFrameSchema, frame?.payload ?? new Uint8Array());
    expect(decoded.replies.map(({ requestId }) => requestId)).toEqual([1, 200]);
    expect(decoded.events.map(({ position }) => position)).toEqual([5n, 6n]);
    expect(decodeCursor(decoded.cursor)).toEqual({ clusterId, position: 7 });
  });

  it.each([0, 1, 125, 126, 127, 65_535, 65_536, 300_000])(
    "of %i bytes are WebSocket messages with the right header",
    (length) => {
      const frame = new Frame([new Uint8Array(length).fill(7)]);
      const message = frame.webSocketMessage;
      expect(message[0]).toBe(0x82);
      const short = message[1] ?? 0;
      const [headBytes, declared] =
        short < 126
          ? [2, short]
          : short === 126
            ? [4, message.readUInt16BE(2)]
            : [10, Number(message.readBigUInt64BE(2))];
      expect([declared, message.length - headBytes]).toEqual([length, length]);
      expect(Buffer.compare(message.subarray(headBytes), frame.payload)).toBe(0);
    },
  );

  it("keep their bytes when connect-es encodes them", () => {
    const parts = [
      [pong(1), roomCreated(5, "a").bytes, encodeCursorField(clusterId, 5)],
      [encodeCursorField(clusterId, 5)],
      [encodeNotice({ case: "goodbye", value: { code: RejectionCode.OVERLOADED, message: "x" } })],
      [roomCreated(5, "a".repeat(500)).bytes],
    ];
    for (const part of parts) {
      const { payload } = new Frame(part);
      const encoded = toBinary(
        ServerFrameSchema,
        create(ServerFrameSchema, opaqueServerFrame(payload)),
      );
      expect(Buffer.compare(encoded, payload)).toBe(0);
    }
  });

  it("let a client resume after any of them without a gap or a double (laws 1 and 2)", () => {
    const random = new Random(7);
    for (let round = 0; round < 200; round++) {
      let position = 100;
      const events = Array.from({ length: random.nextInteger(0, 40) }, () => {
        if (random.nextBoolean(0.7)) position += random.nextInteger(1, 4);
        return roomCreated(position, "x".repeat(random.nextInteger(0, 200)));
      });
      const endPosition = position + random.nextInteger(0, 2);
      const frames = packFrames({
        replies: Array.from({ length: random.nextInteger(0, 5) }, (_, i) => pong(i + 1)),
        events,
        endPosition,
        clusterId,
        frameBytesTarget: 500,
      }).map(({ payload }) => fromBinary(ServerFrameSchema, payload));
      const positions = frames.flatMap((frame) => frame.events.map((event) => event.position));
      expect(positions).toEqual(events.map((event) => BigInt(event.position ?? 0)));
      let seen = 0;
      for (const frame of frames) {
        seen += frame.events.length;
        const cursor = decodeCursor(frame.cursor)?.position;
        if (frame.events.length > 0) expect(cursor).toBeDefined();
        if (cursor === undefined) continue;
        // What a replay from this cursor brings is exactly what this client has not seen.
        const replayed = events.filter((event) => (event.position ?? 0) > cursor).length;
        expect(seen + replayed).toBe(events.length);
      }
      expect(decodeCursor(frames.at(-1)?.cursor ?? new Uint8Array())?.position).toBe(endPosition);
    }
  });

  it("split between events without a position, which move no cursor (law 3)", () => {
    const body = { case: "held", value: { body: "x".repeat(200) } } as const;
    const held = encodeEvent(create(EventSchema, { body }), undefined);
    const pack = (events: Parameters<typeof packFrames>[0]["events"]) =>
      packFrames({ replies: [], events, endPosition: 9, clusterId, frameBytesTarget: 300 })
        .map(({ payload }) => fromBinary(ServerFrameSchema, payload))
        .map(({ events, cursor }) => [events.length, decodeCursor(cursor)?.position]);
    expect(pack([held, held])).toEqual([
      [1, undefined],
      [1, 9],
    ]);
    const some = roomCreated(5, "a");
    expect(pack([some, held, held, roomCreated(6, "b"), roomCreated(6, "c")])).toEqual([
      [2, 5],
      [3, 9],
    ]);
  });
});
