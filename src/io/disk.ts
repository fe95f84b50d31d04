// The port to one data folder. Calls that only move bytes are synchronous; what waits for the
// platter calls back. Names are file names relative to the folder, with `/` for a subfolder; they
// never leave it.

/** Called once: with nothing when all went well, or with what went wrong. */
export type Done = (error?: Error) => void;

/** An open file. */
export interface DiskFile {
  /** Present length in bytes. */
  size(): number;
  /** Bytes [offset, offset + length); fewer where the file ends. Throws on an I/O error. */
  read(offset: number, length: number): Uint8Array;
  /**
   * Puts bytes at an offset, extending the file where needed. They are not durable before a later
   * `sync` has called back. `bytes` may be used again at once. Throws on an I/O error (ENOSPC,
   * EIO): the caller must stop and never write again (design.md §3).
   */
  write(offset: number, bytes: Uint8Array): void;
  /**
   * Makes all earlier writes of this file durable, then calls back, never from inside the call. A
   * failure is final: never retried.
   */
  sync(done: Done): void;
  /**
   * As `sync`, but only returns when it is done. For start-up and rare small writes such as votes.
   * Throws.
   */
  syncNow(): void;
  /** Cuts the file to this length. Durable after the next sync. */
  truncate(length: number): void;
  /** Lets go of it. A sync under way still calls back. */
  close(): void;
}

/** One data folder. */
export interface Disk {
  /** Opens a file, makes it when it does not exist and `create` is set; throws otherwise. */
  open(name: string, options: { create: boolean }): DiskFile;
  exists(name: string): boolean;
  /**
   * Names of the files in a subfolder ("" is the folder itself), sorted. A missing subfolder is
   * empty.
   */
  list(folder: string): string[];
  /**
   * Makes a zero-filled file of this length, durable with its name, off the calling thread.
   * The name must not exist; it appears when the file is whole, and never replaces one that came
   * meanwhile. Calls back with the error where there is no room.
   */
  allocate(name: string, length: number, done: Done): void;
  remove(name: string): void;
  /**
   * Gives a file another name, in place of a file that has it. After a crash all of it has happened
   * or nothing; durable with a `syncFolder` of the new name's folder. Open files stay open. Throws.
   */
  rename(from: string, to: string): void;
  /** Makes names (creation, removal, renaming) in a subfolder durable. Throws. */
  syncFolder(folder: string): void;
  /** Bytes free for this folder's file system. */
  freeBytes(): number;
}
