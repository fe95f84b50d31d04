// Exactly-once: which ids have been applied, and what the first application answered. Messages keep
// their own id in the timeline; all other commands, and all refused ones, are remembered in
// `commands` for at least `commandMemoryMs`.
import type { Context, Moment } from "./context.ts";
import { commandMemoryMs, commandsForgottenMax } from "./limits.ts";
import { refused } from "./rejections.ts";
import { integer, text } from "./rows.ts";
import type { Accepted, ChatOutcome, Rejection } from "./types.ts";

/** An id within its scope: the user who gave the command, 0 before log-in. */
export interface ScopedId {
  readonly userId: number;
  readonly commandId: Uint8Array;
}

/**
 * What a command asks for, so that a repetition can be told from another command under the same id.
 */
export type Content =
  | { readonly kind: "message"; readonly roomId: number; readonly body: string }
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
  const position = integer(row, "position");
  if (row["fingerprint"] === refusalFingerprint) return JSON.parse(text(row, "answer"));
  if (row["fingerprint"] !== null) {
    const same = content.kind === "other" && content.fingerprint === text(row, "fingerprint");
    if (!same) return refused.idReused;
    const answer: Accepted = JSON.parse(text(row, "answer"));
    return { kind: "accepted", answer, position, repeated: true };
  }
  const roomId = integer(row, "room_id");
  const same =
    content.kind === "message" && content.roomId === roomId && content.body === text(row, "body");
  if (!same) return refused.idReused;
  const answer: Accepted = { kind: "sent", roomId, number: integer(row, "number") };
  return { kind: "accepted", answer, position, repeated: true };
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
