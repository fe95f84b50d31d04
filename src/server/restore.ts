// Makes of a backup the data folder of a new cluster of one server (docs/reference/backup.md);
// others join it as they join any. The new cluster has an id of its own, since the old one may
// still live. The file is checked in full before anything is made; what is made counts when the
// last step says so. Not here: taking backups.
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join, resolve } from "node:path";
import { toHex64 } from "../base/bytes.ts";
import { countStored, openChat, SchemaTooNewError, type StoredCounts } from "../chat/index.ts";
import { BackupError, type BackupHeader, BackupReader } from "../gateways/index.ts";
import { createDataFolder, HostStateFiles } from "../host/index.ts";
import { encodeIdentity, foundWithState, newIdentity } from "../replica/index.ts";
import { IdentityStore } from "../storage/index.ts";
import { chatFileName, whenFolderReady } from "./chat-state.ts";
import type { ServerConfig } from "./config.ts";
import { asStartError, type DataFolder, openDataFolder, openLocked } from "./data-folder.ts";
import { restorePieceBytes } from "./limits.ts";
import { StartError } from "./start-error.ts";
import { judgeSnapshot, withDatabase } from "./state-file.ts";

/** What to restore, and where to. */
export interface RestoreOptions {
  /** The backup. */
  readonly file: string;
  /** The id, addresses and data folder of the server that is made. */
  readonly config: ServerConfig;
  /** Undefined: as in the backup. */
  readonly clusterName: string | undefined;
}

/** What was restored. */
export interface Restored {
  readonly folder: string;
  readonly serverId: number;
  readonly clusterName: string;
  /** Of the new cluster, and of the one that was backed up; 16 hexadecimal digits each. */
  readonly clusterId: string;
  readonly oldClusterId: string;
  /** The state is as it was after this entry, */
  readonly index: number;
  /** and this is when it was backed up. */
  readonly clusterTimeMs: number;
  readonly counts: StoredCounts;
}

/** There while a folder is being made; what is in it then is of no use. */
const unfinishedFile = "unfinished-restore";
const snapshotFile = "restored.snap";
/** What a file system puts into a folder of its own. */
const foreignFile = "lost+found";

/**
 * Restores a backup into an empty folder. Rejects with a StartError where the file is not whole or
 * the folder not empty; then, and after any other failure, nothing is left in the folder.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const path = resolve(options.config.data);
  refuseNonEmpty(path);
  const header = readBackup(options.file, () => {});
  if (header.index < 1 || header.term < 1) {
    throw new StartError(`${options.file} holds no state: it was taken before the first entry`);
  }
  const existed = fs.existsSync(path);
  begin(path);
  try {
    return await restoreInto(path, header, options);
  } catch (error) {
    empty(path);
    if (!existed) fs.rmSync(path, { recursive: true, force: true });
    if (error instanceof SchemaTooNewError) throw new StartError(error.message);
    throw asStartError(error, path);
  }
}

async function restoreInto(
  path: string,
  header: BackupHeader,
  { file, config, clusterName = header.clusterName }: RestoreOptions,
): Promise<Restored> {
  const owner = { replicaId: config.id, clusterName };
  makeIdentity(path, { ...owner, birthNonce: drawNumber() });
  const folder = openDataFolder({
    ...{ folder: path, newReplicaId: config.id, ...owner },
    drawBirthNonce: drawNumber,
  });
  try {
    await whenFolderReady(folder);
    const counts = await putState(folder, { file, header });
    const clusterId = await found(folder, header, config);
    fs.rmSync(join(path, unfinishedFile));
    folder.disk.syncFolder("");
    return {
      folder: path,
      serverId: config.id,
      clusterName,
      clusterId: toHex64(clusterId),
      oldClusterId: toHex64(header.clusterId),
      index: header.index,
      clusterTimeMs: header.clusterTimeMs,
      counts,
    };
  } finally {
    folder.close();
  }
}

/** Started half done, the folder must not found an empty cluster: it is one that waits. */
function makeIdentity(path: string, owner: Parameters<typeof newIdentity>[0]): void {
  const made = openLocked(path, (disk) => {
    const store = new IdentityStore(disk);
    store.save(encodeIdentity({ ...newIdentity(owner), returning: true }));
    return { close: () => store.close() };
  });
  made.close();
}

/** Never 0, which would stand for none. */
function drawNumber(): bigint {
  return randomBytes(8).readBigUInt64LE() || 1n;
}

function refuseNonEmpty(path: string): void {
  const found = fs.existsSync(path) ? contentOf(path) : [];
  if (found.length === 0) return;
  if (found.includes(unfinishedFile)) {
    throw new StartError(
      `${path} holds a restore that was cut short: remove the folder and restore again`,
    );
  }
  throw new StartError(
    `${path} is not empty, and a restore overwrites nothing: name another folder with --data, or ` +
      "move this one away",
  );
}

function contentOf(path: string): string[] {
  try {
    return fs.readdirSync(path).filter((name) => name !== foreignFile);
  } catch (error) {
    throw new StartError(`${path} cannot be used as a data folder: ${(error as Error).message}`);
  }
}

/** From here on the folder is this restore's. */
function begin(path: string): void {
  try {
    createDataFolder(path);
    fs.writeFileSync(join(path, unfinishedFile), "", { flag: "wx", mode: 0o600, flush: true });
  } catch (error) {
    throw new StartError(`${path} cannot be used as a data folder: ${(error as Error).message}`);
  }
}

/** All that is in the folder is this restore's. */
function empty(path: string): void {
  if (!fs.existsSync(path)) return;
  for (const name of contentOf(path)) fs.rmSync(join(path, name), { recursive: true, force: true });
}

/** Reads a backup from end to end, and gives what is the snapshot's; whole where it returns. */
function readBackup(file: string, take: (snapshot: Uint8Array) => void): BackupHeader {
  let descriptor: number;
  try {
    descriptor = fs.openSync(file, "r");
  } catch (error) {
    throw new StartError(`${file} cannot be read: ${(error as Error).message}`);
  }
  try {
    const reader = new BackupReader();
    const piece = Buffer.alloc(restorePieceBytes);
    for (;;) {
      const length = fs.readSync(descriptor, piece);
      if (length === 0) return reader.end();
      take(reader.take(piece.subarray(0, length)));
    }
  } catch (error) {
    if (error instanceof BackupError) throw new StartError(`${file}: ${error.message}`);
    throw new StartError(`${file} cannot be read: ${(error as Error).message}`);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Puts the state into its place, once its rows are those that were backed up. */
async function putState(
  folder: DataFolder,
  backup: { readonly file: string; readonly header: BackupHeader },
): Promise<StoredCounts> {
  const { path } = folder;
  const descriptor = fs.openSync(join(path, snapshotFile), "wx", 0o600);
  try {
    // Once more from the disk: the file may have changed since it was checked.
    readBackup(backup.file, (bytes) => {
      for (let done = 0; done < bytes.length; ) done += fs.writeSync(descriptor, bytes, done);
    });
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  const file = { folder: path, name: snapshotFile, beside: chatFileName };
  const problem = await judgeSnapshot(file, backup.header);
  if (problem !== "") {
    throw new StartError(`${backup.file} holds a state that is damaged: ${problem}`);
  }
  const statePath = join(path, chatFileName);
  new HostStateFiles(statePath).replaceWith(snapshotFile);
  return await withDatabase(statePath, (database) => {
    const { index } = backup.header;
    const appliedIndex = openChat(database).appliedIndex();
    if (appliedIndex === index) return countStored(database);
    throw new StartError(
      `${backup.file} says that its state is as of entry ${index}, but it is as of ${appliedIndex}`,
    );
  });
}

function found(folder: DataFolder, header: BackupHeader, config: ServerConfig): Promise<bigint> {
  const clusterId = drawNumber();
  const { replicaId, birthNonce } = folder.identity;
  const self = {
    replicaId,
    birthNonce,
    peerAddress: config.advertisedPeerAddress,
    clientAddress: config.clientAddress,
  };
  const { index, term } = header;
  return new Promise((succeed, reject) => {
    foundWithState(folder, { clusterId, self, index, term }, (error) => {
      if (error === undefined) succeed(clusterId);
      else reject(error);
    });
  });
}
