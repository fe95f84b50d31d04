// What a server may hold while no majority is there, and how it comes into the log afterwards
// (docs/decisions/0013). Reads the state, never changes it: nothing here spends an id. Where held
// things are kept, copied and proposed is the replica's matter.
import { assert } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import type { Command, OpenSession, SendMessage } from "../proto/gen/chat/v1/command_pb.js";
import { refusePosting } from "./access.ts";
import { claimOf } from "./apply-command.ts";
import { decodeCommand, encodeMerge } from "./command-bytes.ts";
import { hasTakenEffect, recall, type ScopedId } from "./command-ids.ts";
import type { CommandHandler } from "./commands/command.ts";
import { commandHandlers } from "./commands/index.ts";
import type { Context } from "./context.ts";
import { islandSessionId } from "./limits.ts";
import { isRejection, refused, undecided } from "./rejections.ts";
import { integer } from "./rows.ts";
import { refuseSession } from "./sessions.ts";
import type { ChatOutcome, Rejection } from "./types.ts";
import { checkBody, checkCommandId } from "./validation.ts";

/** SPEC.md IM1 to IM3. Undefined: it may be held. */
export function judgeHeld(context: Context, encoded: Uint8Array): ChatOutcome | undefined {
  const command = decodeCommand(encoded);
  if (command === undefined) return refused.badCommand;
  const badId = checkCommandId(command.id);
  if (badId !== undefined) return badId;
  const { body } = command;
  if (body.case === undefined) return refused.noCommandBody;
  if (body.case === "mergeHeld") return refused.needsMajority;
  const handler: CommandHandler<never> = commandHandlers[body.case];
  const claim = claimOf(handler, command, body.value as never);
  if (isRejection(claim)) return claim;
  // Also of what may not be held: what was done before the separation has its answer here.
  const first = recall(context, { ...claim, commandId: command.id }, claim.content);
  if (first !== undefined) return first;
  if (body.case === "sendMessage") return refuseHoldingMessage(context, command, body.value);
  if (body.case === "openSession") return refuseHoldingLogIn(context, command, body.value);
  return refused.needsMajority;
}

/** SPEC.md IM2. */
function refuseHoldingMessage(
  { state, statements }: Context,
  command: Command,
  { roomId, body }: SendMessage,
): Rejection | undefined {
  const { userId, sessionId } = command;
  const sessionEnded = sessionId === islandSessionId ? undefined : refuseSession(state, command);
  if (sessionEnded !== undefined) {
    // One that is not known here yet may be open; one that was ended stays so.
    const isKnown = sessionId <= integer(statements.cluster.get(), "last_session_id");
    return isKnown ? sessionEnded : undecided(sessionEnded);
  }
  const badBody = checkBody(body);
  if (badBody !== undefined) return badBody;
  const isKnown = state.user(userId) !== undefined;
  const refusal = isKnown ? refusePosting(state, roomId, userId) : refused.unknownPerson;
  return refusal && undecided(refusal);
}

/** SPEC.md IM3. */
function refuseHoldingLogIn(
  context: Context,
  command: Command,
  body: OpenSession,
): Rejection | undefined {
  if (body.islandNonce === 0n) return refused.noIslandNonce;
  const { validate, authorize } = commandHandlers.openSession;
  const badForm = validate(body);
  if (badForm !== undefined) return badForm;
  const refusal = authorize(context, { userId: body.userId, commandId: command.id }, body);
  return refusal && undecided(refusal);
}

/** SPEC.md IM1: whether a command of the log's uncommitted tail is one that islands show. */
export function isHoldable(encoded: Uint8Array): boolean {
  const command = decodeCommand(encoded);
  return command?.body.case === "sendMessage" && checkCommandId(command.id) === undefined;
}

/** SPEC.md IM4. Of what `judgeHeld` or `isHoldable` has passed; throws on anything else. */
export function mergeCommand(held: {
  readonly command: Uint8Array;
  readonly timestampMs: number;
  readonly commitIndex: number;
}): Uint8Array {
  const command = decodeCommand(held.command);
  const body = command?.body;
  assert(
    command !== undefined && (body?.case === "sendMessage" || body?.case === "openSession"),
    "what is to be merged is no message and no log-in",
  );
  return encodeMerge(command, {
    held: body,
    acceptedMs: BigInt(held.timestampMs),
    separationIndex: BigInt(held.commitIndex),
  });
}

/**
 * Who gave a command that islands hold, under which id; of the command and of its merging alike.
 */
function heldIdOf(encoded: Uint8Array): ScopedId | undefined {
  const command = decodeCommand(encoded);
  if (command === undefined || checkCommandId(command.id) !== undefined) return undefined;
  const held = command.body.case === "mergeHeld" ? command.body.value.held : command.body;
  const commandId = command.id;
  if (held.case === "sendMessage") return { userId: command.userId, commandId };
  if (held.case === "openSession") return { userId: held.value.userId, commandId };
  return undefined;
}

/** The key under which a command is held; undefined for what is neither held nor merged. */
export function heldKey(encoded: Uint8Array): string | undefined {
  const id = heldIdOf(encoded);
  return id && `${id.userId}:${toHex(id.commandId)}`;
}

/**
 * Whether the state has what a held command stands for: a message in its room or set aside, an open
 * session. A refusal that was given under its id does not count.
 */
export function isMerged({ statements }: Context, encoded: Uint8Array): boolean {
  const id = heldIdOf(encoded);
  return id !== undefined && hasTakenEffect(statements.lastUse.get(id.userId, id.commandId));
}
