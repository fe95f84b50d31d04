// The other side of copy-thread.ts: copies one database as it is at one moment, and reads copies in
// full, on connections of its own and at a pace that leaves disk and processor to the server.
// Writes to no database that is in use.
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { dirname } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { type ContentValue, contentsOf } from "../base/sql-contents.ts";
import { createCorruption } from "../base/sql-error.ts";
import { createDataFolder, syncFolderNow } from "./host-disk.ts";
import { beginReading, endReading, gateAt } from "./write-gate.ts";

/** What the thread is started with: the database that it copies. */
export interface CopySettings {
  readonly path: string;
  /** Room on the disk that a copy leaves. */
  readonly spareBytes: number;
  readonly gateMemory: SharedArrayBuffer;
}

/** What it can be asked for; one after the other. "close": its end, whatever is under way. */
export type CopyRequest =
  | { readonly kind: "copy"; readonly to: string }
  | { readonly kind: "inspect"; readonly path: string }
  | "close";

/** An error in parts: a posted Error loses its codes. */
export interface ErrorParts {
  readonly message: string;
  readonly code: unknown;
  readonly errcode: unknown;
  readonly errstr: unknown;
}

/**
 * What it says of the request: `held` and `released` are when the snapshot of the database begins
 * and ends to be read; then the last word.
 */
export type CopyReport =
  | { readonly kind: "held" | "released" }
  | { readonly kind: "done"; readonly size: number; readonly digest: Uint8Array }
  | { readonly kind: "failed"; readonly error: ErrorParts };

/**
 * Pages copied, then synced, at a time (2 MiB): a sync of the log that comes between waits no
 * longer than for these. With half as many 1 GB took half as long again.
 */
const pagesPerStep = 512;
/** Rest after a step, in parts of what it took: the WAL grows until the last one, so few. */
const copyRest = 0.5;
/** How long the rows are read at a time. */
const readSliceMs = 10;
/**
 * Rest after a slice, in parts of what it took: a fifth of one processor is used, and less of one
 * that others want, since a slice takes longer then.
 */
const readRest = 4;
const lockTimeoutMs = 5_000;
const fileMode = 0o600;
/** What SQLite may have put beside a file. */
const companions = ["-journal", "-wal", "-shm"];

const settings = workerData as CopySettings;
const gate = gateAt(settings.gateMemory);
/** Nobody wakes anyone here: a wait that only ends by its time. */
const restCell = new Int32Array(new SharedArrayBuffer(4));
let isClosing = false;
let work = Promise.resolve();

parentPort?.on("message", (request: CopyRequest) => {
  if (request === "close") {
    isClosing = true;
    void work.then(() => parentPort?.close());
  } else {
    work = work.then(() => handle(request));
  }
});

async function handle(request: Exclude<CopyRequest, "close">): Promise<void> {
  try {
    goOn();
    if (request.kind === "copy") report({ kind: "done", ...(await copy(request.to)) });
    else report({ kind: "done", ...(await inspect(request.path)) });
  } catch (error) {
    report({ kind: "failed", error: partsOf(error) });
  }
}

/** Between any two steps. */
function goOn(): void {
  if (isClosing) throw new Error("the database was closed before the copy was whole");
}

async function copy(to: string): Promise<{ size: number; digest: Uint8Array }> {
  beginReading(gate, lockTimeoutMs);
  let source: DatabaseSync | undefined;
  try {
    source = new DatabaseSync(settings.path, { readOnly: true, timeout: lockTimeoutMs });
    // The first statement that reads takes the snapshot.
    source.exec("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1");
    report({ kind: "held" });
    await copyPages(source, to);
    source.close();
    source = undefined;
    endReading(gate);
    report({ kind: "released" });
    // The digest reads the tables alone: this finds pages of indexes that are none.
    return await read(to, "PRAGMA quick_check(1)");
  } catch (error) {
    giveUp(to);
    throw error;
  } finally {
    source?.close();
    endReading(gate);
  }
}

/** What is half made is removed, where the disk lets us: the error that came first says more. */
function giveUp(to: string): void {
  try {
    removeCopy(to);
  } catch {}
}

/** Page by page by SQLite's backup, inside the transaction: exactly the snapshot, then durable. */
async function copyPages(source: DatabaseSync, to: string): Promise<void> {
  createDataFolder(dirname(to));
  // SQLite would take the journal of an earlier attempt for this one's.
  removeCopy(to);
  assertRoom(source, dirname(to));
  const descriptor = fs.openSync(to, "wx", fileMode);
  try {
    let beganMs = performance.now();
    const progress = () => {
      goOn();
      fs.fdatasyncSync(descriptor);
      Atomics.wait(restCell, 0, 0, copyRest * (performance.now() - beganMs));
      beganMs = performance.now();
    };
    await backup(source, to, { rate: pagesPerStep, progress });
    goOn();
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  syncFolderNow(dirname(to));
}

function assertRoom(source: DatabaseSync, folder: string): void {
  const bytes = sizeOf(source);
  const { bavail, bsize } = fs.statfsSync(folder);
  if (bavail * bsize >= bytes + settings.spareBytes) return;
  const problem =
    `ENOSPC: a copy of ${bytes} bytes must leave ${settings.spareBytes} free besides, ` +
    `but the disk has ${bavail * bsize}`;
  throw Object.assign(new Error(problem), { code: "ENOSPC" });
}

function removeCopy(path: string): void {
  for (const suffix of ["", ...companions]) fs.rmSync(path + suffix, { force: true });
}

/**
 * All that SQLite can find. A file from elsewhere is about to become the state: a row that an index
 * has under another key is damage that neither its digest nor a quick check shows.
 */
async function inspect(path: string): Promise<{ size: number; digest: Uint8Array }> {
  return await read(path, "PRAGMA integrity_check(1)");
}

/** Whether a file that nobody changes is whole, and its digest. */
async function read(path: string, check: string): Promise<{ size: number; digest: Uint8Array }> {
  const { size } = fs.statSync(path);
  const database = openCopy(path);
  try {
    const bytes = sizeOf(database);
    if (bytes !== size || size === 0) {
      throw createCorruption(`the file has ${size} bytes, but its pages are ${bytes}`);
    }
    const [found] = Object.values(database.prepare(check).get() ?? {});
    if (found !== "ok") throw createCorruption(`the database is damaged: ${found}`);
    goOn();
    return { size, digest: await digest(database) };
  } finally {
    database.close();
  }
}

function sizeOf(database: DatabaseSync): number {
  const pages = "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size";
  return Number(database.prepare(pages).get()?.["bytes"]);
}

async function digest(database: DatabaseSync): Promise<Uint8Array> {
  const hash = createHash("sha256");
  const rows = (sql: string) => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement.iterate() as unknown as Iterable<ContentValue[]>;
  };
  let beganMs = performance.now();
  for (const piece of contentsOf(rows)) {
    hash.update(piece);
    const tookMs = performance.now() - beganMs;
    if (tookMs < readSliceMs) continue;
    await sleep(readRest * tookMs);
    goOn();
    beganMs = performance.now();
  }
  return hash.digest();
}

/** Nobody writes to it: no lock is taken, and no file is made beside it. */
function openCopy(path: string): DatabaseSync {
  const url = pathToFileURL(path);
  url.searchParams.set("immutable", "1");
  return new DatabaseSync(url, { readOnly: true });
}

function report(message: CopyReport): void {
  parentPort?.postMessage(message);
}

function partsOf(thrown: unknown): ErrorParts {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { code, errcode, errstr } = error as unknown as ErrorParts;
  // An integer beyond 2^53: nobody has written that.
  if (code === "ERR_OUT_OF_RANGE") return partsOf(createCorruption(error.message));
  return { message: error.message, code, errcode, errstr };
}
