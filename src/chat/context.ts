// What every command and query gets: the prepared statements and the resident state over the same
// tables.
import type { ChatState } from "./state.ts";
import type { Statements } from "./statements.ts";

/** The state, for reading. */
export interface Context {
  readonly statements: Statements;
  readonly state: ChatState;
}

/** Where in the log, and when, a command is applied. */
export interface Moment {
  readonly position: number;
  /** Cluster time in milliseconds since 1970; never before that of an earlier command. */
  readonly timestampMs: number;
}

/** Who gave a command, under which id, and where it stands in the log. */
export interface Author extends Moment {
  /** 0 for what is done before log-in. */
  readonly userId: number;
  readonly commandId: Uint8Array;
}
