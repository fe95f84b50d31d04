// The chat state of a simulated server as a start finds it, opened and mended as
// src/server/chat-state.ts does it on a real machine. Not here: the process around it.
import { assert } from "../base/assert.ts";
import { isCorruption } from "../base/sql-error.ts";
import { type Chat, openChat } from "../chat/index.ts";
import type { Database } from "../io/database.ts";
import type { StateStore } from "../io/state-store.ts";
import { mendLog, type ReplicaFolder, type ReplicaIdentity } from "../replica/index.ts";
import type { ClusterEventBody } from "./cluster-event.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimDatabase } from "./sim-database.ts";

/** Where the state is. */
export interface StatePlace {
  readonly folder: ReplicaFolder;
  readonly machine: { readonly database: SimDatabase };
  readonly clock: SimClock;
  readonly tell: (body: ClusterEventBody) => void;
}

/** Who hears of the database. */
export interface StateHooks {
  /** It is open; told again where another one takes its place. */
  opened(database: Database & StateStore): void;
  /** A commit has failed, later. */
  failed(error: Error): void;
}

/** Opens the state and mends the log by it; tells what was found. */
export function openState(
  place: StatePlace,
  hooks: StateHooks,
): { readonly chat: Chat; readonly identity: ReplicaIdentity } {
  const { folder, machine, tell } = place;
  const found = [...folder.findings];
  const open = (): ReturnType<typeof openDatabase> => openDatabase(place, hooks);
  let state = open();
  if (state === undefined) {
    found.push("the chat state is damaged");
    machine.database.setAside();
    state = open();
  }
  assert(state !== undefined, "a new chat state can be opened");
  const { identity, findings, isStateAhead } = mendLog(folder, state.chat.appliedIndex());
  if (isStateAhead) {
    found.push("the chat state is ahead of the log");
    state.database.close();
    machine.database.setAside();
    state = open();
    assert(state !== undefined, "a new chat state can be opened");
  }
  for (const finding of new Set([...found, ...findings])) tell({ kind: "mended", finding });
  return { chat: state.chat, identity };
}

/** Undefined where it is damaged. */
function openDatabase({ machine, clock }: StatePlace, hooks: StateHooks) {
  try {
    const database = machine.database.openLife(clock, (error) => hooks.failed(error));
    hooks.opened(database);
    return { database, chat: openChat(database) };
  } catch (error) {
    if (isCorruption(error)) return undefined;
    throw error;
  }
}
