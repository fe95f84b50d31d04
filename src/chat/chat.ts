// The deterministic chat state machine over SQLite: `apply` changes it, queries read it. The same
// entries make the same state, outcomes and events on every server. No clock, no chance, no
// promises; who proposes and who delivers is not here.
import { assert } from "../base/assert.ts";
import { commandsPerEntryMax, positionOf } from "../base/position.ts";
import type { Database } from "../io/database.ts";
import type { Person } from "../proto/gen/chat/v1/api_pb.js";
import { applyCommand } from "./apply-command.ts";
import type { Context } from "./context.ts";
import { heldKey, isHoldable, isMerged, judgeHeld, mergeCommand } from "./islands.ts";
import type { AppliedCommand, CommittedEntry } from "./log.ts";
import { eventsSince } from "./queries/events-since.ts";
import { findRoom } from "./queries/find-room.ts";
import { heldMessage } from "./queries/held-message.ts";
import { listPeople } from "./queries/list-people.ts";
import { listRooms } from "./queries/list-rooms.ts";
import { credentials, person, tokenKey } from "./queries/people.ts";
import { readTimeline } from "./queries/read-timeline.ts";
import type { ChatQueries, RoomName } from "./queries.ts";
import { integer } from "./rows.ts";
import { migrateSchema } from "./schema.ts";
import { sessionOfIsland } from "./sessions.ts";
import { ChatState } from "./state.ts";
import { prepareStatements } from "./statements.ts";
import type {
  ChatEvent,
  ChatOutcome,
  Credentials,
  HeldCommand,
  SessionId,
  UserId,
} from "./types.ts";

/**
 * Opens the chat state in a database, empty or written before. Makes or migrates the tables; throws
 * SchemaTooNewError where a newer build has written them. The database is the chat state's alone
 * from here on.
 */
export function openChat(database: Database): Chat {
  migrateSchema(database);
  return new Chat(database);
}

/**
 * The chat state machine; made by `openChat`. Fits `StateMachine<ChatOutcome, ChatEvent>` of the
 * replica.
 */
export class Chat implements ChatQueries {
  readonly #database: Database;
  #context: Context;
  /**
   * Invariant: equals cluster.applied_index whenever no apply is running. So does the next with
   * timestamp_ms.
   */
  #appliedIndex: number;
  #timestampMs: number;

  /** Over tables of the present schema; use `openChat`. */
  constructor(database: Database) {
    this.#database = database;
    const statements = prepareStatements(database);
    this.#context = { statements, state: new ChatState(statements) };
    const row = statements.cluster.get();
    this.#appliedIndex = integer(row, "applied_index");
    this.#timestampMs = integer(row, "timestamp_ms");
  }

  /** The last entry whose effect is stored; 0 before the first. */
  appliedIndex(): number {
    return this.#appliedIndex;
  }

  /**
   * Applies entries in order, without a gap after appliedIndex(), in one transaction with the new
   * applied index. A throw is a bug or a failing disk: nothing of the call is stored, and the
   * caller must stop.
   */
  apply(entries: readonly CommittedEntry[]): AppliedCommand<ChatOutcome, ChatEvent>[] {
    const last = entries.at(-1);
    if (last === undefined) return [];
    try {
      this.#context.state.beginCall();
      const { applied, timestampMs } = this.#database.transaction(() => this.#applyAll(entries));
      this.#appliedIndex = last.index;
      this.#timestampMs = timestampMs;
      return applied;
    } catch (error) {
      // The tables were rolled back; what is held in memory of them must follow.
      const { statements } = this.#context;
      this.#context = { statements, state: new ChatState(statements) };
      throw error;
    }
  }

  #applyAll(entries: readonly CommittedEntry[]) {
    const applied: AppliedCommand<ChatOutcome, ChatEvent>[] = [];
    let index = this.#appliedIndex;
    let timestampMs = this.#timestampMs;
    for (const entry of entries) {
      index += 1;
      assert(entry.index === index, `entry ${entry.index} was given where ${index} is due`);
      assert(entry.commands.length <= commandsPerEntryMax, "an entry holds too many commands");
      assert(Number.isSafeInteger(entry.timestampMs), "a timestamp is no whole number");
      // Cluster time does not run backwards; that people never see it do so does not hang on it
      // (SPEC.md MS4).
      timestampMs = Math.max(timestampMs, entry.timestampMs);
      for (const [ordinal, command] of entry.commands.entries()) {
        const position = positionOf(index, ordinal);
        const { outcome, events } = applyCommand(this.#context, command, { position, timestampMs });
        applied.push({ position, outcome, events });
      }
    }
    this.#context.statements.setApplied.run(index, timestampMs);
    return { applied, timestampMs };
  }

  /**
   * Whether a command may be held in island mode, by the state as of now; undefined: it may.
   * Otherwise its answer, which spends no id; NEEDS_MAJORITY where a state that is further on may
   * answer otherwise. A command that was applied before gets its first answer, `repeated`.
   */
  judgeHeld(command: Uint8Array): ChatOutcome | undefined {
    return judgeHeld(this.#context, command);
  }

  /** Whether a command of the log's uncommitted tail is of a kind that islands hold. */
  isHoldable(command: Uint8Array): boolean {
    return isHoldable(command);
  }

  /**
   * The command that brings a held one into the log. Of what `judgeHeld` or `isHoldable` has
   * passed; throws on anything else.
   */
  mergeCommand(held: Parameters<typeof mergeCommand>[0]): Uint8Array {
    return mergeCommand(held);
  }

  /** Under which key a command is held: author and id. Undefined for what islands never hold. */
  heldKey(command: Uint8Array): string | undefined {
    return heldKey(command);
  }

  /** Whether what a held command stands for is in the state, so that merging it changes nothing. */
  isMerged(command: Uint8Array): boolean {
    return isMerged(this.#context, command);
  }

  tokenKey(): Uint8Array | undefined {
    return tokenKey(this.#context);
  }

  credentials(username: string): Credentials | undefined {
    return credentials(this.#context, username);
  }

  person(userId: UserId): Person | undefined {
    return person(this.#context, userId);
  }

  sessionOwner(sessionId: SessionId): UserId | undefined {
    return this.#context.state.sessionOwner(sessionId);
  }

  sessionByIslandNonce(nonce: bigint): SessionId | undefined {
    return sessionOfIsland(this.#context, nonce)?.sessionId;
  }

  listPeople(ask: Parameters<ChatQueries["listPeople"]>[0]) {
    return listPeople(this.#context, ask);
  }

  listRooms(asker: UserId, ask: Parameters<ChatQueries["listRooms"]>[1]) {
    return listRooms(this.#context, asker, ask);
  }

  findRoom(asker: UserId, room: RoomName) {
    return findRoom(this.#context, asker, room);
  }

  readTimeline(asker: UserId, ask: Parameters<ChatQueries["readTimeline"]>[1]) {
    return readTimeline(this.#context, asker, ask);
  }

  eventsSince(asker: UserId, ask: Parameters<ChatQueries["eventsSince"]>[1]) {
    return eventsSince(this.#context, asker, ask);
  }

  heldMessage(held: HeldCommand) {
    return heldMessage(this.#context, held);
  }
}
