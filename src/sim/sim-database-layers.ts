// The states of a simulated database that lie in one another: what a throw, a kill and a power
// failure leave of it, as nested savepoints of one SQLite in memory. Rot lies under all of them.
// Not here: when any of that happens.
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type Rot, rotValue } from "./sim-database-rot.ts";
import { transfer } from "./sim-database-transfer.ts";

/** Statements kept prepared; all are dropped when there are more. */
const statementsMax = 1024;

/**
 * BEGIN: what a power failure leaves, the last checkpoint. SAVEPOINT committed: what a killed
 * process leaves. SAVEPOINT body: what a throw leaves.
 */
export class DatabaseLayers {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** Done since the last checkpoint, and to be done again to what a crash brings back. */
  #rots: Rot[] = [];
  /** Something was committed since the last checkpoint. */
  isDirty = false;

  /** `bytes`: a database as `serialize` gives it, or whatever a disk has made of it. */
  constructor(bytes: Uint8Array | undefined) {
    this.#database = bytes === undefined || bytes.length === 0 ? open() : openBytes(bytes);
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

  /** For all that reads it from outside of its process. */
  get database(): DatabaseSync {
    return this.#database;
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
    this.#rotAgain();
  }

  /** Everything there is becomes durable: only when everything is committed. */
  checkpoint(): void {
    this.#database.exec("COMMIT; BEGIN; SAVEPOINT committed");
    this.isDirty = false;
    this.#rots = [];
  }

  loseUnchecked(): void {
    this.#database.exec("ROLLBACK; BEGIN; SAVEPOINT committed");
    this.isDirty = false;
    this.#rotAgain();
  }

  /** False: the value is not there, or the schema forbids it. */
  rot(rot: Rot): boolean {
    if (!rotValue(this.#database, rot)) return false;
    this.#rots.push(rot);
    return true;
  }

  /** What is not there, since a crash has taken it or it was overwritten, is as it is. */
  #rotAgain(): void {
    for (const rot of this.#rots) rotValue(this.#database, rot);
  }

  serialize(): Uint8Array {
    return this.#database.serialize();
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}

function open(): DatabaseSync {
  return new DatabaseSync(":memory:", { enableForeignKeyConstraints: true });
}

/** As it is where it can be read; else so that whoever opens it finds the damage. */
function openBytes(bytes: Uint8Array): DatabaseSync {
  const [source, target] = [open(), open()];
  try {
    source.deserialize(bytes);
    transfer(source, target);
  } catch {
    target.close();
    return source;
  }
  source.close();
  return target;
}
