// One process per data folder. The lock is SQLite's exclusive lock on an empty database file: the
// operating system lets go of it however the process dies, so a crash leaves nothing to clean up.
// Not here: whose the folder is.
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createDataFolder } from "./host-disk.ts";

const lockFile = "lock.db";
/** SQLITE_BUSY: another process has the lock. */
const sqliteBusy = 5;
/**
 * What this process holds, by real paths; also keeps the database, and with it the lock, from
 * garbage collection.
 */
const held = new Map<string, FolderLock>();

/** Another process, or another part of this one, uses the folder. */
export class FolderInUseError extends Error {
  override name = "FolderInUseError";
  readonly folder: string;

  constructor(folder: string, by: string) {
    super(`the data folder ${folder} is in use by ${by}; one folder belongs to one running server`);
    this.folder = folder;
  }
}

/** Holds a data folder for this process, from `acquire` to `release` or the end of the process. */
export class FolderLock {
  readonly #database: DatabaseSync;
  readonly #path: string;

  private constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
  }

  /**
   * Makes the folder where it is missing, and takes it. Throws a FolderInUseError at once when it
   * is taken.
   */
  static acquire(folder: string): FolderLock {
    createDataFolder(folder);
    const path = realpathSync(folder);
    if (held.has(path)) throw new FolderInUseError(folder, "this process");
    const database = new DatabaseSync(join(path, lockFile), { timeout: 0 });
    try {
      database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      if ((error as { errcode?: number }).errcode === sqliteBusy) {
        throw new FolderInUseError(folder, "another process");
      }
      throw error;
    }
    const lock = new FolderLock(database, path);
    held.set(path, lock);
    return lock;
  }

  /** Lets go of the folder. */
  release(): void {
    this.#database.close();
    held.delete(this.#path);
  }
}
