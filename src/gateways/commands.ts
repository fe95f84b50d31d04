// From requests that change something to commands in the log, and from outcomes back to answers.
// Says nothing of how requests come in; decides nothing that the state machine decides, but refuses
// early what it would refuse anyway.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { assert } from "../base/assert.ts";
import type { Accepted, ChatOutcome, Rejection, SessionId } from "../chat/index.ts";
import { checkBody, checkRoomName, commandIdBytes, islandSessionId } from "../chat/index.ts";
import {
  type ClientRequest,
  RejectionCode,
  type ReplySchema,
  type WriteReceiptSchema,
  WriteStatus,
} from "../proto/gen/chat/v1/api_pb.js";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import type { ProposalAnswer } from "../replica/index.ts";
import { isRefusal, type Refusal, refusalOf, refuse } from "./errors.ts";
import type { Caller, GatewayContext } from "./gateway-context.ts";
import { encodeSendMessage } from "./hot-encoding.ts";
import { findRoomAnywhere, findRoomHere } from "./rooms.ts";

/** A request of a session or a unary call that changes something. */
export type WriteRequest = Extract<
  ClientRequest["body"],
  { case: "sendMessage" | "createRoom" | "joinRoom" | "leaveRoom" }
>;

/** The body of a reply, in the form that protobuf-es makes messages from. */
export type ReplyBody = NonNullable<MessageInitShape<typeof ReplySchema>["body"]>;

/** An accepted command with its receipt. */
export interface AcceptedWrite {
  readonly kind: "accepted";
  readonly answer: Accepted;
  readonly receipt: MessageInitShape<typeof WriteReceiptSchema>;
  readonly position: number;
}

/** A command that an island holds: it has no outcome yet. */
export interface HeldWrite {
  readonly kind: "held";
  readonly receipt: MessageInitShape<typeof WriteReceiptSchema>;
}

/** What became of a command. */
export type WriteResult = AcceptedWrite | HeldWrite | Refusal;

/** The client's command id, or one drawn here where it gave none. */
export function commandIdOf(context: GatewayContext, given: Uint8Array): Uint8Array | Refusal {
  if (given.length === commandIdBytes) return given;
  if (given.length === 0) return context.randomBytes(commandIdBytes);
  return refuse(
    RejectionCode.INVALID_ARGUMENT,
    `command_id has ${given.length} bytes; it must have ${commandIdBytes}, as a UUID has, or none.`,
  );
}

/** Proposes one command and calls back once with what became of it. */
export function propose(
  context: GatewayContext,
  command: MessageInitShape<typeof CommandSchema>,
  done: (result: WriteResult) => void,
): void {
  proposeBytes(context, toBinary(CommandSchema, create(CommandSchema, command)), done);
}

function proposeBytes(
  context: GatewayContext,
  command: Uint8Array,
  done: (result: WriteResult) => void,
): void {
  context.replica.propose(command, (answer) => done(readAnswer(context, answer)));
}

function readAnswer(context: GatewayContext, answer: ProposalAnswer<ChatOutcome>): WriteResult {
  if (answer.kind === "overloaded") {
    return refuse(
      RejectionCode.OVERLOADED,
      "Too much is under way on this server. Nothing has changed; try again a little later.",
      answer.retryAfterMs,
    );
  }
  if (answer.kind === "unavailable") {
    return refuse(RejectionCode.UNAVAILABLE, answer.message, context.limits.retryAfterMs);
  }
  if (answer.kind === "held") {
    const receipt = { status: WriteStatus.HELD, position: 0n, disks: answer.disks };
    return { kind: "held", receipt };
  }
  const { outcome } = answer;
  // A repeated command that was applied before the island: on how many disks it is cannot be asked
  // now, but it is on this one.
  const disks = answer.kind === "applied" ? answer.disks : 1;
  if (outcome.kind === "rejected") return refuse(outcome.code, outcome.message);
  const { position, repeated } = outcome;
  const receipt = { status: WriteStatus.STORED, position: BigInt(position), disks, repeated };
  return { kind: "accepted", answer: outcome.answer, receipt, position };
}

/**
 * The writes of one caller. Those handed in one after the other reach the log in this order: where
 * one must wait to learn which room a name means, the later ones wait behind it. The caller bounds
 * how many it hands in.
 */
export class CommandLane {
  readonly #context: GatewayContext;
  readonly #caller: Caller;
  readonly #queue: { request: WriteRequest; done: WriteDone }[] = [];
  #isWaiting = false;

  constructor(context: GatewayContext, caller: Caller) {
    this.#context = context;
    this.#caller = caller;
  }

  /** Takes one request and calls back once, never from inside the call. */
  submit(request: WriteRequest, done: WriteDone): void {
    if (this.#isWaiting) this.#queue.push({ request, done });
    else this.#start(request, done);
  }

  #start(request: WriteRequest, done: WriteDone): void {
    const malformed = checkForm(request);
    if (malformed !== undefined) {
      this.#refuse(malformed, done);
      return;
    }
    if (request.case === "createRoom") {
      const { commandId, name } = request.value;
      this.#propose(commandId, { case: "createRoom", value: { name } }, done);
      return;
    }
    const roomId = findRoomHere(this.#context, this.#caller, request.value.room);
    if (typeof roomId === "number") {
      this.#proposeInRoom(request, roomId, done);
    } else if (roomId === "perhapsElsewhere") {
      this.#lookAgain(request, done);
    } else {
      this.#refuse(roomId, done);
    }
  }

  /** A room made a moment ago on another server may not have come here yet. */
  #lookAgain(request: Exclude<WriteRequest, { case: "createRoom" }>, done: WriteDone): void {
    this.#isWaiting = true;
    void findRoomAnywhere(this.#context, this.#caller, request.value.room).then((roomId) => {
      if (typeof roomId === "number") this.#proposeInRoom(request, roomId, done);
      else done(roomId);
      this.#isWaiting = false;
      while (this.#queue.length > 0 && !this.#isWaiting) {
        const next = this.#queue.shift();
        if (next !== undefined) this.#start(next.request, next.done);
      }
    });
  }

  #proposeInRoom(
    request: Exclude<WriteRequest, { case: "createRoom" }>,
    roomId: number,
    done: WriteDone,
  ): void {
    const { commandId } = request.value;
    if (request.case === "sendMessage") {
      this.#proposeMessage(commandId, { roomId, body: request.value.body }, done);
    } else {
      this.#propose(commandId, { case: request.case, value: { roomId } }, done);
    }
  }

  #proposeMessage(
    givenId: Uint8Array,
    message: { roomId: number; body: string },
    done: WriteDone,
  ): void {
    const id = commandIdOf(this.#context, givenId);
    if (isRefusal(id)) {
      this.#refuse(id, done);
      return;
    }
    const author = this.#author();
    const command = encodeSendMessage({ id, ...author, ...message });
    proposeBytes(this.#context, command, (result) => {
      if (result.kind === "held") {
        const { receipt } = result;
        done({ case: "sendMessage", value: { receipt, roomId: message.roomId, number: 0 } });
      } else {
        this.#answer(result, author.sessionId, done);
      }
    });
  }

  #propose(
    givenId: Uint8Array,
    body: NonNullable<MessageInitShape<typeof CommandSchema>["body"]>,
    done: WriteDone,
  ): void {
    const id = commandIdOf(this.#context, givenId);
    if (isRefusal(id)) {
      this.#refuse(id, done);
      return;
    }
    const author = this.#author();
    propose(this.#context, { id, ...author, body }, (result) => {
      assert(result.kind !== "held", `an island holds a ${body.case}, which has no answer`);
      this.#answer(result, author.sessionId, done);
    });
  }

  /** A log-in of an island gets its session's id while it is used. */
  #author(): { readonly userId: number; readonly sessionId: number } {
    const { userId, sessionId, islandNonce } = this.#caller;
    if (islandNonce === undefined) return { userId, sessionId };
    const merged = this.#context.chat.sessionByIslandNonce(islandNonce);
    return { userId, sessionId: merged ?? sessionId };
  }

  #answer(result: AcceptedWrite | Refusal, sessionId: number, done: WriteDone): void {
    if (result.kind === "accepted") {
      done(this.#reply(result));
    } else if (
      result.code === RejectionCode.UNAUTHENTICATED &&
      sessionId === (islandSessionId as SessionId)
    ) {
      // It reached the log before the log-in that it came through. That spends no id.
      const message = "Your log-in is still being merged. Try again.";
      done(refuse(RejectionCode.UNAVAILABLE, message, this.#context.limits.retryAfterMs));
    } else {
      done(result);
    }
  }

  #refuse(refusal: Refusal, done: WriteDone): void {
    this.#context.clock.setSoon(() => done(refusal));
  }

  #reply({ answer, receipt }: AcceptedWrite): ReplyBody {
    switch (answer.kind) {
      case "sent":
        return {
          case: "sendMessage",
          value: { receipt, roomId: answer.roomId, number: answer.number },
        };
      case "roomCreated":
        return { case: "createRoom", value: { receipt, ...this.#room(answer.roomId) } };
      case "joined":
        return { case: "joinRoom", value: { receipt, ...this.#room(answer.roomId) } };
      case "left":
        return { case: "leaveRoom", value: { receipt } };
      default:
        assert(false, `a session's command was answered with ${answer.kind}`);
    }
  }

  #room(roomId: number) {
    const room = this.#context.chat.findRoom(this.#caller.userId, { roomId });
    return room.kind === "rejected" ? {} : { room };
  }
}

/** Refuses early what the state machine would refuse by its form alone. */
function checkForm(request: WriteRequest): Refusal | undefined {
  let malformed: Rejection | undefined;
  if (request.case === "createRoom") malformed = checkRoomName(request.value.name);
  else if (request.case === "sendMessage") malformed = checkBody(request.value.body);
  return malformed && refusalOf(malformed);
}

type WriteDone = (result: ReplyBody | Refusal) => void;
