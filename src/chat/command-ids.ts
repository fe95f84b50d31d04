// Exactly-once: which ids have been applied, and what the first application answered. Messages keep
// their own id, in the timeline or set aside; all other commands, and all refused ones, are
// remembered in `commands` for at least `commandMemoryMs`.
import { assert } from "../base/assert.ts";
import type { SqlRow } from "../io/database.ts";
import type { Context, Moment } from "./context.ts";
import { commandMemoryMs, commandsForgottenMax } from "./limits.ts";
import { refused, wasSetAside } from "./rejections.ts";
import { integer, text } from "./rows.ts";
import type { Accepted, ChatOutcome, Rejection } from "./types.ts";

/** An id within its scope: the user who gave the command, 0 before log-in. */
export interface ScopedId {
  readonly userId: number;
  readonly commandId: Uint8Array;
}

/** A message as far as it tells a repetition from another message. */
export interface MessageContent {
  readonly kind: "message";
  readonly roomId: number;
  readonly body: string;
}

/**
 * What a command asks for, so that a repetition can be told from another command under the same id.
 */
export type Content =
  | MessageContent
  /** Equal fingerprints mean equal content. */
  | { readonly kind: "other"; readonly fingerprint: string };

/** Stands for the content of a refused command: whatever comes under its id is refused. */
const refusalFingerprint = "refused";

/** The outcome for an id that has been applied before; undefined for a new one. */
export function recall(
  { statements }: Context,
  id: ScopedId,
  content: Content,
): ChatOutcome | undefined {
  const row = statements.firstUse.get(id.userId, id.commandId);
  if (row === undefined) return undefined;
  const refusal = refusalOf(row);
  if (refusal !== undefined) return refusal;
  if (row["fingerprint"] !== null) {
    const same = content.kind === "other" && content.fingerprint === text(row, "fingerprint");
    return same ? repeated(row, JSON.parse(text(row, "answer"))) : refused.idReused;
  }
  if (!isMessage(row, content)) return refused.idReused;
  if (row["code"] !== null) return wasSetAside(integer(row, "code"));
  return repeated(row, sent(row));
}

/**
 * As `recall`, for a held message that comes to be merged. A refusal of its id does not answer it:
 * it says that the message may not enter the room, not that it may be lost.
 */
export function recallHeld(
  { statements }: Context,
  id: ScopedId,
  content: MessageContent,
): { readonly outcome?: ChatOutcome; readonly refusal?: Rejection } {
  const row = statements.lastUse.get(id.userId, id.commandId);
  if (row === undefined) return {};
  const refusal = refusalOf(row);
  if (refusal !== undefined) return { refusal };
  if (row["fingerprint"] !== null || !isMessage(row, content)) return { outcome: refused.idReused };
  if (row["code"] === null) return { outcome: repeated(row, sent(row)) };
  return { outcome: repeated(row, { kind: "setAside", roomId: integer(row, "room_id") }) };
}

/** Whether the use of an id, if there was one, was more than a refusal. */
export function hasTakenEffect(row: SqlRow | undefined): boolean {
  return row !== undefined && refusalOf(row) === undefined;
}

function refusalOf(row: SqlRow): Rejection | undefined {
  if (row["fingerprint"] !== refusalFingerprint) return undefined;
  const answer: Accepted | Rejection = JSON.parse(text(row, "answer"));
  assert(answer.kind === "rejected", "a refusal is remembered that is none");
  return answer;
}

function isMessage(row: SqlRow, content: Content): boolean {
  return (
    content.kind === "message" &&
    content.roomId === integer(row, "room_id") &&
    content.body === text(row, "body")
  );
}

function sent(row: SqlRow): Accepted {
  return { kind: "sent", roomId: integer(row, "room_id"), number: integer(row, "number") };
}

function repeated(row: SqlRow, answer: Accepted): ChatOutcome {
  return { kind: "accepted", answer, position: integer(row, "position"), repeated: true };
}

/**
 * Remembers a command that is refused or not a message, and forgets a few that are old enough. Only
 * where one is added, so that the table's bound holds and the log alone decides what is forgotten
 * when.
 */
export function remember(
  { statements }: Context,
  id: ScopedId,
  row: Moment & { readonly fingerprint: string; readonly answer: Accepted | Rejection },
): void {
  const { position, timestampMs, fingerprint } = row;
  const answer = JSON.stringify(row.answer);
  statements.insertCommand.run(position, id.userId, id.commandId, timestampMs, fingerprint, answer);
  statements.forgetCommands.run(commandsForgottenMax, timestampMs - commandMemoryMs);
}

/**
 * Remembers a refusal: another copy of the command, which may still be under way, must not be
 * accepted when what stood against it is gone (SPEC.md ID7).
 */
export function rememberRefusal(context: Context, id: ScopedId & Moment, answer: Rejection): void {
  const { position, timestampMs } = id;
  remember(context, id, { position, timestampMs, fingerprint: refusalFingerprint, answer });
}
