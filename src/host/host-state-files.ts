// The files of a database that no process has open, behind io/state-store: put another in its
// place, or move it out of the way, so that a crash between any two steps leaves nothing that is
// taken for a whole database and is none. Not here: anything about a database that is open.
import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import type { StateFiles } from "../io/state-store.ts";
import { pathInFolder, syncFolderNow } from "./host-disk.ts";

/** What SQLite keeps beside a database. Taken for those of any file that has its name. */
const walSuffix = "-wal";
const companions = ["-journal", walSuffix, "-shm"];

/** The files of one database. */
export class HostStateFiles implements StateFiles {
  readonly #path: string;

  /** `path`: that of the database; the folder that it is in is the data folder. */
  constructor(path: string) {
    this.#path = path;
  }

  replaceWith(name: string): void {
    for (const step of replaceSteps(this.#path, name)) step();
  }

  setAside(): void {
    for (const step of setAsideSteps(this.#path)) step();
  }
}

type Steps = readonly (() => void)[];

/**
 * The old WAL goes first, and durably: beside the new file SQLite would take it for that one's, and
 * write pages of the old state into it. A crash after that leaves the old database without its
 * WAL, which may be half of a checkpoint: so whoever has begun must repeat this before the database
 * is opened. Once renamed, the file is gone from where it was, and a repetition touches nothing:
 * the WAL may be the new one's by then.
 */
export function replaceSteps(path: string, name: string): Steps {
  const folder = dirname(path);
  const from = pathInFolder(folder, name);
  const syncFolders = [() => syncFolderNow(folder), () => syncFolderNow(dirname(from))];
  if (!fs.existsSync(from)) {
    if (fs.existsSync(path)) return syncFolders;
    throw new Error(`ENOENT: there is neither ${from} nor a database that it has become`);
  }
  return [
    () => syncFile(from),
    ...companions.map((suffix) => () => fs.rmSync(path + suffix, { force: true })),
    () => syncFolderNow(folder),
    () => fs.renameSync(from, path),
    ...syncFolders,
  ];
}

/**
 * The database goes first, and durably: without its WAL it may be half of a checkpoint, and nobody
 * would see that. A WAL without a database is harmless: SQLite removes it when it makes a new one.
 * Only the newest one set aside is kept, with its WAL, for people to look at.
 */
export function setAsideSteps(path: string): Steps {
  const folder = dirname(path);
  const prefix = `${basename(path)}.damaged-`;
  const older = fs.readdirSync(folder).filter((name) => name.startsWith(prefix));
  const numbers = older.map((name) => Number.parseInt(name.slice(prefix.length), 10) || 0);
  const target = join(folder, `${prefix}${Math.max(0, ...numbers) + 1}`);
  const removeCompanions = companions.map(
    (suffix) => () => fs.rmSync(path + suffix, { force: true }),
  );
  if (!fs.existsSync(path)) return [...removeCompanions, () => syncFolderNow(folder)];
  return [
    () => fs.renameSync(path, target),
    () => syncFolderNow(folder),
    () => renameIfThere(path + walSuffix, target + walSuffix),
    ...removeCompanions,
    ...older.map((name) => () => fs.rmSync(join(folder, name), { force: true })),
    () => syncFolderNow(folder),
  ];
}

function renameIfThere(from: string, to: string): void {
  if (fs.existsSync(from)) fs.renameSync(from, to);
}

function syncFile(path: string): void {
  const descriptor = fs.openSync(path, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
