// The port to SQLite: three methods and a checkpoint, all but the last synchronous. Shaped after
// node:sqlite.

/** What a column can hold. Integers beyond 2^53 are refused. */
export type SqlValue = null | number | string | Uint8Array;

/** A row by column name. */
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** A prepared statement; parameters are positional. */
export interface Statement {
  /** Runs it and answers how many rows it changed. */
  run(...parameters: SqlValue[]): { readonly changes: number };
  /** The first row, or undefined. */
  get(...parameters: SqlValue[]): SqlRow | undefined;
  /** All rows. The query must have an ORDER BY and a LIMIT. */
  all(...parameters: SqlValue[]): SqlRow[];
}

/** What a transaction's body may answer: anything but a promise. */
export type NotAPromise<T> =
  T extends PromiseLike<unknown> ? { readonly __error: "A transaction must be synchronous." } : T;

/** One SQLite database, owned by one writer. */
export interface Database {
  prepare(sql: string): Statement;
  /** Runs statements without parameters or results: schema, pragmas. */
  exec(sql: string): void;
  /** Runs `body` in a transaction; a throw rolls it back and is thrown on. */
  transaction<T>(body: () => NotAPromise<T>): T;
  close(): void;
}
