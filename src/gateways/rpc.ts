// ChatService and AdminService over Connect, gRPC and gRPC-Web: from calls to accounts, commands,
// queries and sessions. Nothing is decided here but who may call; every refusal becomes an error by
// the table in errors.ts.
import {
  ConnectError,
  type ConnectRouter,
  createContextKey,
  type HandlerContext,
} from "@connectrpc/connect";
import { assert } from "../base/assert.ts";
import { ChatService } from "../proto/gen/chat/v1/api_pb.js";
import { AdminService } from "../proto/gen/cluster/v1/admin_pb.js";
import type { Accounts } from "./accounts.ts";
import { CommandLane, type ReplyBody, type WriteRequest } from "./commands.ts";
import { isRefusal, type Refusal, toConnectError } from "./errors.ts";
import type { Caller } from "./gateway-context.ts";
import type { ReadRequest } from "./queries.ts";
import type { FrameSink, Session, SessionServices } from "./session.ts";
import { serveStream } from "./stream-session.ts";
import { bearerToken } from "./tokens.ts";

/** Who is at the other end of a call. */
export interface CallPeer {
  /** IP address. */
  readonly address: string;
  /** Cuts the call without ceremony. */
  destroy(): void;
}

/** Where the HTTP side leaves the peer for the handlers. */
export const callPeerKey = createContextKey<CallPeer>(
  { address: "", destroy() {} },
  { description: "peer of the call" },
);

/** What the handlers call. */
export interface RpcServices extends SessionServices {
  readonly accounts: Accounts;
  readonly openSession: (sink: FrameSink, token: string | undefined) => Session;
}

/** Registers both services. */
export function registerServices(router: ConnectRouter, services: RpcServices): void {
  const { accounts, context } = services;
  const { replica } = context;
  router.service(ChatService, {
    register: (request, call) =>
      answer(call, accounts.register(request, call.values.get(callPeerKey).address)),
    logIn: (request, call) =>
      answer(call, accounts.logIn(request, call.values.get(callPeerKey).address)),
    logOut: (request, call) =>
      answer(
        call,
        authenticated(services, call, (caller) => accounts.logOut(request, caller)),
      ),
    listServers: () => ({ addresses: replica.clientAddresses() }),
    listPeople: (value, call) => read(services, call, { case: "listPeople", value }),
    listRooms: (value, call) => read(services, call, { case: "listRooms", value }),
    readTimeline: (value, call) => read(services, call, { case: "readTimeline", value }),
    createRoom: (value, call) => write(services, call, { case: "createRoom", value }),
    joinRoom: (value, call) => write(services, call, { case: "joinRoom", value }),
    leaveRoom: (value, call) => write(services, call, { case: "leaveRoom", value }),
    sendMessage: (value, call) => write(services, call, { case: "sendMessage", value }),
    session: (requests, call) => {
      const token = bearerToken(call.requestHeader.get("authorization"));
      const { destroy } = call.values.get(callPeerKey);
      return serveStream(context, { requests, signal: call.signal, destroy }, (sink) =>
        services.openSession(sink, token),
      );
    },
  });
  router.service(AdminService, { status: () => replica.status() });
}

type ReplyValue<Case> = NonNullable<Extract<ReplyBody, { case: Case }>["value"]>;

async function read<Case extends ReadRequest["case"]>(
  services: RpcServices,
  call: HandlerContext,
  request: { case: Case; value: ReadRequest["value"] },
): Promise<ReplyValue<Case>> {
  const ask = (caller: Caller) =>
    new Promise<ReplyBody | Refusal>((resolve) =>
      services.queries.submit(caller, request as ReadRequest, resolve),
    );
  const body = await answer(call, authenticated(services, call, ask));
  return replyValue(request.case, body);
}

async function write<Case extends WriteRequest["case"]>(
  services: RpcServices,
  call: HandlerContext,
  request: { case: Case; value: WriteRequest["value"] },
): Promise<ReplyValue<Case>> {
  const ask = (caller: Caller) =>
    new Promise<ReplyBody | Refusal>((resolve) =>
      new CommandLane(services.context, caller).submit(request as WriteRequest, resolve),
    );
  const body = await answer(call, authenticated(services, call, ask));
  return replyValue(request.case, body);
}

/** The body of a session's reply to a request is what the unary call of the same name answers. */
function replyValue<Case>(expected: Case, body: ReplyBody): ReplyValue<Case> {
  assert(body.case === expected, `${expected} was answered with ${body.case}`);
  return body.value as ReplyValue<Case>;
}

async function authenticated<T extends object>(
  services: RpcServices,
  call: HandlerContext,
  work: (caller: Caller) => Promise<T | Refusal>,
): Promise<T | Refusal> {
  const token = bearerToken(call.requestHeader.get("authorization"));
  const caller = await services.tokens.check(token ?? "");
  return isRefusal(caller) ? caller : work(caller);
}

/** The result, or a thrown Connect error for a refusal; no later than the caller's own deadline. */
async function answer<T extends object>(
  call: HandlerContext,
  work: Promise<T | Refusal>,
): Promise<T> {
  const result = await beforeDeadline(call, work);
  if (isRefusal(result)) throw toConnectError(result);
  return result;
}

function beforeDeadline<T>(call: HandlerContext, work: Promise<T>): Promise<T> {
  if (call.timeoutMs() === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const handleAbort = () => reject(ConnectError.from(call.signal.reason));
    if (call.signal.aborted) handleAbort();
    call.signal.addEventListener("abort", handleAbort, { once: true });
    work.then(resolve, reject).finally(() => call.signal.removeEventListener("abort", handleAbort));
  });
}
