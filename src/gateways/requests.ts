// ClientFrames from bytes. A frame with one bad request in it costs that request, not the frame:
// the others are answered as if it were not there.
import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import {
  ClientFrameSchema,
  type ClientRequest,
  ClientRequestSchema,
} from "../proto/gen/chat/v1/api_pb.js";

/** A request of a frame, as far as it could be read. */
export type DecodedRequest =
  | { readonly kind: "request"; readonly request: ClientRequest }
  /** Not readable, but whoever sent it can be told which one it was. */
  | { readonly kind: "unreadable"; readonly requestId: number; readonly problem: string };

/** A whole frame, or why it is none. */
export type DecodedFrame =
  | { readonly kind: "requests"; readonly requests: readonly DecodedRequest[] }
  | { readonly kind: "malformed"; readonly problem: string };

const withoutUnknownFields = { readUnknownFields: false };

/** Decodes a ClientFrame. Strings that are not valid UTF-8 make their request unreadable. */
export function decodeClientFrame(bytes: Uint8Array): DecodedFrame {
  try {
    const frame = fromBinary(ClientFrameSchema, bytes, withoutUnknownFields);
    return {
      kind: "requests",
      requests: frame.requests.map((request) => ({ kind: "request", request })),
    };
  } catch {
    return decodeOneByOne(bytes);
  }
}

function decodeOneByOne(bytes: Uint8Array): DecodedFrame {
  const requests: DecodedRequest[] = [];
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [fieldNumber, wireType] = reader.tag();
      if (fieldNumber === 1 && wireType === WireType.LengthDelimited) {
        requests.push(decodeRequest(reader.bytes()));
      } else {
        reader.skip(wireType, fieldNumber);
      }
    }
  } catch (error) {
    return { kind: "malformed", problem: problemOf(error) };
  }
  return { kind: "requests", requests };
}

function decodeRequest(bytes: Uint8Array): DecodedRequest {
  try {
    const request = fromBinary(ClientRequestSchema, bytes, withoutUnknownFields);
    return { kind: "request", request };
  } catch (error) {
    return { kind: "unreadable", requestId: findRequestId(bytes), problem: problemOf(error) };
  }
}

/** The request's id, 0 where none is found. Throws where the bytes are no fields at all. */
function findRequestId(bytes: Uint8Array): number {
  const reader = new BinaryReader(bytes);
  let requestId = 0;
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    if (fieldNumber === 1 && wireType === WireType.Varint) requestId = reader.uint32();
    else reader.skip(wireType, fieldNumber);
  }
  return requestId;
}

/** What a decoder's error means to the person who wrote the client. */
export function problemOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /utf-?8/i.test(text) ? "a string is not valid UTF-8" : text;
}
