// The port to a state machine's database as a whole: copies of it for snapshots while it is in use,
// and its replacement while it is not. What is in it is `database.ts`'s matter.

/** What a copy came to. */
export interface StateCopy {
  /** Bytes of the file. */
  readonly size: number;
  /** SHA-256 over the schema and all rows in a fixed order: equal contents have equal digests. */
  readonly digest: Uint8Array;
}

/** Called once: with the copy, or with why there is none. */
export type CopyDone = (result: StateCopy | Error) => void;

/** A database that is open. Names are file names of the data folder, as `Disk` has them. */
export interface StateStore {
  /**
   * Copies the database as it is at this call, all transactions before and none after, into a new
   * file. `held` is called when the database may change again: the caller must not begin a
   * transaction before. `done` follows when the file is whole and durable. Both come later, never
   * from inside; after a failure `held` comes too. A file that is there already is replaced.
   */
  copyTo(name: string, calls: { readonly held: () => void; readonly done: CopyDone }): void;
  /** Reads such a file in full and says what is in it; an error where it is no whole database. */
  inspect(name: string, done: CopyDone): void;
}

/** The database's files while no process has them open. Calls are synchronous and durable. */
export interface StateFiles {
  /** Puts a file of the data folder in the place of the database; the old one is gone. */
  replaceWith(name: string): void;
  /** Moves the database out of the way under another name, so that the next open begins anew. */
  setAside(): void;
}
