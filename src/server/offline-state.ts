// The state of a stopped server's folder as a copy that may be changed: chat.db; where that is of
// no use, one of the folder's own snapshots; else nothing, where the log has all. Changes nothing
// in the folder.
import {
  closeSync,
  copyFileSync,
  constants as copyModes,
  existsSync,
  openSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { isCorruption } from "../base/sql-error.ts";
import { type Chat, openChat } from "../chat/index.ts";
import { HostDatabase } from "../host/index.ts";
import type { StateCopy } from "../io/state-store.ts";
import { DamageError } from "../storage/index.ts";
import { chatFileName } from "./chat-state.ts";
import type { DataFolder } from "./data-folder.ts";
import { restorePieceBytes } from "./limits.ts";
import { StartError } from "./start-error.ts";
import { judgeSnapshot } from "./state-file.ts";

/** A copy of a state, open until `close`. */
export interface OfflineState {
  readonly chat: Chat;
  readonly database: HostDatabase;
  /** Why it does not come from chat.db; empty where it does. */
  readonly problem: string;
  /** Path of a copy of the snapshot that it comes from, checked and never opened. */
  readonly snapshot: string | undefined;
  close(): Promise<void>;
}

/**
 * Finds the best state. `hasAll`: whether a state as of this entry and the log are everything.
 * Rejects with a StartError where none is.
 */
export async function findState(
  folder: DataFolder,
  options: { readonly scratch: string; readonly hasAll: (index: number) => boolean },
): Promise<OfflineState> {
  const { scratch, hasAll } = options;
  const own = await openOwn(folder.path, scratch);
  let problem = typeof own === "string" ? own : "";
  if (typeof own !== "string") {
    const index = own.chat.appliedIndex();
    if (hasAll(index)) return { ...own, problem, snapshot: undefined };
    await own.close();
    problem = `${chatFileName} ends with entry ${index}`;
  }
  if (hasAll(0)) {
    return { ...openAt(join(scratch, "rebuilt.db")), problem, snapshot: undefined };
  }
  for (const { index } of folder.snapshots.list().toReversed()) {
    if (!hasAll(index)) continue;
    const found = await openSnapshot(folder, index, scratch);
    if (found === undefined) continue;
    return { ...found, problem: `${problem}; the snapshot as of entry ${index} takes its place` };
  }
  throw new StartError(
    `the data folder ${folder.path} has no state to go on from: ${problem}, no snapshot is whole ` +
      `and late enough, and the log begins only after entry ${folder.log.firstIndex() - 1}; ` +
      "what is needed is the folder of another server, or a backup (holdfast restore)",
  );
}

type OpenCopy = Pick<OfflineState, "chat" | "database" | "close">;

function openAt(path: string): OpenCopy {
  const onFailure = (error: Error): never => {
    throw error;
  };
  const database = new HostDatabase({ path, onFailure });
  const close = async () => {
    database.close();
    await database.whenClosed();
  };
  try {
    return { chat: openChat(database), database, close };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A copy of the folder's chat.db, or why it is of no use. */
async function openOwn(path: string, scratch: string): Promise<OpenCopy | string> {
  if (!existsSync(join(path, chatFileName))) return `${chatFileName} is missing`;
  for (const suffix of ["", "-wal"]) {
    const file = chatFileName + suffix;
    if (!existsSync(join(path, file))) continue;
    copyFileSync(join(path, file), join(scratch, file), copyModes.COPYFILE_FICLONE);
  }
  let copy: OpenCopy | undefined;
  try {
    copy = openAt(join(scratch, chatFileName));
    const [found] = Object.values(copy.database.prepare("PRAGMA quick_check(1)").get() ?? {});
    if (found === "ok") return copy;
  } catch (error) {
    if (!isCorruption(error)) throw error;
  }
  await copy?.close();
  return `${chatFileName} is damaged`;
}

/** A copy of one of the folder's snapshots; undefined where it is not whole. */
async function openSnapshot(
  folder: DataFolder,
  index: number,
  scratch: string,
): Promise<(OpenCopy & { readonly snapshot: string }) | undefined> {
  const name = `${index}.snap`;
  const path = join(scratch, name);
  const facts = copySnapshot(folder, index, path);
  if (facts === undefined) return undefined;
  const file = { folder: scratch, name, beside: "beside.db" };
  if ((await judgeSnapshot(file, facts)) !== "") return undefined;
  const opened = join(scratch, "snapshot.db");
  copyFileSync(path, opened, copyModes.COPYFILE_FICLONE);
  return { ...openAt(opened), snapshot: path };
}

function copySnapshot(folder: DataFolder, index: number, path: string): StateCopy | undefined {
  const snapshot = folder.snapshots.open(index);
  if (snapshot === undefined) return undefined;
  const { size, digest } = snapshot;
  const target = openSync(path, "w", 0o600);
  try {
    for (let offset = 0; offset < size; ) {
      const bytes = snapshot.read(offset, restorePieceBytes);
      if (bytes.length === 0) return undefined;
      for (let done = 0; done < bytes.length; ) done += writeSync(target, bytes, done);
      offset += bytes.length;
    }
    return { size, digest };
  } catch (error) {
    if (error instanceof DamageError) return undefined;
    throw error;
  } finally {
    closeSync(target);
    snapshot.close();
  }
}
