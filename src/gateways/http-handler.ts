// What one HTTP request gets, over HTTP/1.1 or HTTP/2: an RPC, a health answer, the index, or a
// clear 404. Carries requests between Node and connect-es; a request that connect-es cannot even
// begin with never takes the server down.
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import {
  Code,
  ConnectError,
  type ContextValues,
  createConnectRouter,
  createContextValues,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { callPeerKey } from "./calls.ts";
import type { GatewayContext } from "./gateway-context.ts";
import { answerPlain } from "./health.ts";
import { checkBody, checkQuery } from "./request-check.ts";
import { type RpcServices, registerServices } from "./rpc.ts";

/** A request of either version. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;
/** A response of either version. */
export type NodeResponse = ServerResponse | Http2ServerResponse;

/**
 * Messages to clients may be this much larger than messages from them: JSON writes more than
 * Protobuf.
 */
const responseBytesFactor = 4;

/** Makes the function that answers requests. `readiness` is asked for each /readyz. */
export function createHttpHandler(
  services: RpcServices,
  readiness: () => { readonly ready: boolean; readonly reason: string },
): (request: NodeRequest, response: NodeResponse) => void {
  const { context } = services;
  const handlers = createRpcHandlers(services);
  return (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (handler === undefined) {
      answerPlain(path, request, response, readiness);
      return;
    }
    closeWhenAnswered(request, response);
    answerRpc(context, handler, request, response).catch((error: unknown) => {
      const { code, rawMessage } = ConnectError.from(error);
      const level = code === Code.Internal || code === Code.Unknown ? "warn" : "debug";
      context.logger[level]({ path, error: rawMessage, code: Code[code] }, "a call broke off");
      if (!response.headersSent) failPlainly(response, 400, `${rawMessage}\n`);
    });
  };
}

function createRpcHandlers(services: RpcServices): Map<string, UniversalHandler> {
  const { frameBytesMax } = services.context.limits;
  const router = createConnectRouter({
    // Not worth a processor on a local network, and what cannot be decompressed cannot be a bomb.
    acceptCompression: [],
    readMaxBytes: frameBytesMax,
    writeMaxBytes: frameBytesMax * responseBytesFactor,
  });
  registerServices(router, services);
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

async function answerRpc(
  context: GatewayContext,
  handler: UniversalHandler,
  request: NodeRequest,
  response: NodeResponse,
): Promise<void> {
  const values = contextValuesOf(request);
  const universal = universalRequestFromNodeRequest(
    request as IncomingMessage,
    response as ServerResponse,
    undefined,
    values,
  );
  // By itself the body would be destroyed, and the answer with it, when its reader gives up before
  // its end.
  const body: AsyncIterable<Uint8Array> = request.iterator({ destroyOnReturn: false });
  const plain = { ...universal, body };
  const contentType = (plain.header.get("content-type") ?? "").toLowerCase();
  if (handler.method.methodKind === "bidi_streaming") {
    // Frames are Protobuf; JSON could not be joined, and unary calls take JSON.
    if (contentType.endsWith("json")) failPlainly(response, 415, sessionNeedsProtobuf);
    else await universalResponseToNodeResponse(await handler(plain), response as ServerResponse);
    return;
  }
  const checked = checkedBody(context, handler, plain, contentType);
  const answered = await handler({ ...plain, body: checked });
  await universalResponseToNodeResponse(answered, response as ServerResponse);
}

/**
 * A client that is answered before it has said all goes on talking: over HTTP/2 it is asked to stop
 * (RFC 9113 §8.1), over HTTP/1.1 the rest is read and dropped, within the time that a request has.
 */
function closeWhenAnswered(request: NodeRequest, response: NodeResponse): void {
  if (!("stream" in request)) {
    response.once("finish", () => request.resume());
    return;
  }
  const { stream } = request;
  // Heard after Node itself has sent the trailers, with which an answer ends.
  stream.once("wantTrailers", () =>
    setImmediate(() => {
      if (!request.complete) stream.close(constants.NGHTTP2_NO_ERROR);
    }),
  );
}

type UniversalRequest = ReturnType<typeof universalRequestFromNodeRequest> & {
  readonly body: AsyncIterable<Uint8Array>;
};

function checkedBody(
  context: GatewayContext,
  handler: UniversalHandler,
  request: UniversalRequest,
  contentType: string,
): AsyncIterable<Uint8Array> {
  const expected = {
    method: handler.method,
    contentType,
    bytesMax: context.limits.frameBytesMax,
  };
  // Otherwise connect-es refuses a long body by its header, without a detail, before checkBody sees
  // it.
  request.header.delete("content-length");
  if (request.method === "GET") checkQuery(request.url, handler.method);
  return checkBody(request.body, expected);
}

function contextValuesOf(request: NodeRequest): ContextValues {
  return createContextValues().set(callPeerKey, {
    address: request.socket.remoteAddress ?? "",
    destroy: () => {
      if ("stream" in request) request.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      else request.destroy();
    },
  });
}

const sessionNeedsProtobuf =
  "The session stream speaks Protobuf only: application/grpc, application/grpc-web+proto or " +
  "application/connect+proto over HTTP/2, or a WebSocket at /session. Unary calls take JSON.\n";

function failPlainly(response: NodeResponse, status: number, text: string): void {
  const plain = response as ServerResponse;
  plain.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  plain.end(text);
}
