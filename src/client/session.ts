// One session over one connection: frames, request ids, hello and welcome, signs of life. It ends
// once and does not come back; keeping one alive is link.ts's part, repeating what was not answered
// that of those who asked.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ClientFrameSchema,
  type ClientRequest,
  ClientRequestSchema,
  type Goodbye,
  HelloSchema,
  type Notice,
  PingSchema,
  type Reply,
  type ServerFrame,
  ServerFrameSchema,
  type Welcome,
} from "../proto/gen/chat/v1/api_pb.js";
import type { Event } from "../proto/gen/chat/v1/event_pb.js";
import type { ClientClock } from "./clock.ts";
import type { Connection, ConnectionFactory } from "./connection.ts";
import { codeName, RejectedError, rejectedError } from "./errors.ts";
import { frameBytesTarget, pingWhenIdleMs, sleptMs } from "./limits.ts";
import { RoundTrip } from "./round-trip.ts";
import type { IslandState } from "./types.ts";

/** What may be asked in a frame. */
export type RequestBody = Exclude<ClientRequest["body"], { case: undefined }>;
/** What a frame may answer. */
export type ReplyBody = Reply["body"];
/** Gets the reply to one request; not called when the session ends first. */
export type ReplyHandler = (body: ReplyBody) => void;

/** Why a session is over. */
export type SessionEnd =
  /** The connection broke, never came to be, or the server made no sense or no sound. */
  | { readonly kind: "broken"; readonly reason: string }
  /** The server does not want this hello, or says goodbye. */
  | { readonly kind: "refused"; readonly error: RejectedError }
  /** The log-in session is over, on every server. */
  | { readonly kind: "ended"; readonly error: RejectedError };

/** What a session tells its owner. */
export interface SessionListener {
  /**
   * The server has let the client in: requests may be made. Comes at most once, before any event.
   */
  welcomed(welcome: Welcome): void;
  /**
   * Events in the order of the log, and where a client that has seen them resumes (empty:
   * unchanged).
   */
  received(events: readonly Event[], cursor: Uint8Array): void;
  /** Island mode has begun or ended on the server, or has another size. */
  islandChanged(island: IslandState): void;
  /** The servers of the cluster are others now, or the server names those that stay. */
  serversChanged(addresses: readonly string[]): void;
  /** It is over. Comes at most once, and nothing after it; not after `close()`. */
  ended(end: SessionEnd): void;
}

/** What a session is opened with. */
export interface SessionOptions {
  readonly connect: ConnectionFactory;
  readonly address: string;
  readonly clock: ClientClock;
  readonly token: string;
  /** Where to resume; empty: from now on. */
  readonly cursor: Uint8Array;
  /** Whether events are wanted. */
  readonly subscribe: boolean;
  readonly listener: SessionListener;
}

/** A question that is not answered yet. */
interface OpenRequest {
  readonly handler: ReplyHandler;
  readonly askedMs: number;
  /** Servers answer hellos and pings at once; anything else may take its time. */
  readonly isAnsweredAtOnce: boolean;
}

/** One session. Opens its connection when made. */
export class Session {
  readonly address: string;
  readonly #clock: ClientClock;
  readonly #connection: Connection;
  #listener: SessionListener | undefined;
  /**
   * Open requests by id, oldest first. Each has one reply or the end of the session ahead of it.
   */
  readonly #open = new Map<number, OpenRequest>();
  readonly #roundTrip = new RoundTrip();
  /** Asked in this turn and not sent yet. */
  #unsent: ClientRequest[] = [];
  #flushing = false;
  #lastRequestId = 0;
  /**
   * Until this moment the server had nothing to say or said something: silence counts from here.
   */
  #heardMs: number;
  #checkedMs: number;
  /** Whether this machine's own sleep was taken into account since the server was heard last. */
  #forgivenSleep = false;
  #pinging = false;
  #welcomed = false;
  /** Whether anything but the welcome was ever answered. */
  #useful = false;

  constructor(options: SessionOptions) {
    this.address = options.address;
    this.#clock = options.clock;
    this.#listener = options.listener;
    this.#heardMs = this.#checkedMs = options.clock.monotonicMs();
    this.#connection = options.connect(options.address, {
      opened: () => this.#sayHello(options),
      received: (bytes) => this.#receive(bytes),
      closed: (reason) => this.#end({ kind: "broken", reason }),
    });
  }

  /** Whether the session is over. */
  get over(): boolean {
    return this.#listener === undefined;
  }

  /** Whether the server has answered anything but the hello. */
  get useful(): boolean {
    return this.#useful;
  }

  /**
   * Asks something; all that is asked in one turn goes in one frame. Only between welcome and end.
   */
  request(body: RequestBody, handler: ReplyHandler): void {
    if (this.over) return;
    const askedMs = this.#clock.monotonicMs();
    // Silence before the first question is not the server's fault.
    if (this.#open.size === 0) this.#hear(askedMs);
    const requestId = this.#nextRequestId();
    const isAnsweredAtOnce = body.case === "hello" || body.case === "ping";
    this.#open.set(requestId, { handler, askedMs, isAnsweredAtOnce });
    this.#unsent.push(create(ClientRequestSchema, { requestId, body }));
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.setSoon(() => this.#flush());
  }

  /** To be called every `checkIntervalMs`: finds out whether the server hangs. */
  check(): void {
    if (this.over) return;
    const nowMs = this.#clock.monotonicMs();
    const { hungMs, pingMs } = this.#roundTrip;
    // This machine slept or was busy: what the server said meanwhile may lie unread, so it is asked
    // first. Only once, since a page in the background is woken late each time.
    if (nowMs - this.#checkedMs > sleptMs && !this.#forgivenSleep) {
      this.#heardMs = Math.max(this.#heardMs, nowMs - pingMs);
      this.#forgivenSleep = true;
    }
    this.#checkedMs = nowMs;
    const silentMs = nowMs - this.#heardMs;
    if (this.#open.size > 0 && silentMs >= hungMs) {
      const reason = `the server did not answer for ${Math.round(silentMs)} ms`;
      this.#end({ kind: "broken", reason });
    } else if (silentMs >= (this.#open.size > 0 ? pingMs : pingWhenIdleMs)) {
      this.#ping();
    }
  }

  /** Ends the session without a word to the listener. What was asked in this turn is still sent. */
  close(): void {
    if (this.over) return;
    if (this.#flushing) this.#flush();
    this.#listener = undefined;
    this.#open.clear();
    this.#connection.close();
  }

  /** Ends the session as broken, as if the connection were. */
  fail(reason: string): void {
    this.#end({ kind: "broken", reason });
  }

  #sayHello({ token, cursor, subscribe }: SessionOptions): void {
    const hello = create(HelloSchema, { token, cursor, subscribe });
    this.request({ case: "hello", value: hello }, (body) => this.#handleHelloReply(body));
    this.#flush();
  }

  #handleHelloReply(body: ReplyBody): void {
    if (body.case === "welcome") {
      this.#welcomed = true;
      this.#listener?.welcomed(body.value);
    } else if (body.case === "rejected") {
      const error = rejectedError(body.value);
      this.#end({ kind: error.code === "UNAUTHENTICATED" ? "ended" : "refused", error });
    } else {
      this.#end({ kind: "broken", reason: "the server did not answer the hello with a welcome" });
    }
  }

  #ping(): void {
    if (this.#pinging) return;
    this.#pinging = true;
    this.request({ case: "ping", value: create(PingSchema) }, () => {
      this.#pinging = false;
    });
  }

  #nextRequestId(): number {
    do {
      this.#lastRequestId = this.#lastRequestId === 0xffff_ffff ? 1 : this.#lastRequestId + 1;
    } while (this.#open.has(this.#lastRequestId));
    return this.#lastRequestId;
  }

  #flush(): void {
    if (!this.#flushing) return;
    this.#flushing = false;
    const requests = this.#unsent;
    this.#unsent = [];
    let from = 0;
    let bytes = 0;
    for (let i = 0; i < requests.length; i++) {
      const size = estimateBytes(requests[i] as ClientRequest);
      if (bytes + size > frameBytesTarget && i > from) {
        this.#sendFrame(requests.slice(from, i));
        from = i;
        bytes = 0;
      }
      bytes += size;
    }
    this.#sendFrame(from === 0 ? requests : requests.slice(from));
  }

  #sendFrame(requests: ClientRequest[]): void {
    if (this.over || requests.length === 0) return;
    const frame = create(ClientFrameSchema);
    frame.requests = requests;
    this.#connection.send(toBinary(ClientFrameSchema, frame));
  }

  #receive(bytes: Uint8Array): void {
    if (this.over) return;
    this.#hear(this.#clock.monotonicMs());
    const frame = decodeFrame(bytes);
    if (frame === undefined) {
      this.#end({ kind: "broken", reason: "the server sent a frame that cannot be read" });
      return;
    }
    for (const reply of frame.replies) this.#handleReply(reply);
    // A handler may have ended the session; then the cursor must stay where it was seen last.
    if (!this.over && (frame.events.length > 0 || frame.cursor.length > 0))
      this.#handleEvents(frame);
    for (const notice of frame.notices) this.#handleNotice(notice);
  }

  #hear(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#forgivenSleep = false;
  }

  #handleReply(reply: Reply): void {
    const asked = this.#open.get(reply.requestId);
    if (asked === undefined) return;
    this.#open.delete(reply.requestId);
    const tookMs = this.#heardMs - asked.askedMs;
    if (asked.isAnsweredAtOnce) this.#roundTrip.measure(tookMs);
    else this.#roundTrip.limit(tookMs);
    if (reply.body.case !== "welcome" && reply.body.case !== "rejected") this.#useful = true;
    asked.handler(reply.body);
  }

  #handleEvents(frame: ServerFrame): void {
    this.#listener?.received(frame.events, frame.cursor);
    if (!frame.events.some((event) => event.body.case === "sessionEnded")) return;
    this.#end({ kind: "ended", error: loggedOutError() });
  }

  #handleNotice({ body }: Notice): void {
    if (body.case === "goodbye") {
      this.#handleGoodbye(body.value);
    } else if (body.case === "island") {
      const { open, servers } = body.value;
      this.#listener?.islandChanged({ open, servers: open ? servers : 0 });
    } else if (body.case === "servers") {
      this.#listener?.serversChanged(body.value.addresses);
    }
  }

  #handleGoodbye({ code, message, retryAfterMs }: Goodbye): void {
    const error = new RejectedError({
      code: codeName(code),
      message: message === "" ? "The server said goodbye." : message,
      retryAfterMs,
    });
    // Before the welcome it only says that no hello came in time: what the hello itself is worth,
    // its reply says.
    const ended = this.#welcomed && error.code === "UNAUTHENTICATED";
    this.#end({ kind: ended ? "ended" : "refused", error });
  }

  #end(end: SessionEnd): void {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    this.#open.clear();
    this.#unsent = [];
    this.#connection.close();
    listener.ended(end);
  }
}

/** What callers hear when their log-in session was ended from elsewhere. */
export function loggedOutError(): RejectedError {
  return new RejectedError({
    code: "UNAUTHENTICATED",
    message: "This log-in session was ended. Log in again to go on.",
  });
}

function decodeFrame(bytes: Uint8Array): ServerFrame | undefined {
  try {
    return fromBinary(ServerFrameSchema, bytes);
  } catch {
    return undefined;
  }
}

/**
 * An upper bound, without encoding: three UTF-8 bytes for each UTF-16 unit, and room for all that
 * is short.
 */
function estimateBytes({ body }: ClientRequest): number {
  const fixed = 64 + 3 * roomUnits(body);
  switch (body.case) {
    case "sendMessage":
      return fixed + 3 * body.value.body.length;
    case "hello":
      return fixed + 3 * body.value.token.length + body.value.cursor.length;
    case "createRoom":
      return fixed + 3 * body.value.name.length;
    case "listRooms":
      return fixed + 3 * body.value.afterName.length;
    case "listPeople":
      return fixed + 3 * (body.value.pattern.length + body.value.afterUsername.length);
    default:
      return fixed;
  }
}

function roomUnits(body: ClientRequest["body"]): number {
  switch (body.case) {
    case "sendMessage":
    case "joinRoom":
    case "leaveRoom":
    case "readTimeline":
      return body.value.room?.room.case === "name" ? body.value.room.room.value.length : 0;
    default:
      return 0;
  }
}
