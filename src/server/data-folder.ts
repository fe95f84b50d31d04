// Opens one data folder for this process alone: takes its lock, then opens what the replica keeps
// there. Says in one sentence why it cannot. Not here: chat.db.
import { resolve } from "node:path";
import { FolderInUseError, FolderLock, HostClock, HostDisk } from "../host/index.ts";
import type { Disk } from "../io/disk.ts";
import {
  type FolderOptions,
  FolderRefusedError,
  openExistingFolder,
  openFolder,
  type ReplicaFolder,
  whenLogExists as whenLogFileExists,
} from "../replica/index.ts";
import { DamageError } from "../storage/index.ts";
import { StartError } from "./start-error.ts";

/** Who the folder should belong to, and where it is. */
export type DataFolderOptions = Omit<FolderOptions, "path" | "log"> & { readonly folder: string };

/** A data folder that is this process's until `close`. Its path is absolute. */
export type DataFolder = ReplicaFolder;

/**
 * Opens the folder or makes it. Throws a StartError where it is taken, damaged or somebody else's.
 */
export function openDataFolder({ folder, ...options }: DataFolderOptions): DataFolder {
  return openLocked(resolve(folder), (disk, path) => openFolder(disk, { ...options, path }));
}

/**
 * Opens a folder that is there, whoever's it is. Throws a StartError where it is taken or damaged.
 */
export function openExistingDataFolder(path: string): DataFolder {
  return openLocked(path, (disk) => openExistingFolder(disk, { path }));
}

function openLocked(path: string, open: (disk: Disk, path: string) => ReplicaFolder): DataFolder {
  let lock: FolderLock | undefined;
  try {
    lock = FolderLock.acquire(path);
    const held = lock;
    const folder = open(new HostDisk(path), path);
    return {
      ...folder,
      close: () => {
        folder.close();
        held.release();
      },
    };
  } catch (error) {
    lock?.release();
    throw asStartError(error, path);
  }
}

/**
 * Resolves when the log has its first file, durably. Rejects with a StartError where the disk is
 * full or too slow.
 */
export function whenLogExists(folder: DataFolder): Promise<void> {
  return new Promise((resolve, reject) => {
    whenLogFileExists(folder, new HostClock(), (error) => {
      if (error === undefined) resolve();
      else reject(asStartError(error, folder.path));
    });
  });
}

/** Damage and failures of the disk as one sentence; bugs as they are. */
export function asStartError(error: unknown, path: string): unknown {
  if (error instanceof FolderInUseError || error instanceof FolderRefusedError) {
    return new StartError(error.message);
  }
  if (error instanceof DamageError) {
    return new StartError(
      `the data folder ${path} is damaged and must not be used: ${error.message}`,
    );
  }
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof Error && typeof code === "string" && /^E[A-Z]+$/.test(code)) {
    return new StartError(`the data folder ${path} cannot be used: ${error.message}`);
  }
  return error;
}
