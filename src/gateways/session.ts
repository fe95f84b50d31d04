// One session stream, whatever carries it: takes decoded requests, gives frames of replies and
// events. The first request is the hello; the stream goes live when what the client has missed is
// replayed. Knows no sockets.

import { islandSessionId, type SessionId, type UserId } from "../chat/index.ts";
import type { Timer } from "../io/clock.ts";
import { type ClientRequest, RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { CommandLane, type ReplyBody } from "./commands.ts";
import { leavingRefusal } from "./departure.ts";
import { isRefusal, type Refusal, refuse, webSocketCloseCode } from "./errors.ts";
import {
  type EncodedEvent,
  encodeCursorField,
  encodeNotice,
  encodeReply,
  encodeSent,
  Frame,
  packFrames,
} from "./frames.ts";
import type { Caller, GatewayContext } from "./gateway-context.ts";
import { checkHello } from "./hello.ts";
import type { Hub, Receiver } from "./hub.ts";
import type { QueryDesk } from "./queries.ts";
import type { ReplayDesk } from "./replay.ts";
import type { DecodedRequest } from "./requests.ts";
import type { Tokens } from "./tokens.ts";

/** What carries a session's frames to its client. */
export interface FrameSink {
  /** Hands over one frame, which is not copied and not changed. */
  send(frame: Frame): void;
  /** Bytes handed over that the client's side has not taken yet. */
  queuedBytes(): number;
  /**
   * Ends the stream after what was sent; without an ending, since all is said. Whoever does not
   * take it within `lingerMs` is cut off.
   */
  end(ending: StreamEnding | undefined): void;
}

/** Why a stream ends. */
export interface StreamEnding {
  readonly refusal: Refusal;
  /** WebSocket close code. */
  readonly closeCode: number;
}

/** What sessions share. */
export interface SessionServices {
  readonly context: GatewayContext;
  readonly hub: Hub;
  readonly tokens: Tokens;
  readonly queries: QueryDesk;
  readonly replays: ReplayDesk;
}

/**
 * Serves one session stream. The owner calls `handleClosed` once when the stream is gone, whoever
 * ended it.
 */
export class Session implements Receiver {
  userId: UserId = 0;
  sessionId: SessionId = 0;
  #islandNonce: bigint | undefined;
  readonly #services: SessionServices;
  readonly #sink: FrameSink;
  /** Token that the transport carried, if any. */
  readonly #transportToken: string | undefined;
  readonly #onClosed: () => void;
  readonly #helloTimer: Timer;
  #state: "new" | "greeting" | "open" | "ended" = "new";
  #isDraining = false;
  #hasInputEnded = false;
  #lane: CommandLane | undefined;
  /** Ids of requests that wait for their answer. */
  readonly #open = new Set<number>();
  /** Requests that came behind the hello before it was answered. */
  #behindHello: ClientRequest[] = [];
  #stopReplay: (() => void) | undefined;
  /** Encoded replies and notices. */
  #replies: Uint8Array[] = [];
  /** Replayed events that are sent before any live ones. */
  #replayed: readonly EncodedEvent[] = [];
  /** Position of the last cursor sent; undefined before the first. */
  #sentPosition: number | undefined;
  /** Set once: what the stream ends with at the next flush. */
  #ending: StreamEnding | undefined;

  constructor(
    services: SessionServices,
    sink: FrameSink,
    transportToken: string | undefined,
    onClosed: () => void,
  ) {
    this.#services = services;
    this.#onClosed = onClosed;
    this.#sink = sink;
    this.#transportToken = transportToken;
    const { clock, limits } = services.context;
    this.#helloTimer = clock.setTimer(limits.helloTimeoutMs, () => this.#handleHelloTimeout());
  }

  /**
   * Takes the requests of one frame. More than may be open at once are a mistake, and not cheap to
   * answer.
   */
  handleFrame(requests: readonly DecodedRequest[]): void {
    const max = this.#services.context.limits.requestsInFlightMax;
    if (requests.length > max) {
      const message = `A frame holds ${requests.length} requests; it may hold ${max}.`;
      this.#end(refuse(RejectionCode.TOO_LARGE, message));
      return;
    }
    for (const request of requests) this.#handleRequest(request);
  }

  #handleRequest(decoded: DecodedRequest): void {
    if (this.#state === "ended" || this.#ending !== undefined) return;
    const requestId = decoded.kind === "request" ? decoded.request.requestId : decoded.requestId;
    if (requestId === 0) {
      this.#protocolError("A request has no request_id; it must be above 0.");
    } else if (this.#open.has(requestId)) {
      this.#protocolError(`request_id ${requestId} was used again before it was answered.`);
    } else if (decoded.kind === "unreadable") {
      this.#reject(requestId, invalid(`The request cannot be read: ${decoded.problem}.`));
    } else if (this.#open.size >= this.#services.context.limits.requestsInFlightMax) {
      this.#reject(requestId, this.#tooManyInFlight());
    } else if (this.#isDraining) {
      this.#reject(requestId, this.#leaving());
    } else {
      this.#accept(decoded.request);
    }
  }

  /** Takes what is no frame: the stream ends, since what follows cannot be trusted. */
  handleMalformed(message: string, closeCode?: number): void {
    this.#end(invalid(message), closeCode);
  }

  /** Takes a frame over the limit. */
  handleTooLarge(closeCode?: number): void {
    const max = this.#services.context.limits.frameBytesMax;
    const message = `A frame is over the limit of ${max} bytes.`;
    this.#end(refuse(RejectionCode.TOO_LARGE, message), closeCode);
  }

  /** The client will say no more. Who takes no events is done when what was asked is answered. */
  handleInputEnded(): void {
    this.#hasInputEnded = true;
    this.#maybeFinish();
  }

  /** The stream is gone. */
  handleClosed(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#onClosed();
    this.#helloTimer.cancel();
    this.#stopReplay?.();
    this.#services.hub.remove(this);
    this.#replies = [];
    this.#replayed = [];
    this.#behindHello = [];
  }

  /** Its log-in session was ended, perhaps elsewhere. */
  handleSessionEnded(): void {
    this.#end(refuse(RejectionCode.UNAUTHENTICATED, "This session was ended by a log-out."));
  }

  /** Its session was opened on an island and has no id of its own yet. */
  get isOfIsland(): boolean {
    return this.sessionId === islandSessionId;
  }

  /** Gets the id of a session that an island had opened, or learns that it came to nothing. */
  handleIslandMerged(): void {
    const caller = this.#services.tokens.currentCaller(this.#caller());
    if (isRefusal(caller)) this.handleSessionEnded();
    else this.sessionId = caller.sessionId;
  }

  /** Something is said to everybody. Who is not in yet learns it from its welcome. */
  handleNotice(notice: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#replies.push(notice);
    this.#requestFlush();
  }

  /** Bytes that the client has not taken yet. */
  queuedBytes(): number {
    return this.#sink.queuedBytes();
  }

  /**
   * The server is stopping: takes no more requests and ends as soon as those at hand are answered.
   */
  drain(): void {
    this.#isDraining = true;
    this.#maybeFinish();
  }

  /** The server stops now: nothing that was asked is left without an answer. */
  leave(): void {
    for (const requestId of [...this.#open]) this.#reject(requestId, this.#leaving());
    this.#end(this.#leaving(), goingAway);
  }

  /** Sends everything that has gathered since the last flush, as few frames. */
  flush(): void {
    if (this.#state === "ended") return;
    const { hub, context } = this.#services;
    const run = hub.takeRun(this);
    if (this.#sink.queuedBytes() > context.limits.sessionQueueBytesMax) {
      this.#cutOff();
      return;
    }
    const endPosition = hub.cursorPosition(this);
    if (run !== undefined && this.#replies.length === 0 && this.#replayed.length === 0) {
      for (const frame of hub.sharedFrames(run)) this.#sink.send(frame);
    } else {
      const events = run === undefined ? this.#replayed : [...this.#replayed, ...run.events()];
      if (this.#replies.length > 0 || events.length > 0) this.#sendOwn(events, endPosition);
    }
    this.#sentPosition = endPosition ?? this.#sentPosition;
    if (this.#ending !== undefined) this.#sayGoodbye(this.#ending);
  }

  #sendOwn(events: readonly EncodedEvent[], endPosition: number | undefined): void {
    const { replica, limits } = this.#services.context;
    const frames = packFrames({
      replies: this.#replies,
      events,
      // A cursor that the client has already is not sent again.
      endPosition: endPosition === this.#sentPosition ? undefined : endPosition,
      clusterId: replica.clusterId(),
      frameBytesTarget: limits.frameBytesTarget,
    });
    this.#replies = [];
    this.#replayed = [];
    for (const frame of frames) this.#sink.send(frame);
  }

  #accept(request: ClientRequest): void {
    if (this.#state === "new") {
      this.#open.add(request.requestId);
      if (request.body.case === "hello") {
        void this.#greet(request.requestId, request.body.value);
      } else {
        const first = refuse(RejectionCode.UNAUTHENTICATED, "The first request must be a hello.");
        this.#reject(request.requestId, first);
        this.#end(first);
      }
    } else if (this.#state === "greeting") {
      this.#open.add(request.requestId);
      this.#behindHello.push(request);
    } else {
      this.#open.add(request.requestId);
      this.#serve(request);
    }
  }

  #serve({ requestId, body }: ClientRequest): void {
    const done = (answer: ReplyBody | Refusal) => this.#answer(requestId, answer);
    switch (body.case) {
      case "ping":
        done({ case: "pong", value: {} });
        return;
      case "sendMessage":
      case "createRoom":
      case "joinRoom":
      case "leaveRoom":
        this.#lane?.submit(body, done);
        return;
      case "readTimeline":
      case "listRooms":
      case "listPeople":
        this.#services.queries.submit(this.#caller(), body, done);
        return;
      case "hello":
        done(invalid("This stream has had its hello; open another one to say it again."));
        return;
      default:
        done(invalid("The request has no body that this server knows."));
    }
  }

  async #greet(requestId: number, hello: HelloBody): Promise<void> {
    this.#state = "greeting";
    const token = hello.token === "" ? this.#transportToken : hello.token;
    const greeting = await checkHello(this.#services, hello, token ?? "");
    if (this.#isOver()) return;
    this.#helloTimer.cancel();
    if (isRefusal(greeting)) {
      this.#reject(requestId, greeting);
      this.#end(greeting);
      return;
    }
    this.userId = greeting.caller.userId;
    this.sessionId = greeting.caller.sessionId;
    this.#islandNonce = greeting.caller.islandNonce;
    this.#lane = new CommandLane(this.#services.context, greeting.caller);
    this.#services.hub.add(this);
    // The session may have been ended between the check and the line above.
    // Or have got its own id, as those of islands do.
    const current = this.#services.tokens.currentCaller(greeting.caller);
    if (isRefusal(current)) {
      this.#reject(requestId, current);
      this.#end(current);
      return;
    }
    this.sessionId = current.sessionId;
    if (!hello.subscribe) {
      this.#welcome(requestId, { isRecovered: true, untilPosition: undefined });
    } else if (greeting.afterPosition === undefined) {
      const untilPosition = this.#services.context.replica.appliedPosition();
      this.#welcome(requestId, { isRecovered: !greeting.isBeyondIsland, untilPosition });
    } else {
      this.#replay(requestId, current, greeting.afterPosition);
    }
  }

  #replay(requestId: number, caller: Caller, afterPosition: number): void {
    this.#stopReplay = this.#services.replays.begin(caller, afterPosition, {
      caughtUp: (events, untilPosition) => {
        this.#replayed = events;
        this.#welcome(requestId, { isRecovered: true, untilPosition });
      },
      tooFarBehind: () => {
        const untilPosition = this.#services.context.replica.appliedPosition();
        this.#welcome(requestId, { isRecovered: false, untilPosition });
      },
      sessionEnded: () => this.handleSessionEnded(),
    });
  }

  /** Opens the session. With `untilPosition`, live events after it follow from this moment on. */
  #welcome(
    requestId: number,
    welcome: { isRecovered: boolean; untilPosition: number | undefined },
  ): void {
    if (this.#isOver()) return;
    const { context, hub } = this.#services;
    const { replica, chat, island } = context;
    if (welcome.untilPosition !== undefined) hub.goLive(this, welcome.untilPosition);
    this.#state = "open";
    const person = chat.person(this.userId);
    const position = BigInt(welcome.untilPosition ?? replica.appliedPosition());
    const value = {
      recovered: welcome.isRecovered,
      addresses: replica.clientAddresses(),
      serverId: replica.replicaId(),
      position,
      island: island.islandState().open,
      ...(person && { person }),
    };
    this.#answer(requestId, { case: "welcome", value });
    const waiting = this.#behindHello;
    this.#behindHello = [];
    for (const request of waiting) this.#serve(request);
  }

  #answer(requestId: number, answer: ReplyBody | Refusal): void {
    // What was refused because the server leaves may be answered all the same, too late.
    if (!this.#open.delete(requestId) || this.#state === "ended") return;
    if (isRefusal(answer)) {
      this.#reject(requestId, answer);
    } else {
      this.#replies.push(encodeAnswer(requestId, answer));
      this.#requestFlush();
    }
    this.#maybeFinish();
  }

  #maybeFinish(): void {
    if (this.#open.size > 0 || this.#isOver()) return;
    if (this.#isDraining) {
      this.#end(this.#leaving(), goingAway);
    } else if (this.#hasInputEnded && this.#services.hub.cursorPosition(this) === undefined) {
      this.flush();
      this.#sink.end(undefined);
      this.handleClosed();
    }
  }

  #reject(requestId: number, { code, message, retryAfterMs }: Refusal): void {
    this.#open.delete(requestId);
    const body = { case: "rejected", value: { code, message, retryAfterMs } } as const;
    this.#replies.push(encodeReply({ requestId, body }));
    this.#requestFlush();
    this.#maybeFinish();
  }

  #requestFlush(): void {
    if (this.sessionId === 0) this.#services.context.clock.setSoon(() => this.flush());
    else this.#services.hub.requestFlush(this);
  }

  #protocolError(message: string): void {
    this.#end(invalid(message));
  }

  /** Ends the stream with the next flush, after everything that has gathered by then. */
  #end(refusal: Refusal, closeCode = webSocketCloseCode(refusal.code)): void {
    if (this.#isOver()) return;
    this.#ending = { refusal, closeCode };
    this.#requestFlush();
  }

  #sayGoodbye(ending: StreamEnding): void {
    const { code, message, retryAfterMs } = ending.refusal;
    const { replica } = this.#services.context;
    const parts: Uint8Array[] = [];
    if (ending.closeCode === goingAway) {
      // Where to go on: at any server but this one, which comes first in the list.
      const addresses = replica.clientAddresses().slice(1);
      if (addresses.length > 0) parts.push(encodeNotice({ case: "servers", value: { addresses } }));
    }
    parts.push(encodeNotice({ case: "goodbye", value: { code, message, retryAfterMs } }));
    if (this.#sentPosition !== undefined) {
      parts.push(encodeCursorField(replica.clusterId(), this.#sentPosition));
    }
    this.#sink.send(new Frame(parts));
    this.#sink.end(ending);
    this.handleClosed();
  }

  /**
   * The client does not read: what it has not been sent is dropped, and its last cursor still fits.
   */
  #cutOff(): void {
    const { userId, sessionId } = this;
    this.#services.context.logger.info({ userId, sessionId }, "a slow session was cut off");
    this.#replies = [];
    this.#replayed = [];
    const refusal = refuse(
      RejectionCode.OVERLOADED,
      "This client reads too slowly, so it was cut off. Resume with the cursor.",
      this.#services.context.limits.retryAfterMs,
    );
    this.#sayGoodbye({ refusal, closeCode: webSocketCloseCode(refusal.code) });
  }

  #handleHelloTimeout(): void {
    this.#end(refuse(RejectionCode.UNAUTHENTICATED, "No hello came in time."));
  }

  #tooManyInFlight(): Refusal {
    const { requestsInFlightMax, retryAfterMs } = this.#services.context.limits;
    return refuse(
      RejectionCode.OVERLOADED,
      `${requestsInFlightMax} requests of this session are waiting for their answer already.`,
      retryAfterMs,
    );
  }

  #leaving(): Refusal {
    return leavingRefusal(this.#services.context.limits.retryAfterMs);
  }

  #isOver(): boolean {
    return this.#state === "ended" || this.#ending !== undefined;
  }

  #caller(): Caller {
    const { userId, sessionId } = this;
    const islandNonce = this.#islandNonce;
    return { userId, sessionId, ...(islandNonce !== undefined && { islandNonce }) };
  }
}

/** RFC 6455 §7.4.1: an endpoint is going away, such as a server going down. */
const goingAway = 1001;

function encodeAnswer(requestId: number, body: ReplyBody): Uint8Array {
  if (body.case !== "sendMessage") return encodeReply({ requestId, body });
  const { receipt = {}, roomId = 0, number = 0 } = body.value;
  const { status = 0, position = 0n, disks = 0, repeated = false } = receipt;
  // What is held has neither number nor position.
  if (number === 0) return encodeReply({ requestId, body });
  return encodeSent({ requestId, status, position, disks, repeated, roomId, number });
}

type HelloBody = Extract<ClientRequest["body"], { case: "hello" }>["value"];

function invalid(message: string): Refusal {
  return refuse(RejectionCode.INVALID_ARGUMENT, message);
}
