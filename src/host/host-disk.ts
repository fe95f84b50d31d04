// The real disk behind io/disk: one data folder through node:fs. What moves bytes into the page
// cache is synchronous (microseconds); fdatasync runs in a thread of its own, making files ahead in
// libuv's threads. Not here: what the files mean.
import * as fs from "node:fs";
import { dirname, join, resolve } from "node:path";
import { assert } from "../base/assert.ts";
import type { Disk, DiskFile, Done } from "../io/disk.ts";
import { syncThread } from "./sync-thread.ts";

/**
 * Bytes of zeros written and synced at a time, so that making a file ahead never floods the disk's
 * queue.
 */
const allocateChunkBytes = 256 * 1024;
/** A file that is being made; it gets its name when it is whole. */
const makingSuffix = ".making";
/** Files in the making by this process, by their passing names. */
const beingMade = new Set<string>();
let makingCount = 0;
const fileMode = 0o600;
const folderMode = 0o700;
/** Names as this project makes them; no dot may begin a part, so none can leave the folder. */
const safeName = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/;

/** One data folder on this machine. Makes the folder, for its owner only, when it is not there. */
export class HostDisk implements Disk {
  readonly #root: string;
  readonly #underWay = new Set<Promise<unknown>>();

  /** `folder`: path of the data folder. Throws where it can be neither found nor made. */
  constructor(folder: string) {
    this.#root = resolve(folder);
    createDataFolder(this.#root);
  }

  open(name: string, options: { create: boolean }): DiskFile {
    const path = this.#path(name);
    if (!options.create) return new HostFile(fs.openSync(path, fs.constants.O_RDWR));
    createDataFolder(dirname(path));
    const flags = fs.constants.O_RDWR | fs.constants.O_CREAT;
    return new HostFile(fs.openSync(path, flags, fileMode));
  }

  exists(name: string): boolean {
    return fs.existsSync(this.#path(name));
  }

  list(folder: string): string[] {
    const path = folder === "" ? this.#root : this.#path(folder);
    let entries: fs.Dirent[];
    try {
      entries = fs.readdirSync(path, { withFileTypes: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith(makingSuffix));
    return files.map((entry) => entry.name).sort();
  }

  allocate(name: string, length: number, done: Done): void {
    const path = this.#path(name);
    assert(!fs.existsSync(path), `${name} is there already`);
    createDataFolder(dirname(path));
    makingCount += 1;
    const making = `${path}.${makingCount}${makingSuffix}`;
    beingMade.add(making);
    const work = this.#make(path, making, length).then(
      () => undefined,
      (error: Error) => error,
    );
    this.#underWay.add(work);
    work.then((error) => {
      this.#underWay.delete(work);
      done(error);
    });
  }

  /** Resolves when no file is in the making. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  remove(name: string): void {
    fs.rmSync(this.#path(name));
  }

  rename(from: string, to: string): void {
    const path = this.#path(to);
    createDataFolder(dirname(path));
    fs.renameSync(this.#path(from), path);
  }

  syncFolder(folder: string): void {
    syncFolderNow(folder === "" ? this.#root : this.#path(folder));
  }

  freeBytes(): number {
    const { bavail, bsize } = fs.statfsSync(this.#root);
    return bavail * bsize;
  }

  /** Written under another name first, so that a file under its own name is always whole. */
  async #make(path: string, making: string, length: number): Promise<void> {
    try {
      await removeLeftovers(dirname(path));
      const file = await fs.promises.open(making, "w", fileMode);
      try {
        await fillWithZeros(file, length);
      } finally {
        await file.close();
      }
      // Unlike a rename, a link never replaces what somebody else made meanwhile under this name.
      await fs.promises.link(making, path).catch(ignoreExisting);
      await fs.promises.unlink(making);
      await syncFolderAsync(dirname(path));
    } catch (error) {
      await fs.promises.rm(making, { force: true }).catch(() => {});
      throw error;
    } finally {
      beingMade.delete(making);
    }
  }

  #path(name: string): string {
    return pathInFolder(this.#root, name);
  }
}

/** Where a file of a data folder is. Its name never leads out of the folder. */
export function pathInFolder(folder: string, name: string): string {
  assert(safeName.test(name), `unsafe file name ${JSON.stringify(name)}`);
  return join(folder, name);
}

/**
 * Makes a data folder that only its owner can read, durable with its name; harmless when it is
 * there. Throws where a part of the path is no folder or may not be written.
 */
export function createDataFolder(folder: string): void {
  const path = resolve(folder);
  const topmostMade = fs.mkdirSync(path, { recursive: true, mode: folderMode });
  if (topmostMade === undefined) return;
  // Each folder that was made is an entry in its parent.
  for (let made = path; made.length >= topmostMade.length; made = dirname(made)) {
    syncFolderNow(dirname(made));
  }
}

/** Makes names (creation, removal) in a folder durable. Throws. */
export function syncFolderNow(path: string): void {
  const descriptor = fs.openSync(path, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

async function fillWithZeros(file: fs.promises.FileHandle, length: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(length, allocateChunkBytes));
  for (let offset = 0; offset < length; offset += zeros.length) {
    await file.writeFile(zeros.subarray(0, Math.min(zeros.length, length - offset)));
    await file.datasync();
  }
  await file.sync();
}

/**
 * Removes what a process that died left half made. No other process uses the folder
 * (folder-lock.ts).
 */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await fs.promises.readdir(folder)) {
    const path = join(folder, name);
    if (name.endsWith(makingSuffix) && !beingMade.has(path)) {
      await fs.promises.rm(path, { force: true });
    }
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}

async function syncFolderAsync(path: string): Promise<void> {
  const folder = await fs.promises.open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

class HostFile implements DiskFile {
  readonly #descriptor: number;
  #syncsInFlight = 0;
  #closed = false;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  size(): number {
    return fs.fstatSync(this.#open()).size;
  }

  read(offset: number, length: number): Uint8Array {
    const descriptor = this.#open();
    const bytes = new Uint8Array(length);
    let have = 0;
    while (have < length) {
      const count = fs.readSync(descriptor, bytes, have, length - have, offset + have);
      if (count === 0) return bytes.subarray(0, have);
      have += count;
    }
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    const descriptor = this.#open();
    let have = 0;
    while (have < bytes.length) {
      const left = bytes.length - have;
      have += fs.writeSync(descriptor, bytes, have, left, offset + have);
    }
  }

  sync(done: Done): void {
    const descriptor = this.#open();
    this.#syncsInFlight += 1;
    syncThread.sync(descriptor, (error) => {
      this.#syncsInFlight -= 1;
      if (this.#closed && this.#syncsInFlight === 0) fs.closeSync(descriptor);
      done(error);
    });
  }

  syncNow(): void {
    fs.fdatasyncSync(this.#open());
  }

  truncate(length: number): void {
    fs.ftruncateSync(this.#open(), length);
  }

  /**
   * A descriptor that is being synced is closed when that is done, lest its number be used again
   * before.
   */
  close(): void {
    const descriptor = this.#open();
    this.#closed = true;
    if (this.#syncsInFlight === 0) fs.closeSync(descriptor);
  }

  /** The number may belong to another file once this one is closed. */
  #open(): number {
    assert(!this.#closed, "a closed file is used");
    return this.#descriptor;
  }
}
