// The steps that every command goes through, in one order: form of the envelope, repetition,
// session, form of the body, rights, change. Total: whatever the bytes are, the answer is an
// outcome; a throw from here is a bug.
import { fromBinary } from "@bufbuild/protobuf";
import { type Command, CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { recall, remember, rememberRefusal } from "./command-ids.ts";
import type { CommandHandler } from "./commands/command.ts";
import { commandHandlers } from "./commands/index.ts";
import type { Author, Context, Moment } from "./context.ts";
import { refused } from "./rejections.ts";
import { refuseSession } from "./sessions.ts";
import type { ChatEvent, ChatOutcome } from "./types.ts";
import { checkCommandId } from "./validation.ts";

/** What one command came to. */
export interface CommandResult {
  readonly outcome: ChatOutcome;
  readonly events: readonly ChatEvent[];
}

const noEvents: readonly ChatEvent[] = [];

/** Applies one encoded command. Must run within the transaction of its call. */
export function applyCommand(context: Context, encoded: Uint8Array, moment: Moment): CommandResult {
  const command = decodeCommand(encoded);
  if (command === undefined) return without(refused.badCommand);
  const badId = checkCommandId(command.id);
  if (badId !== undefined) return without(badId);
  if (command.body.case === undefined) return without(refused.noCommandBody);
  const handler: CommandHandler<never> = commandHandlers[command.body.case];
  return applyBody(context, command, { handler, body: command.body.value as never, moment });
}

function applyBody<Body>(
  context: Context,
  command: Command,
  step: { readonly handler: CommandHandler<Body>; readonly body: Body; readonly moment: Moment },
): CommandResult {
  const { handler, body, moment } = step;
  const beforeLogIn = handler.scopeBeforeLogIn;
  if (beforeLogIn !== undefined && (command.userId !== 0 || command.sessionId !== 0)) {
    return without(refused.notBeforeLogIn);
  }
  const userId = beforeLogIn === undefined ? command.userId : beforeLogIn(body);
  const { position, timestampMs } = moment;
  const author: Author = { userId, commandId: command.id, position, timestampMs };

  // Before the session and the rights: a retry must get the first's answer also when they have
  // changed since, as they have after CloseSession itself (SPEC.md ID3).
  const content = handler.content(body);
  const first = recall(context, author, content);
  if (first !== undefined) return without(first);

  // Spends no id: another session may follow, through which the same command comes again.
  const sessionEnded =
    beforeLogIn === undefined ? refuseSession(context.state, command) : undefined;
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

function without(outcome: ChatOutcome): CommandResult {
  return { outcome, events: noEvents };
}

function decodeCommand(encoded: Uint8Array): Command | undefined {
  try {
    return fromBinary(CommandSchema, encoded);
  } catch {
    // The decoder throws on bytes that are no Protobuf and on strings that are no UTF-8; nothing
    // else is called here.
    return undefined;
  }
}
