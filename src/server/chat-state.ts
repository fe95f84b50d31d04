// Opens the chat state of a data folder: chat.db, which must fit the log. Not here: what is in it.
import { join } from "node:path";
import { type Chat, openChat } from "../chat/index.ts";
import { HostDatabase } from "../host/index.ts";
import { asStartError, type DataFolder } from "./data-folder.ts";
import { chatCommitDelayMs } from "./limits.ts";
import { StartError } from "./start-error.ts";

/** The file's name in a data folder. */
export const chatFileName = "chat.db";

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const damageCodes: readonly unknown[] = [11, 26];

/** A chat state and how to let go of it. */
export interface OpenChatState {
  readonly chat: Chat;
  /** Resolves when no file of it is open any more. */
  close(): Promise<void>;
}

/**
 * The chat state as chat.db holds it, made where it is missing. Throws a StartError where it is
 * damaged or ahead of the log; `onFailure` hears of a disk that fails later.
 */
export function openChatState(
  folder: DataFolder,
  onFailure: (error: Error) => void,
): OpenChatState {
  const state = openChatFile(join(folder.path, chatFileName), onFailure);
  const appliedIndex = state.chat.appliedIndex();
  const lastIndex = folder.log.lastIndex();
  if (appliedIndex <= lastIndex) return state;
  void state.close();
  throw new StartError(
    `the data folder ${folder.path} is damaged and must not be used: its chat.db holds entry ` +
      `${appliedIndex}, but its log ends at ${lastIndex}`,
  );
}

/** Opens a chat state apart from any log. Throws a StartError where it is damaged. */
export function openChatFile(path: string, onFailure: (error: Error) => void): OpenChatState {
  let database: HostDatabase | undefined;
  try {
    database = new HostDatabase({ path, onFailure, commitDelayMs: chatCommitDelayMs });
    const opened = database;
    const chat = openChat(opened);
    return {
      chat,
      close: async () => {
        opened.close();
        await opened.whenClosed();
      },
    };
  } catch (error) {
    database?.close();
    if (damageCodes.includes((error as { errcode?: number }).errcode)) {
      throw new StartError(
        `${path} is damaged; remove it, and this server makes it anew from its log`,
      );
    }
    throw asStartError(error, path);
  }
}
