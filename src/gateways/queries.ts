// Requests that only read, answered from this server's own copy. Each may ask for "at least this
// position", so that a person who changes servers never travels back in time. Reads take their
// turn, so that none holds up the rest.
import { toBinary } from "@bufbuild/protobuf";
import { assertNever } from "../base/assert.ts";
import { listPage, pageLimit, timelinePage } from "../chat/index.ts";
import { type ClientRequest, RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { type TimelineItem, TimelineItemSchema } from "../proto/gen/chat/v1/event_pb.js";
import type { ReplyBody } from "./commands.ts";
import { isRefusal, type Refusal, refusalOf, refuse } from "./errors.ts";
import type { Caller, GatewayContext } from "./gateway-context.ts";
import type { HeldBoard } from "./held-board.ts";
import { refuseUnsure, roomNameOf } from "./rooms.ts";
import { TurnQueue } from "./turn-queue.ts";
import { waitForRead, waitToRead } from "./waits.ts";

/** A request of a session or a unary call that only reads. */
export type ReadRequest = Extract<
  ClientRequest["body"],
  { case: "readTimeline" | "listRooms" | "listPeople" }
>;

type Answer = ReplyBody | Refusal;

/**
 * Bytes of the items in one page: half a frame. A page cut short is continued by number, since
 * numbers are dense.
 */
const timelinePageBytesMax = 524_288;

/** Answers reads in their turn. */
export class QueryDesk {
  readonly #context: GatewayContext;
  readonly #board: HeldBoard;
  readonly #turns: TurnQueue;

  constructor(context: GatewayContext, board: HeldBoard) {
    this.#context = context;
    this.#board = board;
    const { queryTurnMs, queriesWaitingMax } = context.limits;
    this.#turns = new TurnQueue({
      clock: context.clock,
      turnMs: queryTurnMs,
      waitingMax: queriesWaitingMax,
    });
  }

  /** Takes one read and calls back once, never from inside the call. */
  submit(caller: Caller, request: ReadRequest, done: (answer: Answer) => void): void {
    const position = request.value.atLeastPosition;
    if (position > BigInt(this.#context.replica.appliedPosition())) {
      void this.#submitLater(caller, request, done);
    } else {
      this.#takeTurn(caller, request, done);
    }
  }

  #takeTurn(caller: Caller, request: ReadRequest, done: (answer: Answer) => void): void {
    const isTaken = this.#turns.add(() => {
      const answer = this.#read(caller, request);
      if (isRefusal(answer) && answer.code === RejectionCode.UNKNOWN_ROOM) {
        void this.#lookAgain(caller, request, done);
      } else {
        done(answer);
      }
    });
    if (!isTaken) this.#context.clock.setSoon(() => done(this.#overloaded()));
  }

  async #submitLater(
    caller: Caller,
    request: ReadRequest,
    done: (answer: Answer) => void,
  ): Promise<void> {
    const position = request.value.atLeastPosition;
    if (position > BigInt(Number.MAX_SAFE_INTEGER)) {
      done(refuse(RejectionCode.INVALID_ARGUMENT, "at_least_position is no position of any log."));
      return;
    }
    const behind = await waitToRead(this.#context, Number(position));
    if (behind !== undefined) done(behind);
    else this.#takeTurn(caller, request, done);
  }

  /** A room made a moment ago on another server may not have come here yet. */
  async #lookAgain(
    caller: Caller,
    request: ReadRequest,
    done: (answer: Answer) => void,
  ): Promise<void> {
    const isUpToDate = await waitForRead(this.#context);
    const isTaken = this.#turns.add(() => {
      const answer = this.#read(caller, request);
      const isUnknown = isRefusal(answer) && answer.code === RejectionCode.UNKNOWN_ROOM;
      done(isUnknown && !isUpToDate ? refuseUnsure(this.#context) : answer);
    });
    if (!isTaken) done(this.#overloaded());
  }

  #read(caller: Caller, request: ReadRequest): Answer {
    const context = this.#context;
    switch (request.case) {
      case "readTimeline":
        return readTimeline(context, this.#board, { caller, ask: request.value });
      case "listRooms":
        return listRooms(context, caller, request.value);
      case "listPeople":
        return listPeople(context, request.value);
      default:
        return assertNever(request, "read request");
    }
  }

  #overloaded(): Refusal {
    return refuse(
      RejectionCode.OVERLOADED,
      "Too many reads are waiting on this server. Try again a little later.",
      this.#context.limits.retryAfterMs,
    );
  }
}

function readTimeline(
  context: GatewayContext,
  board: HeldBoard,
  { caller, ask }: { caller: Caller; ask: Extract<ReadRequest, { case: "readTimeline" }>["value"] },
): Answer {
  const room = roomNameOf(ask.room);
  if ("kind" in room) return room;
  const limit = pageLimit(ask.limit, timelinePage);
  if (typeof limit !== "number") return refusalOf(limit);
  const { beforeNumber, afterNumber } = ask;
  const page = context.chat.readTimeline(caller.userId, { room, beforeNumber, afterNumber, limit });
  if ("kind" in page) return refusalOf(page);
  const items = cutToBytes(page.items, afterNumber > 0 ? "oldest" : "newest");
  const isNewest = beforeNumber === 0 && afterNumber === 0;
  const held = isNewest ? board.ofRoom(caller.userId, page.room.roomId, timelinePageBytesMax) : [];
  const setAside = [...page.setAside];
  const position = here(context);
  return { case: "readTimeline", value: { room: page.room, items, position, held, setAside } };
}

function listRooms(
  context: GatewayContext,
  caller: Caller,
  ask: Extract<ReadRequest, { case: "listRooms" }>["value"],
): Answer {
  const limit = pageLimit(ask.limit, listPage);
  if (typeof limit !== "number") return refusalOf(limit);
  const { joinedOnly, afterName } = ask;
  const page = context.chat.listRooms(caller.userId, { joinedOnly, afterName, limit });
  const value = { rooms: [...page.items], more: page.more, position: here(context) };
  return { case: "listRooms", value };
}

function listPeople(
  context: GatewayContext,
  ask: Extract<ReadRequest, { case: "listPeople" }>["value"],
): Answer {
  const limit = pageLimit(ask.limit, listPage);
  if (typeof limit !== "number") return refusalOf(limit);
  const { pattern, afterUsername } = ask;
  const page = context.chat.listPeople({ pattern, afterUsername, limit });
  if ("kind" in page) return refusalOf(page);
  const value = { people: [...page.items], more: page.more, position: here(context) };
  return { case: "listPeople", value };
}

function here(context: GatewayContext): bigint {
  return BigInt(context.replica.appliedPosition());
}

/**
 * As many items as a page may hold bytes, at least one, from the end that the reader begins with.
 */
function cutToBytes(items: readonly TimelineItem[], keep: "oldest" | "newest"): TimelineItem[] {
  const ordered = keep === "oldest" ? items : items.toReversed();
  let bytes = 0;
  let count = 0;
  for (const item of ordered) {
    // Bodies are all that can be long; measuring exactly is only needed where they might not fit.
    bytes += toBinary(TimelineItemSchema, item).length;
    if (count > 0 && bytes > timelinePageBytesMax) break;
    count += 1;
  }
  const kept = ordered.slice(0, count);
  return keep === "oldest" ? kept : kept.reverse();
}
