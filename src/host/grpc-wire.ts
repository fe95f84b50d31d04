// gRPC over HTTP/2 as far as PeerService.Exchange needs it: envelopes of a five-byte prefix and a
// Protobuf message, a status in the trailers. Written on node:http2 since the way through
// connect-es takes more than twice as long for a round trip; its client and server understand these
// bytes, and a test sees to it. No compression, no deadlines.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { PeerEnvelopeSchema, PeerService } from "../proto/gen/cluster/v1/peer_pb.js";

/** The HTTP path of PeerService.Exchange. */
export const exchangePath = `/${PeerService.typeName}/${PeerService.method.exchange.name}`;

/** The content type of both directions. */
export const grpcContentType = "application/grpc+proto";

/** How a call ended, by gRPC's codes. */
export interface GrpcStatus {
  readonly code: Code;
  readonly message: string;
}

/** One flag byte, always 0 here (not compressed), and four of length, big end first. */
const prefixBytes = 5;

/** Tag and length of PeerEnvelope.payload: one byte and up to five. */
const payloadHeadBytesMax = 6;

/** Longest status message that is sent, in UTF-16 units; header lists are bounded. */
const messageLengthMax = 1000;

/** Field 1 of PeerEnvelope, with a length. */
const payloadTag = 0x0a;

/**
 * Wraps bytes as one gRPC message that holds a PeerEnvelope. The bytes are copied, once: large
 * buffers that are dropped at once make the collector run over everything else, too.
 */
export function encodeEnvelope(payload: Uint8Array): Uint8Array {
  const head = payload.length === 0 ? [] : [payloadTag, ...varint(payload.length)];
  const bytes = new Uint8Array(prefixBytes + head.length + payload.length);
  new DataView(bytes.buffer).setUint32(1, head.length + payload.length);
  bytes.set(head, prefixBytes);
  bytes.set(payload, prefixBytes + head.length);
  return bytes;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}

/** Takes gRPC messages out of the chunks of a stream. */
export class EnvelopeReader {
  #messageBytesMax: number;
  #chunks: Uint8Array[] = [];
  /** Invariant: the sum of the lengths of #chunks. */
  #bytes = 0;
  /**
   * Length of the message that is arriving, without its prefix; undefined until the prefix is
   * there.
   */
  #messageBytes: number | undefined;

  /** `payloadBytesMax`: a longer payload is an error before it is read. */
  constructor(payloadBytesMax: number) {
    this.#messageBytesMax = payloadBytesMax + payloadHeadBytesMax;
  }

  /** Sets another bound for the messages that have not begun. */
  setPayloadBytesMax(payloadBytesMax: number): void {
    this.#messageBytesMax = payloadBytesMax + payloadHeadBytesMax;
  }

  /** Adds what arrived. */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /**
   * The next payload in memory of its own; undefined until all of it has arrived. A status where
   * the bytes are no envelope or one that is too large: there is no reading on after that.
   */
  next(): { readonly payload: Uint8Array } | { readonly error: GrpcStatus } | undefined {
    if (this.#messageBytes === undefined) {
      if (this.#bytes < prefixBytes) return undefined;
      const prefix = this.#take(prefixBytes);
      this.#messageBytes = new DataView(prefix.buffer).getUint32(1);
      if (prefix[0] !== 0) return failure(Code.Unimplemented, "compressed or unknown gRPC message");
      if (this.#messageBytes > this.#messageBytesMax) {
        const sizes = `${this.#messageBytes} bytes, at most ${this.#messageBytesMax} are allowed`;
        return failure(Code.ResourceExhausted, `frame is too large: ${sizes}`);
      }
    }
    if (this.#bytes < this.#messageBytes) return undefined;
    const message = this.#take(this.#messageBytes);
    this.#messageBytes = undefined;
    try {
      return { payload: fromBinary(PeerEnvelopeSchema, message).payload };
    } catch {
      return failure(Code.InvalidArgument, "not a PeerEnvelope");
    }
  }

  /**
   * Copies `length` bytes off the front, which must be there: chunks belong to larger buffers of
   * the socket.
   */
  #take(length: number): Uint8Array<ArrayBuffer> {
    const taken = new Uint8Array(length);
    let filled = 0;
    let used = 0;
    while (filled < length) {
      const chunk = this.#chunks[used]!;
      const part = chunk.subarray(0, length - filled);
      taken.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) used += 1;
      else this.#chunks[used] = chunk.subarray(part.length);
    }
    this.#chunks.splice(0, used);
    this.#bytes -= length;
    return taken;
  }
}

/** The headers or trailers that carry a status. */
export function encodeStatus(status: GrpcStatus): OutgoingHttpHeaders {
  const message = status.message.slice(0, messageLengthMax).toWellFormed();
  return { "grpc-status": String(status.code), "grpc-message": encodeURIComponent(message) };
}

/**
 * The status in headers or trailers, or undefined where there is none. Code 0, "OK", counts as
 * Unknown.
 */
export function decodeStatus(headers: IncomingHttpHeaders): GrpcStatus | undefined {
  const code = headers["grpc-status"];
  if (typeof code !== "string") return undefined;
  const message = headers["grpc-message"];
  return {
    code: Number(code) in Code ? Number(code) : Code.Unknown,
    message: typeof message === "string" ? decodePercent(message) : "ended without a reason",
  };
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function failure(code: Code, message: string): { readonly error: GrpcStatus } {
  return { error: { code, message } };
}
