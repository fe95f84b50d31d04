// A server's SQLite database in a simulated world: node:sqlite in memory, with what a crash leaves
// of a real one (src/host/host-database.ts). Transactions are committed some together and a little
// later; a killed process loses those that were not, and a power failure all since the last
// checkpoint. Outlives processes. Not here: the schema.
import { assert, assertDefined } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import type { Random } from "../base/random.ts";
import { createCorruption } from "../base/sql-error.ts";
import type { Clock, Timer } from "../io/clock.ts";
import type { Database, NotAPromise, SqlRow, Statement } from "../io/database.ts";
import type { Disk } from "../io/disk.ts";
import type { CopyDone, StateFiles, StateStore } from "../io/state-store.ts";
import { DatabaseLayers } from "./sim-database-layers.ts";
import { drawRot, type Rot } from "./sim-database-rot.ts";
import { digestOf, folderOf, readAll, SimStateCopies } from "./sim-state-copy.ts";
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
/** How often a value is drawn that the schema lets rot. */
const rotAttempts = 8;

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
  readonly isCorrupt: boolean;
}

/** One server's database, and its files while no process has it open. */
export class SimDatabase implements StateFiles {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #commitDelayMs: number;
  readonly #disk: Disk | undefined;
  #layers = new DatabaseLayers(undefined);
  /** A process has made its file, or it was put there. */
  #isThere = false;
  /** No process can read it any more. */
  #isCorrupt = false;
  #life: DatabaseLife | undefined;

  /**
   * `commitDelayMs`: how long transactions wait for their common commit (10; 0: not at all).
   * `disk`: the machine's, for copies; there are none without it.
   */
  constructor(options: {
    readonly time: VirtualTime;
    readonly random: Random;
    readonly commitDelayMs?: number;
    readonly disk?: Disk;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#commitDelayMs = options.commitDelayMs ?? commitDelayMsDefault;
    this.#disk = options.disk;
  }

  /**
   * The database of a new process; that of the process before must be gone. `onFailure` hears of a
   * commit that failed later; without it such an error is thrown out of the event. Throws as SQLite
   * does where the file is none of its own or damaged.
   */
  openLife(clock: Clock, onFailure?: (error: Error) => void): Database & StateStore {
    assert(this.#life === undefined, "two processes have one database open");
    if (this.#isCorrupt) throw createCorruption("database disk image is malformed");
    this.#layers.statement("SELECT count(*) FROM sqlite_schema").get();
    this.#isThere = true;
    const disk = this.#disk;
    this.#life = new DatabaseLife({
      layers: this.#layers,
      time: this.#time,
      clock,
      random: this.#random,
      commitDelayMs: this.#commitDelayMs,
      copies: disk && new SimStateCopies({ disk, clock, random: this.#random }),
      isCorrupt: () => this.#isCorrupt,
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

  /**
   * Changes one byte of a value behind everybody's back, for good, and answers what it was;
   * undefined where nothing can be changed so.
   */
  rotRow(): Rot | undefined {
    for (let attempt = 0; attempt < rotAttempts; attempt++) {
      const rot = drawRot(this.#layers.database, this.#random);
      if (rot === undefined) return undefined;
      if (this.#layers.rot(rot)) return rot;
    }
    return undefined;
  }

  /** The next process, and a copy by this one, finds that the file is damaged. */
  corrupt(): void {
    this.#isCorrupt = true;
  }

  /** An empty one from now on. No process may have it open. */
  clear(): void {
    this.#replace(undefined);
  }

  replaceWith(name: string): void {
    const disk = assertDefined(this.#disk, "a database without a disk");
    if (!disk.exists(name)) {
      // Done already, before a crash.
      if (this.#isThere) return;
      throw new Error(`ENOENT: there is neither ${name} nor a database that it has become`);
    }
    this.#replace(readAll(disk, name));
    disk.remove(name);
    disk.syncFolder(folderOf(name));
  }

  /** Nobody looks at what is set aside. */
  setAside(): void {
    this.clear();
  }

  /** It as it is now. No process may have it open. */
  copy(): DatabaseCopy {
    assert(this.#life === undefined, "a database is copied while a process has it open");
    return { bytes: this.#layers.serialize(), isCorrupt: this.#isCorrupt };
  }

  /** It as it was when this copy was made, of this or of another one; all of it durable. */
  restore(copy: DatabaseCopy): void {
    this.#replace(copy.bytes);
    this.#isCorrupt = copy.isCorrupt;
  }

  /** All rows of a query, as the process sees them. */
  rows(sql: string): SqlRow[] {
    return this.#layers.statement(sql).all() as SqlRow[];
  }

  /**
   * A digest of the schema and of every row of every table, as the process sees them, in
   * hexadecimal digits; of a copy it is the same.
   */
  digest(): string {
    return toHex(digestOf(this.#layers.database));
  }

  #replace(bytes: Uint8Array | undefined): void {
    assert(this.#life === undefined, "a database is replaced while a process has it open");
    this.#layers.close();
    this.#layers = new DatabaseLayers(bytes);
    this.#isThere = bytes !== undefined;
    this.#isCorrupt = false;
  }
}

function rethrow(error: Error): never {
  throw error;
}

/** What a process's database is made with. */
interface LifeOptions {
  readonly layers: DatabaseLayers;
  /** Checkpoints have a thread of their own: a process that stands still does not delay them. */
  readonly time: VirtualTime;
  readonly clock: Clock;
  readonly random: Random;
  readonly commitDelayMs: number;
  readonly copies: SimStateCopies | undefined;
  isCorrupt(): boolean;
  onFailure(error: Error): void;
  onClosed(): void;
}

/** The database as one process has it. */
class DatabaseLife implements Database, StateStore {
  readonly #options: LifeOptions;
  readonly #layers: DatabaseLayers;
  #isOpen = true;
  #inBody = false;
  /** Transactions that wait for their common commit. */
  #uncommitted = 0;
  #commitTimer: Timer | undefined;
  #checkpointTimer: Timer | undefined;
  /** A checkpoint waits for what is not committed yet. */
  #checkpointDue = false;
  #failing: "transaction" | "commit" | undefined;
  /** A copy was asked for that does not hold its snapshot yet. */
  #isCopyBeginning = false;

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
    assert(!this.#isCopyBeginning, "a transaction before a copy holds its snapshot");
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

  copyTo(name: string, calls: { readonly held: () => void; readonly done: CopyDone }): void {
    this.#assertOpen();
    assert(!this.#inBody, "a copy inside a transaction");
    const copies = assertDefined(this.#options.copies, "a database without a disk");
    const problem = this.#prepareCopy(copies);
    if (problem !== undefined) {
      copies.refuse(problem, calls);
      return;
    }
    this.#isCopyBeginning = true;
    const held = () => {
      this.#isCopyBeginning = false;
      calls.held();
    };
    copies.begin({ name, bytes: this.#layers.serialize(), held, done: calls.done });
  }

  inspect(name: string, done: CopyDone): void {
    this.#assertOpen();
    assertDefined(this.#options.copies, "a database without a disk").inspect(name, done);
  }

  /** Commits what waits; the copy has it then. */
  #prepareCopy(copies: SimStateCopies): Error | undefined {
    if (copies.isBusy) return new Error("another copy is under way");
    if (this.#options.isCorrupt()) return createCorruption("database disk image is malformed");
    try {
      if (this.#uncommitted > 0) this.#commitNow();
      return undefined;
    } catch (error) {
      this.#options.onFailure(error as Error);
      return error as Error;
    }
  }

  /** Gives up a copy, commits, brings everything to the disk and lets go of it. */
  close(): void {
    this.#assertOpen();
    if (this.#uncommitted > 0) this.#commitNow();
    if (this.#layers.isDirty) this.#layers.checkpoint();
    this.#options.copies?.giveUp();
    this.end();
    this.#options.onClosed();
  }

  /** The process is no more. */
  end(): void {
    this.#isOpen = false;
    this.#commitTimer?.cancel();
    this.#checkpointTimer?.cancel();
    this.#options.copies?.end();
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
