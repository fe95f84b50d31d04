// ChatService over Connect, gRPC and gRPC-Web: from calls to accounts, commands, queries and
// sessions. Nothing is decided here but who may call; every refusal becomes an error by the table
// in errors.ts.
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { assert } from "../base/assert.ts";
import { ChatService } from "../proto/gen/chat/v1/api_pb.js";
import type { Accounts } from "./accounts.ts";
import { type AdminServices, registerAdminService } from "./admin-rpc.ts";
import { answerCall, callPeerKey } from "./calls.ts";
import { CommandLane, type ReplyBody, type WriteRequest } from "./commands.ts";
import { isRefusal, type Refusal } from "./errors.ts";
import type { Caller } from "./gateway-context.ts";
import type { ReadRequest } from "./queries.ts";
import type { FrameSink, Session, SessionServices } from "./session.ts";
import { serveStream } from "./stream-session.ts";
import { bearerToken } from "./tokens.ts";

/** What the handlers call. */
export interface RpcServices extends SessionServices, AdminServices {
  readonly accounts: Accounts;
  readonly openSession: (sink: FrameSink, token: string | undefined) => Session;
}

/** Registers both services. */
export function registerServices(router: ConnectRouter, services: RpcServices): void {
  const { accounts, context } = services;
  const { replica } = context;
  const answer = <T extends object>(call: HandlerContext, work: () => Promise<T | Refusal>) =>
    answerCall(services, call, work);
  router.service(ChatService, {
    register: (request, call) =>
      answer(call, () => accounts.register(request, call.values.get(callPeerKey).address)),
    logIn: (request, call) =>
      answer(call, () => accounts.logIn(request, call.values.get(callPeerKey).address)),
    logOut: (request, call) =>
      answer(call, () =>
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
  registerAdminService(router, services);
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
  const body = await answerCall(services, call, () => authenticated(services, call, ask));
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
  const body = await answerCall(services, call, () => authenticated(services, call, ask));
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
