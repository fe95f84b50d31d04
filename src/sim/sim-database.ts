// A server's SQLite database in a simulated world: node:sqlite in memory, with what a crash leaves
// of a real one (src/host/host-database.ts). Transactions are committed some together and a little
// later; a killed process loses those that were not, and a power failure all since the last
// checkpoint. Outlives processes. Not here: the schema.
import { createHash } from "node:crypto";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { Clock, Timer } from "../io/clock.ts";
import type { Database, NotAPromise, SqlRow, SqlValue, Statement } from "../io/database.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** How long the product lets transactions wait for their common commit (src/server). */
const commitDelayMsDefault = 10;
/** A timer of a busy process comes so much later at most. */
const commitLatenessMsMax = 5;
/** As in src/host/host-database.ts. */
const transactionsPerCommitMax = 16;
/** As in src/host/host-database.ts. */
const checkpointIntervalMs = 500;
/** How often a power failure finds that what was committed had reached the platter by itself. */
const writtenBackProbability = 0.3;
/** Statements kept prepared; all are dropped when there are more. */
const statementsMax = 1024;

/** What node:sqlite throws when there is no room on the disk: SQLITE_FULL. */
class FullError extends Error {
  readonly code = "ERR_SQLITE_ERROR";
  readonly errcode = 13;
  readonly errstr = "database or disk is full";

  constructor() {
    super("database or disk is full");
  }
}

/** A database as it was; see `SimDatabase.copy`. */
export interface DatabaseCopy {
  readonly bytes: Uint8Array;
}

/** One server's database. */
export class SimDatabase {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #commitDelayMs: number;
  #layers = new Layers(undefined);
  #life: DatabaseLife | undefined;

  /** `commitDelayMs`: how long transactions wait for their common commit (10; 0: not at all). */
  constructor(options: {
    readonly time: VirtualTime;
    readonly random: Random;
    readonly commitDelayMs?: number;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#commitDelayMs = options.commitDelayMs ?? commitDelayMsDefault;
  }

  /**
   * The database of a new process; that of the process before must be gone. `onFailure` hears of a
   * commit that failed later; without it such an error is thrown out of the event.
   */
  openLife(clock: Clock, onFailure?: (error: Error) => void): Database {
    assert(this.#life === undefined, "two processes have one database open");
    this.#life = new DatabaseLife({
      layers: this.#layers,
      time: this.#time,
      clock,
      random: this.#random,
      commitDelayMs: this.#commitDelayMs,
      onFailure: onFailure ?? rethrow,
      onClosed: () => {
        this.#life = undefined;
      },
    });
    return this.#life;
  }

  /**
   * The next transaction, or the next common commit, of the process that runs fails as on a full
   * disk and takes all that was not committed with it. False: no process has it open.
   */
  failNext(what: "transaction" | "commit"): boolean {
    this.#life?.failNext(what);
    return this.#life !== undefined;
  }

  /** The process dies: what it had not committed is gone. Harmless when there is none. */
  kill(): void {
    this.#life?.end();
    this.#life = undefined;
    this.#layers.loseUncommitted();
  }

  /** The power fails: mostly, what was committed since the last checkpoint is gone too. */
  losePower(): void {
    this.kill();
    if (!this.#layers.isDirty) return;
    // The kernel may have written the WAL by itself: SQLite finds all of it then.
    if (this.#random.nextBoolean(writtenBackProbability)) this.#layers.checkpoint();
    else this.#layers.loseUnchecked();
  }

  /** An empty one from now on. No process may have it open. */
  clear(): void {
    this.#replace(undefined);
  }

  /** It as it is now. No process may have it open. */
  copy(): DatabaseCopy {
    assert(this.#life === undefined, "a database is copied while a process has it open");
    return { bytes: this.#layers.serialize() };
  }

  /** It as it was when this copy was made, of this or of another one; all of it durable. */
  restore(copy: DatabaseCopy): void {
    this.#replace(copy.bytes);
  }

  /** All rows of a query, as the process sees them. */
  rows(sql: string): SqlRow[] {
    return this.#layers.statement(sql).all() as SqlRow[];
  }

  /**
   * A digest of the schema and of every row of every table, in the order of rowids or primary keys,
   * as the process sees them. Equal contents have equal digests.
   */
  digest(): string {
    const hash = createHash("sha256");
    for (const { name, sql, columns } of this.rows(tablesSql)) {
      hash.update(JSON.stringify([name, sql]));
      const order = columns === null ? "rowid" : columns;
      const statement = this.#layers.prepare(`SELECT * FROM "${name}" ORDER BY ${order}`);
      for (const row of statement.iterate()) {
        for (const value of Object.values(row)) hash.update(encodeValue(value as SqlValue));
      }
    }
    return hash.digest("hex");
  }

  #replace(bytes: Uint8Array | undefined): void {
    assert(this.#life === undefined, "a database is replaced while a process has it open");
    this.#layers.close();
    this.#layers = new Layers(bytes);
  }
}

/** Every table; `columns`: its primary key, where it has no rowid. */
const tablesSql = `
  SELECT s.name AS name, s.sql AS sql,
    CASE WHEN l.wr = 0 THEN NULL ELSE (
      SELECT group_concat('"' || c.name || '"' ORDER BY c.pk)
      FROM pragma_table_info(s.name) AS c WHERE c.pk > 0
    ) END AS columns
  FROM sqlite_schema AS s JOIN pragma_table_list AS l ON l.name = s.name AND l.schema = 'main'
  WHERE s.type = 'table' ORDER BY s.name`;

function encodeValue(value: SqlValue): string {
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString("hex")},`;
  // JSON tells a string from a number, and a number is written so that it can be read back exactly.
  return `${JSON.stringify(value)},`;
}

function rethrow(error: Error): never {
  throw error;
}

/**
 * The states that lie in one another. BEGIN: what a power failure leaves, the last checkpoint.
 * SAVEPOINT committed: what a killed process leaves. SAVEPOINT body: what a throw leaves.
 */
class Layers {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** Something was committed since the last checkpoint. */
  isDirty = false;

  constructor(bytes: Uint8Array | undefined) {
    this.#database = new DatabaseSync(":memory:", { enableForeignKeyConstraints: true });
    if (bytes !== undefined) this.#database.deserialize(bytes);
    this.#database.exec("BEGIN; SAVEPOINT committed");
  }

  /** Kept prepared; SQLite prepares it anew by itself when the schema has changed. */
  statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      if (this.#statements.size >= statementsMax) this.#statements.clear();
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  prepare(sql: string): StatementSync {
    return this.#database.prepare(sql);
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  beginBody(): void {
    this.statement("SAVEPOINT body").run();
  }

  keepBody(): void {
    this.statement("RELEASE body").run();
  }

  loseBody(): void {
    this.#database.exec("ROLLBACK TO body; RELEASE body");
  }

  commit(): void {
    this.statement("RELEASE committed").run();
    this.statement("SAVEPOINT committed").run();
    this.isDirty = true;
  }

  loseUncommitted(): void {
    this.#database.exec("ROLLBACK TO committed");
  }

  /** Everything there is becomes durable: only when everything is committed. */
  checkpoint(): void {
    this.#database.exec("COMMIT; BEGIN; SAVEPOINT committed");
    this.isDirty = false;
  }

  loseUnchecked(): void {
    this.#database.exec("ROLLBACK; BEGIN; SAVEPOINT committed");
    this.isDirty = false;
  }

  serialize(): Uint8Array {
    return this.#database.serialize();
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}

/** What a process's database is made with. */
interface LifeOptions {
  readonly layers: Layers;
  /** Checkpoints have a thread of their own: a process that stands still does not delay them. */
  readonly time: VirtualTime;
  readonly clock: Clock;
  readonly random: Random;
  readonly commitDelayMs: number;
  onFailure(error: Error): void;
  onClosed(): void;
}

/** The database as one process has it. */
class DatabaseLife implements Database {
  readonly #options: LifeOptions;
  readonly #layers: Layers;
  #isOpen = true;
  #inBody = false;
  /** Transactions that wait for their common commit. */
  #uncommitted = 0;
  #commitTimer: Timer | undefined;
  #checkpointTimer: Timer | undefined;
  /** A checkpoint waits for what is not committed yet. */
  #checkpointDue = false;
  #failing: "transaction" | "commit" | undefined;

  constructor(options: LifeOptions) {
    this.#options = options;
    this.#layers = options.layers;
    if (this.#layers.isDirty) this.#checkpointLater();
  }

  prepare(sql: string): Statement {
    this.#assertOpen();
    const statement = this.#layers.statement(sql);
    return {
      run: (...parameters) => {
        this.#assertOpen();
        const result = statement.run(...parameters) as { changes: number };
        this.#maybeCommit();
        return result;
      },
      get: (...parameters) => {
        this.#assertOpen();
        return statement.get(...parameters) as SqlRow | undefined;
      },
      all: (...parameters) => {
        this.#assertOpen();
        return statement.all(...parameters) as SqlRow[];
      },
    };
  }

  exec(sql: string): void {
    this.#assertOpen();
    this.#layers.exec(sql);
    this.#maybeCommit();
  }

  transaction<T>(body: () => NotAPromise<T>): T {
    this.#assertOpen();
    assert(!this.#inBody, "a transaction inside a transaction");
    this.#inBody = true;
    try {
      this.#layers.beginBody();
      const result = body();
      assert(!isPromise(result), "a transaction must be synchronous");
      this.#assertOpen();
      this.#maybeFail("transaction");
      this.#layers.keepBody();
      this.#uncommitted += 1;
      this.#commitLater();
      return result as T;
    } catch (error) {
      // A full disk has ended the whole transaction, a dead process everything.
      if (this.#isOpen && !(error instanceof FullError)) this.#layers.loseBody();
      throw error;
    } finally {
      this.#inBody = false;
    }
  }

  /** Commits, brings everything to the disk and lets go of it. */
  close(): void {
    this.#assertOpen();
    if (this.#uncommitted > 0) this.#commitNow();
    if (this.#layers.isDirty) this.#layers.checkpoint();
    this.end();
    this.#options.onClosed();
  }

  /** The process is no more. */
  end(): void {
    this.#isOpen = false;
    this.#commitTimer?.cancel();
    this.#checkpointTimer?.cancel();
  }

  failNext(what: "transaction" | "commit"): void {
    this.#failing = what;
  }

  /** Outside of transactions each statement is one, unless some wait to be committed. */
  #maybeCommit(): void {
    if (!this.#inBody && this.#uncommitted === 0) this.#commitNow();
  }

  /** At once, or with the next ones. */
  #commitLater(): void {
    if (this.#options.commitDelayMs === 0 || this.#uncommitted >= transactionsPerCommitMax) {
      this.#commitNow();
      return;
    }
    this.#commitTimer ??= this.#options.clock.setTimer(this.#drawCommitDelayMs(), () => {
      this.#commitTimer = undefined;
      try {
        this.#commitNow();
      } catch (error) {
        this.#options.onFailure(error as Error);
      }
    });
  }

  #drawCommitDelayMs(): number {
    const { commitDelayMs, random } = this.#options;
    return commitDelayMs + random.nextFloat() * commitLatenessMsMax;
  }

  #commitNow(): void {
    this.#commitTimer?.cancel();
    this.#commitTimer = undefined;
    this.#uncommitted = 0;
    this.#maybeFail("commit");
    this.#layers.commit();
    if (this.#checkpointDue) this.#layers.checkpoint();
    else this.#checkpointLater();
    this.#checkpointDue = false;
  }

  #checkpointLater(): void {
    this.#checkpointTimer ??= this.#options.time.at(checkpointIntervalMs, () => {
      this.#checkpointTimer = undefined;
      if (this.#uncommitted > 0) this.#checkpointDue = true;
      else this.#layers.checkpoint();
    });
  }

  #maybeFail(what: "transaction" | "commit"): void {
    if (this.#failing !== what) return;
    this.#failing = undefined;
    this.#uncommitted = 0;
    this.#commitTimer?.cancel();
    this.#commitTimer = undefined;
    this.#layers.loseUncommitted();
    throw new FullError();
  }

  #assertOpen(): void {
    assert(this.#isOpen, "a database of a dead process is used");
  }
}

function isPromise(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value;
}
