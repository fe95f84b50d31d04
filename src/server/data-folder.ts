// Opens one data folder for this process alone: takes its lock, then opens what the replica keeps
// there. Says in one sentence why it cannot. Not here: chat.db.
import { resolve } from "node:path";
import { FolderInUseError, FolderLock, HostDisk } from "../host/index.ts";
import type { Disk } from "../io/disk.ts";
import {
  decodeIdentity,
  type FolderOptions,
  FolderRefusedError,
  FolderRemovedError,
  openExistingFolder,
  openFolder,
  type ReplicaFolder,
} from "../replica/index.ts";
import { DamageError, IdentityStore } from "../storage/index.ts";
import { RemovedError, StartError } from "./start-error.ts";

/** Who the folder should belong to, and where it is. */
export type DataFolderOptions = Omit<FolderOptions, "path" | "log" | "replicaId" | "schedule"> & {
  readonly folder: string;
  /** Undefined: whom the folder says, `newReplicaId` where it is new. */
  readonly replicaId: number | undefined;
  readonly newReplicaId: number;
};

/** A data folder that is this process's until `close`. Its path is absolute. */
export type DataFolder = ReplicaFolder;

/**
 * Opens the folder or makes it; what can be healed is healed. Throws a StartError where it is taken
 * or somebody else's.
 */
export function openDataFolder(options: DataFolderOptions): DataFolder {
  const { folder, replicaId: given, newReplicaId, ...rest } = options;
  return openLocked(resolve(folder), (disk, path) => {
    const replicaId = given ?? ownerOf(disk) ?? newReplicaId;
    const schedule = (work: () => void) => void setImmediate(work);
    return openFolder(disk, { ...rest, replicaId, path, schedule });
  });
}

/**
 * Opens a folder that is there, whoever's it is, and heals nothing. Throws a StartError where it is
 * taken or damaged; with `damage` "report" a damaged log can be read as far as it is whole.
 */
export function openExistingDataFolder(
  path: string,
  log: { readonly damage: "refuse" | "report" } = { damage: "refuse" },
): DataFolder {
  return openLocked(path, (disk) => openExistingFolder(disk, { path, log }));
}

/** Whose a folder is; undefined where it is new or does not say. */
function ownerOf(disk: Disk): number | undefined {
  if (!disk.exists("identity")) return undefined;
  try {
    const store = new IdentityStore(disk);
    const bytes = store.current();
    store.close();
    return bytes === undefined ? undefined : decodeIdentity(bytes).replicaId || undefined;
  } catch (error) {
    if (error instanceof DamageError) return undefined;
    throw error;
  }
}

/** Opens a folder under its lock, which goes when the folder is closed. */
export function openLocked<Folder extends { close(): void }>(
  path: string,
  open: (disk: Disk, path: string) => Folder,
): Folder {
  let lock: FolderLock | undefined;
  try {
    lock = FolderLock.acquire(path);
    const held = lock;
    const folder = open(new HostDisk(path), path);
    const closeFolder = folder.close;
    // The same object, since what it tells of itself changes.
    return Object.assign(folder, {
      close: () => {
        closeFolder();
        held.release();
      },
    });
  } catch (error) {
    lock?.release();
    throw asStartError(error, path);
  }
}

/** Damage and failures of the disk as one sentence; bugs as they are. */
export function asStartError(error: unknown, path: string): unknown {
  if (error instanceof FolderRemovedError) return new RemovedError(error.message);
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
