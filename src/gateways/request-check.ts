// Looks at the bytes of single requests before connect-es decodes them, since connect-es answers
// "internal error" to undecodable Protobuf, replaces invalid UTF-8 in JSON by U+FFFD, and gives
// errors without a detail. Session streams are not checked here: their frames are decoded in
// session code, which answers for itself.
import { type DescMethod, fromBinary } from "@bufbuild/protobuf";
import { decodeUtf8 } from "../base/bytes.ts";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { refuse, toConnectError } from "./errors.ts";
import { problemOf } from "./requests.ts";

/** Bytes before each message in gRPC, gRPC-Web and streaming Connect: flags and a 32-bit length. */
const envelopeHeadBytes = 5;

/**
 * The body as it came, or a refusal thrown as a Connect error where it is too large or not
 * decodable.
 */
export async function* checkBody(
  body: AsyncIterable<Uint8Array>,
  expected: {
    readonly method: DescMethod;
    readonly contentType: string;
    readonly bytesMax: number;
  },
): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    // The rest is not read: who sends this much does not listen either.
    if (bytes > expected.bytesMax + envelopeHeadBytes) throw tooLarge(expected.bytesMax);
    chunks.push(chunk);
  }
  const whole = Buffer.concat(chunks, bytes);
  const isEnveloped = /^application\/(grpc|connect\+)/.test(expected.contentType);
  const isJson = /[/+]json\b/.test(expected.contentType);
  const message = isEnveloped ? openEnvelope(whole) : whole;
  if (message !== undefined) checkMessage(message, expected.method, isJson ? "json" : "binary");
  yield whole;
}

/** Refuses a Connect GET request whose query is not valid UTF-8 or holds an undecodable message. */
export function checkQuery(url: string, method: DescMethod): void {
  const query = url.slice(url.indexOf("?") + 1);
  try {
    decodeURIComponent(query);
  } catch {
    throw invalid("the query is not valid UTF-8");
  }
  const parameters = new URLSearchParams(query);
  const text = parameters.get("message") ?? "";
  const message = Buffer.from(text, parameters.get("base64") === "1" ? "base64url" : "utf8");
  checkMessage(message, method, parameters.get("encoding") === "proto" ? "binary" : "json");
}

function checkMessage(message: Uint8Array, method: DescMethod, encoding: "json" | "binary"): void {
  if (encoding === "json") {
    if (decodeUtf8(message) === undefined) throw invalid("the JSON is not valid UTF-8");
    return;
  }
  try {
    fromBinary(method.input, message);
  } catch (error) {
    throw invalid(problemOf(error));
  }
}

/**
 * The message of the only envelope; undefined where connect-es will find the envelope itself
 * wanting.
 */
function openEnvelope(body: Buffer): Buffer | undefined {
  if (body.length < envelopeHeadBytes || body[0] !== 0) return undefined;
  const length = body.readUInt32BE(1);
  return body.length === envelopeHeadBytes + length ? body.subarray(envelopeHeadBytes) : undefined;
}

function invalid(problem: string): Error {
  return toConnectError(
    refuse(RejectionCode.INVALID_ARGUMENT, `The request cannot be read: ${problem}.`),
  );
}

function tooLarge(bytesMax: number): Error {
  const message = `The request is over the limit of ${bytesMax} bytes.`;
  return toConnectError(refuse(RejectionCode.TOO_LARGE, message));
}
