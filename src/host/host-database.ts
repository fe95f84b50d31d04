// SQLite behind io/database and io/state-store, by node:sqlite: WAL, synchronous=NORMAL, and
// checkpoints and copies in threads of their own, so that the calling thread never waits for the
// platter (but for one fsync of 24 bytes when a checkpointed WAL begins anew). Not here: schema,
// and any file call on the database: POSIX drops a process's locks when a descriptor is closed.
import { basename, dirname } from "node:path";
import { DatabaseSync, type DatabaseSyncOptions, type StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import type { Database, NotAPromise, SqlRow, SqlValue, Statement } from "../io/database.ts";
import type { CopyDone, StateStore } from "../io/state-store.ts";
import type {
  CheckpointReport,
  CheckpointRequest,
  CheckpointSettings,
} from "./checkpoint-worker.ts";
import { CopyThread } from "./copy-thread.ts";
import { pathInFolder } from "./host-disk.ts";
import { beginWriting, endWriting, gateAt, writeGateBytes } from "./write-gate.ts";

/**
 * How long a transaction may wait for the moment in which a checkpoint lets a large WAL begin anew.
 */
const busyTimeoutMs = 5_000;
/**
 * Statements kept prepared; the one prepared longest ago goes first. To prepare one costs 13 µs.
 */
const statementsMax = 512;
/** Transactions that are committed together at most, so that a commit takes few milliseconds. */
const transactionsPerCommitMax = 16;
/** Negative: KiB. */
const cacheKiB = -64 * 1024;

/** Settings of a database. */
export interface HostDatabaseOptions {
  /**
   * Path of the file, made when it is not there; ":memory:" for one that is gone when it is closed.
   */
  readonly path: string;
  /**
   * How long a transaction may wait to be committed together with the next ones (0: not at all). A
   * process that dies meanwhile loses them: for state that is made anew from a log. Each is still
   * rolled back alone when its body throws.
   */
  readonly commitDelayMs?: number;
  /** How often the WAL is brought into the file (500). */
  readonly checkpointIntervalMs?: number;
  /**
   * Above this size of the WAL (64 MiB) it is made to begin anew, if need be by making writers wait
   * for the last few frames to be synced: some milliseconds.
   */
  readonly walBytesLarge?: number;
  /** A copy is refused that would leave less room on the disk than this (256 MiB). */
  readonly spareBytes?: number;
  /**
   * A checkpoint failed, as by a full or broken disk. Final: the caller must stop using the
   * database.
   */
  readonly onFailure: (error: Error) => void;
}

/**
 * One SQLite file. A committed transaction survives the death of the process, and a power failure
 * after the next checkpoint: what must not be lost is in the log. Integer parameters reach
 * SQLite as REAL: columns of type INTEGER and comparisons with them take them as integers, an
 * expression of parameters alone does not.
 */
export class HostDatabase implements Database, StateStore {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #statements = new Map<string, Statement>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #commitDelayMs: number;
  readonly #onFailure: (error: Error) => void;
  #inBody = false;
  /** Transactions that wait for their common commit. */
  #uncommitted = 0;
  #commitTimer: NodeJS.Timeout | undefined;
  readonly #gate = gateAt(new SharedArrayBuffer(writeGateBytes));
  readonly #worker: Worker | undefined;
  readonly #closed: Promise<void>;
  /** Kept warm, since nobody may write before it holds the snapshot. */
  readonly #copying: CopyThread;
  /** Another one: to inspect a copy takes long, and a snapshot must not wait for it. */
  readonly #inspecting: CopyThread;
  /** A copy was asked for that does not hold its snapshot yet. */
  #isCopyBeginning = false;

  /** Opens or makes the file. Throws SQLite's error. */
  constructor(options: HostDatabaseOptions) {
    const { path, checkpointIntervalMs = 500, walBytesLarge = 64 * 1024 * 1024 } = options;
    const settings: DatabaseSyncOptions = { timeout: busyTimeoutMs };
    this.#database = new DatabaseSync(path, { ...settings, enableForeignKeyConstraints: true });
    try {
      this.#database.exec(`PRAGMA cache_size = ${cacheKiB}; PRAGMA temp_store = MEMORY`);
      if (path !== ":memory:") this.#database.exec(fileSettings(walBytesLarge));
    } catch (error) {
      // A file that is no database: its files may be moved now, and a later close would hit others.
      this.#database.close();
      throw error;
    }
    if (path === ":memory:") {
      this.#closed = Promise.resolve();
    } else {
      this.#worker = startWorker(
        { path, checkpointIntervalMs, walBytesLarge, gateMemory: this.#gate.buffer },
        // What fails after the end is made good by the log.
        (error) => {
          if (this.#database.isOpen) options.onFailure(error);
        },
      );
      this.#closed = new Promise((resolve) => this.#worker?.once("exit", () => resolve()));
    }
    const { spareBytes = 256 * 1024 * 1024 } = options;
    const copySettings = { path, spareBytes, gateMemory: this.#gate.buffer };
    this.#copying = new CopyThread(copySettings);
    this.#inspecting = new CopyThread(copySettings);
    if (path !== ":memory:") this.#copying.warm();
    this.#path = path;
    this.#commitDelayMs = options.commitDelayMs ?? 0;
    this.#onFailure = options.onFailure;
    this.#begin = this.#database.prepare("BEGIN IMMEDIATE");
    this.#commit = this.#database.prepare("COMMIT");
    this.#savepoint = this.#database.prepare("SAVEPOINT body");
    this.#release = this.#database.prepare("RELEASE body");
  }

  prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= statementsMax) {
      for (const oldest of this.#statements.keys()) {
        this.#statements.delete(oldest);
        break;
      }
    }
    const statement = new HostStatement(this.#database.prepare(sql));
    this.#statements.set(sql, statement);
    return statement;
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  /** A transaction inside a transaction is a bug, and so is a body that answers a promise. */
  transaction<T>(body: () => NotAPromise<T>): T {
    assert(!this.#inBody, "a transaction inside a transaction");
    assert(!this.#isCopyBeginning, "a transaction before a copy holds its snapshot");
    this.#inBody = true;
    try {
      if (!this.#database.isTransaction) {
        beginWriting(this.#gate, busyTimeoutMs);
        this.#begin.run();
      }
      this.#savepoint.run();
      const result = body();
      assert(!isPromise(result), "a transaction must be synchronous");
      this.#release.run();
      this.#uncommitted += 1;
      this.#commitLater();
      return result as T;
    } catch (error) {
      this.#rollBackBody();
      throw error;
    } finally {
      this.#inBody = false;
    }
  }

  #rollBackBody(): void {
    // Some errors, such as a full disk, have ended the whole transaction already.
    if (this.#database.isTransaction) this.#database.exec("ROLLBACK TO body; RELEASE body");
    if (this.#uncommitted === 0) this.#commitNow();
  }

  /** At once, or with the next ones. */
  #commitLater(): void {
    if (this.#commitDelayMs === 0 || this.#uncommitted >= transactionsPerCommitMax) {
      this.#commitNow();
    } else {
      this.#commitTimer ??= setTimeout(() => {
        try {
          this.#commitNow();
        } catch (error) {
          this.#onFailure(error instanceof Error ? error : new Error(String(error)));
        }
      }, this.#commitDelayMs);
    }
  }

  #commitNow(): void {
    clearTimeout(this.#commitTimer);
    this.#commitTimer = undefined;
    this.#uncommitted = 0;
    try {
      if (this.#database.isTransaction) this.#commit.run();
    } finally {
      endWriting(this.#gate);
    }
  }

  /** One at a time. The name is that of a file in the database's folder. */
  copyTo(name: string, calls: { readonly held: () => void; readonly done: CopyDone }): void {
    assert(!this.#inBody, "a copy inside a transaction");
    const to = this.#pathOf(name);
    const { held, done } = calls;
    const problem = this.#prepareCopy();
    if (problem !== undefined) {
      setImmediate(() => {
        held();
        done(problem);
      });
      return;
    }
    this.#isCopyBeginning = true;
    this.#copying.ask(
      { kind: "copy", to },
      {
        held: () => {
          this.#isCopyBeginning = false;
          held();
        },
        // The WAL has grown meanwhile.
        released: () => this.checkpointSoon(),
        done,
      },
    );
  }

  inspect(name: string, done: CopyDone): void {
    const path = this.#pathOf(name);
    this.#inspecting.ask({ kind: "inspect", path }, { held() {}, released() {}, done });
  }

  /** Commits what waits; the copy has it then. */
  #prepareCopy(): Error | undefined {
    if (!this.#database.isOpen) return new Error("the database is closed");
    if (this.#worker === undefined) return new Error("a database in memory has no copies");
    if (this.#copying.isBusy) return new Error("another copy is under way");
    try {
      if (this.#uncommitted > 0) this.#commitNow();
      return undefined;
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      this.#onFailure(error);
      return error;
    }
  }

  #pathOf(name: string): string {
    const own = basename(this.#path);
    const isOwn = ["", "-wal", "-shm", "-journal"].some((suffix) => name === own + suffix);
    assert(!isOwn, `${name} belongs to the database that is open`);
    return pathInFolder(dirname(this.#path), name);
  }

  /**
   * A copy under way is given up. The last checkpoint follows in the other thread; see
   * `whenClosed`.
   */
  close(): void {
    if (this.#uncommitted > 0) this.#commitNow();
    this.#statements.clear();
    this.#database.close();
    const copiesEnded = [this.#copying.close(), this.#inspecting.close()];
    const request: CheckpointRequest = "close";
    // The last one that closes makes the last checkpoint, so it must be the only one.
    void Promise.all(copiesEnded).then(() => {
      this.#worker?.ref();
      this.#worker?.postMessage(request);
    });
  }

  /** Resolves when, after `close`, the last checkpoint is done and no file is open any more. */
  whenClosed(): Promise<void> {
    return this.#closed;
  }

  /** Asks for a checkpoint now, besides the regular ones. */
  checkpointSoon(): void {
    const request: CheckpointRequest = "checkpoint";
    this.#worker?.postMessage(request);
  }
}

/** A prepared statement; rows are objects without a prototype, blobs are Uint8Arrays. */
class HostStatement implements Statement {
  readonly #statement: StatementSync;

  constructor(statement: StatementSync) {
    this.#statement = statement;
  }

  run(...parameters: SqlValue[]): { readonly changes: number } {
    // A bigint only where asked for, which is nowhere.
    return this.#statement.run(...parameters) as { changes: number };
  }

  get(...parameters: SqlValue[]): SqlRow | undefined {
    return this.#statement.get(...parameters) as SqlRow | undefined;
  }

  all(...parameters: SqlValue[]): SqlRow[] {
    return this.#statement.all(...parameters) as SqlRow[];
  }
}

function fileSettings(walBytesLarge: number): string {
  return `
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
    -- A WAL that grew is cut to this when it begins anew.
    PRAGMA journal_size_limit = ${walBytesLarge}`;
}

function startWorker(settings: CheckpointSettings, onFailure: (error: Error) => void): Worker {
  const url = new URL("./checkpoint-worker.ts", import.meta.url);
  const worker = new Worker(url, { workerData: settings });
  worker.on("message", (report: CheckpointReport) => {
    onFailure(new Error(`checkpoint of ${settings.path}: ${report.failure}`));
  });
  worker.on("error", (error) => {
    onFailure(error instanceof Error ? error : new Error(String(error)));
  });
  worker.unref();
  return worker;
}

function isPromise(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value;
}
