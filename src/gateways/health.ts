// The answers that need no account and no RPC: is the process up, can it serve, what is this, and a
// 404 that helps. Shows nothing of any conversation.
import type { ServerResponse } from "node:http";
import type { NodeRequest, NodeResponse } from "./http-handler.ts";

const indexText = `Holdfast: team chat that stays up. This is a server's client port.

  GET  /livez      200 while the process is up
  GET  /readyz     200 when this server can serve, otherwise 503 with the reason
  POST /chat.v1.ChatService/<method>       the API, as JSON, Connect, gRPC or gRPC-Web
  POST /cluster.v1.AdminService/Status     the state of all servers, with the body {}
  WS   /session    the session stream: binary messages, each a chat.v1.ClientFrame

  curl -H 'content-type: application/json' -d '{}' http://<host:port>/cluster.v1.AdminService/Status
`;

/** Answers everything that is no RPC. */
export function answerPlain(
  path: string,
  request: NodeRequest,
  nodeResponse: NodeResponse,
  readiness: () => { readonly ready: boolean; readonly reason: string },
): void {
  const response = nodeResponse as ServerResponse;
  const isKnown = path === "/" || path === "/livez" || path === "/readyz" || path === "/session";
  if (!isKnown) {
    sendText(response, 404, `Nothing is at ${printable(path)}. See / for what there is.\n`);
  } else if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    sendText(response, 405, `${path} takes GET and HEAD only.\n`);
  } else if (path === "/") {
    sendText(response, 200, indexText);
  } else if (path === "/livez") {
    sendJson(response, 200, { live: true });
  } else if (path === "/readyz") {
    const { ready, reason } = readiness();
    sendJson(response, ready ? 200 : 503, { ready, reason });
  } else {
    response.setHeader("upgrade", "websocket");
    sendText(response, 426, "/session is a WebSocket: ask for an upgrade (RFC 6455).\n");
  }
}

/** A path as it may be shown: no control characters, not endless. */
function printable(path: string): string {
  return path.replace(/[^\x21-\x7e]/g, "?").slice(0, 200);
}

function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, "text/plain; charset=utf-8", text);
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  send(response, status, "application/json", `${JSON.stringify(value)}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  // Node itself leaves the body out where the request was HEAD.
  response.end(body);
}
