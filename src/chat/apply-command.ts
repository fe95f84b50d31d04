// The steps that every command goes through, in one order: form of the envelope, repetition,
// session, form of the body, rights, change. Total: whatever the bytes are, the answer is an
// outcome; a throw from here is a bug.
import type { Command, MergeHeld } from "../proto/gen/chat/v1/command_pb.js";
import { decodeCommand } from "./command-bytes.ts";
import { type Content, recall, remember, rememberRefusal } from "./command-ids.ts";
import type { CommandHandler, CommandResult } from "./commands/command.ts";
import { commandHandlers } from "./commands/index.ts";
import { heldLogIn, mergeMessage } from "./commands/merge-held.ts";
import type { Author, Context, Moment } from "./context.ts";
import { isRejection, refused } from "./rejections.ts";
import { refuseSession } from "./sessions.ts";
import type { ChatEvent, ChatOutcome, Rejection, UserId } from "./types.ts";
import { checkCommandId } from "./validation.ts";

const noEvents: readonly ChatEvent[] = [];

/** Applies one encoded command. Must run within the transaction of its call. */
export function applyCommand(context: Context, encoded: Uint8Array, moment: Moment): CommandResult {
  const command = decodeCommand(encoded);
  if (command === undefined) return without(refused.badCommand);
  const badId = checkCommandId(command.id);
  if (badId !== undefined) return without(badId);
  if (command.body.case === undefined) return without(refused.noCommandBody);
  if (command.body.case === "mergeHeld") {
    return applyMerge(context, command, { merge: command.body.value, moment });
  }
  const handler: CommandHandler<never> = commandHandlers[command.body.case];
  return applyBody(context, command, { handler, body: command.body.value as never, moment });
}

function applyBody<Body>(
  context: Context,
  command: Command,
  step: { readonly handler: CommandHandler<Body>; readonly body: Body; readonly moment: Moment },
): CommandResult {
  const { handler, body, moment } = step;
  const claim = claimOf(handler, command, body);
  if (isRejection(claim)) return without(claim);
  const { userId, content } = claim;
  const { position, timestampMs } = moment;
  const author: Author = { userId, commandId: command.id, position, timestampMs };

  // Before the session and the rights: a retry must get the first's answer also when they have
  // changed since, as they have after CloseSession itself (SPEC.md ID3).
  const first = recall(context, author, content);
  if (first !== undefined) return without(first);

  // Spends no id: another session may follow, through which the same command comes again.
  const sessionEnded =
    handler.scopeBeforeLogIn === undefined ? refuseSession(context.state, command) : undefined;
  if (sessionEnded !== undefined) return without(sessionEnded);
  const refusal = handler.validate(body) ?? handler.authorize(context, author, body);
  if (refusal !== undefined) {
    rememberRefusal(context, author, refusal);
    return without(refusal);
  }

  const { answer, events, doneBefore } = handler.apply(context, author, body);
  if (doneBefore !== undefined) {
    return without({ kind: "accepted", answer, position: doneBefore, repeated: true });
  }
  if (content.kind === "other") {
    remember(context, author, { position, timestampMs, fingerprint: content.fingerprint, answer });
  }
  return { outcome: { kind: "accepted", answer, position, repeated: false }, events };
}

/** SPEC.md IM4 to IM11: what an island has held. */
function applyMerge(
  context: Context,
  command: Command,
  step: { readonly merge: MergeHeld; readonly moment: Moment },
): CommandResult {
  const { merge, moment } = step;
  const { held, separationIndex } = merge;
  const acceptedMs = toTime(merge.acceptedMs);
  const { position, timestampMs } = moment;
  switch (held.case) {
    case "sendMessage": {
      const { id: commandId, userId } = command;
      const { roomId, body } = held.value;
      return mergeMessage(
        context,
        { userId, commandId, position, timestampMs },
        { roomId, body, acceptedMs, separationIndex },
      );
    }
    case "openSession": {
      const handler = heldLogIn({ acceptedMs, timestampMs });
      return applyBody(context, command, { handler, body: held.value, moment });
    }
    case undefined:
      return without(refused.nothingHeld);
  }
}

/**
 * A time that can be stored and is not 0, from whatever came: a message is not refused for a clock.
 */
function toTime(ms: bigint): number {
  if (ms < 1n) return 1;
  return ms > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(ms);
}

/**
 * Among whose ids a command counts and what it asks for; refused where it is given as it cannot be.
 */
export function claimOf<Body>(
  handler: CommandHandler<Body>,
  command: Command,
  body: Body,
): { readonly userId: UserId; readonly content: Content } | Rejection {
  const beforeLogIn = handler.scopeBeforeLogIn;
  const content = handler.content(body);
  if (beforeLogIn === undefined) return { userId: command.userId, content };
  if (command.userId !== 0 || command.sessionId !== 0) return refused.notBeforeLogIn;
  return { userId: beforeLogIn(body), content };
}

function without(outcome: ChatOutcome): CommandResult {
  return { outcome, events: noEvents };
}
