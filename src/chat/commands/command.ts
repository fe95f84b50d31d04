// The shape that all commands share; chat.ts takes each through the same steps in the same order
// (SPEC.md ID and SE).
import type { Command } from "../../proto/gen/chat/v1/command_pb.js";
import type { Content, ScopedId } from "../command-ids.ts";
import type { Author, Context } from "../context.ts";
import type { Accepted, ChatEvent, ChatOutcome, Rejection } from "../types.ts";

/** What one command came to. */
export interface CommandResult {
  readonly outcome: ChatOutcome;
  readonly events: readonly ChatEvent[];
}

/**
 * The names of the commands, as in command.proto; but for MergeHeld, which carries another one and
 * goes its own way (merge-held.ts).
 */
export type CommandCase = Exclude<Command["body"]["case"], undefined | "mergeHeld">;

/** The body of a command. */
export type BodyOf<Case extends CommandCase> = Extract<Command["body"], { case: Case }>["value"];

/** What an accepted command has done. */
export interface Applied {
  readonly answer: Accepted;
  readonly events: readonly ChatEvent[];
  /**
   * Set when the command changed nothing since one at this position had done it all, under another
   * id.
   */
  readonly doneBefore?: number;
}

/** One command. Steps are called in this order; only `apply` changes anything. */
export interface CommandHandler<Body> {
  /**
   * The user whose ids it is counted among, where it is done before log-in: user_id and session_id
   * must then be 0. Absent: it is done by a person in a session, and counted among that person's.
   */
  readonly scopeBeforeLogIn?: (body: Body) => number;
  /** All of the content that counts for "the same command again". */
  content(body: Body): Content;
  /** Refuses a bad form. Looks at the body only. */
  validate(body: Body): Rejection | undefined;
  /** Refuses what the state does not allow. */
  authorize(context: Context, author: ScopedId, body: Body): Rejection | undefined;
  /** Does it; neither step before has refused. */
  apply(context: Context, author: Author, body: Body): Applied;
}
