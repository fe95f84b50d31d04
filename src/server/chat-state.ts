// Opens the chat state of a data folder: chat.db, which must fit the log; where either is damaged,
// what can be healed is healed first (docs/decisions/0012). Not here: what is in it.
import { join } from "node:path";
import { isCorruption } from "../base/sql-error.ts";
import { type Chat, openChat } from "../chat/index.ts";
import { HostClock, HostDatabase, HostStateFiles } from "../host/index.ts";
import type { StateStore } from "../io/state-store.ts";
import { type FolderFinding, mendLog, type ReplicaIdentity, whenReady } from "../replica/index.ts";
import { asStartError, type DataFolder } from "./data-folder.ts";
import { chatCommitDelayMs } from "./limits.ts";
import { StartError } from "./start-error.ts";

/** The file's name in a data folder. */
export const chatFileName = "chat.db";

/** A chat state and how to let go of it. */
export interface OpenChatState {
  readonly chat: Chat;
  readonly store: StateStore;
  /** Resolves when no file of it is open any more. */
  close(): Promise<void>;
}

/** A chat state that fits its log. */
export interface MendedChatState extends OpenChatState {
  readonly identity: ReplicaIdentity;
  /** What was found damaged in the folder, and what became of it. */
  readonly findings: readonly FolderFinding[];
}

/**
 * Makes the folder ready and opens its chat state, made where it is missing; a damaged one is set
 * aside, to be made anew from the log or fetched. Rejects with a StartError where nothing can be
 * mended; `onFailure` hears of a disk that fails later.
 */
export async function openChatState(
  folder: DataFolder,
  onFailure: (error: Error) => void,
): Promise<MendedChatState> {
  const path = join(folder.path, chatFileName);
  const files = new HostStateFiles(path);
  await whenFolderReady(folder, files);
  const findings: FolderFinding[] = [];
  const setAside = (why: string) => {
    files.setAside();
    findings.push(`${chatFileName} ${why}: it is made anew`);
  };
  let state = openOrDamaged(path, onFailure);
  if (state === undefined) {
    setAside("is damaged");
    state = openChatFile(path, onFailure);
  }
  try {
    const mended = mendLog(folder, state.chat.appliedIndex());
    if (mended.isStateAhead) {
      await state.close();
      setAside("holds entries that the log has lost");
      state = openChatFile(path, onFailure);
    }
    const { identity } = mended;
    return { ...state, identity, findings: [...mended.findings, ...findings] };
  } catch (error) {
    await state.close();
    throw asStartError(error, folder.path);
  }
}

/**
 * Resolves when the folder has all that a member must never miss, durably, and a fetched state is
 * in its place. Rejects with a StartError.
 */
export async function whenFolderReady(
  folder: DataFolder,
  files = new HostStateFiles(join(folder.path, chatFileName)),
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  whenReady(folder, { clock: new HostClock(), files }, (error) => {
    if (error === undefined) resolve();
    else reject(asStartError(error, folder.path));
  });
  await promise;
}

function openOrDamaged(path: string, onFailure: (error: Error) => void): OpenChatState | undefined {
  try {
    return openFile(path, onFailure);
  } catch (error) {
    if (isCorruption(error)) return undefined;
    throw asStartError(error, path);
  }
}

/** Opens a chat state apart from any log. Throws a StartError where it is damaged. */
export function openChatFile(path: string, onFailure: (error: Error) => void): OpenChatState {
  try {
    return openFile(path, onFailure);
  } catch (error) {
    if (isCorruption(error)) throw new StartError(`${path} is damaged`);
    throw asStartError(error, path);
  }
}

function openFile(path: string, onFailure: (error: Error) => void): OpenChatState {
  const database = new HostDatabase({ path, onFailure, commitDelayMs: chatCommitDelayMs });
  try {
    const chat = openChat(database);
    return {
      chat,
      store: database,
      close: async () => {
        database.close();
        await database.whenClosed();
      },
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
