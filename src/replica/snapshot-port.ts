// Where a replica's snapshots are on its disk, as the replica needs it; `storage` fits it. How a
// copy is made is io/state-store.ts's matter.
import type { SnapshotReader } from "./admin-service.ts";

/** What is known of a whole snapshot. */
export interface SnapshotFacts {
  /** The last entry in it, and that entry's term. */
  readonly index: number;
  readonly term: number;
  /** As of that entry, as in a log entry. */
  readonly configuration: Uint8Array;
  /** Bytes of the file. */
  readonly size: number;
  /** SHA-256 over its rows. */
  readonly digest: Uint8Array;
}

/** A snapshot that is being fetched. Goes on after a crash from what is on the disk. */
export interface IncomingFile {
  /** File name in the data folder. */
  readonly name: string;
  /** Everything before is there. */
  readonly nextOffset: number;
  /** The next bytes, at nextOffset. Throws the disk's error. */
  write(bytes: Uint8Array): void;
  /** Makes all of it durable; calls back from a callback of the disk. */
  finish(done: (error?: Error) => void): void;
}

/** The snapshots of one data folder. Calls throw the disk's errors. */
export interface SnapshotFolder {
  /** File name for the next copy; what is there is overwritten. */
  readonly copyName: string;
  /** The newest complete one. */
  newest(): SnapshotFacts | undefined;
  /** The copy under `copyName` is whole and durable: it is this snapshot from now on. */
  complete(facts: SnapshotFacts): void;
  /** Forgets one: it is of a wrong state. Harmless where it is not there. */
  remove(index: number): void;
  /** Undefined where it is not there (any more), or was found damaged. */
  open(index: number): SnapshotReader | undefined;
  /** Begins or goes on with fetching this one; what came of another is dropped. */
  incoming(facts: SnapshotFacts): IncomingFile;
  /** Drops what came. */
  clearIncoming(): void;
  /**
   * What came is whole and checked: the next start puts it in the place of the state (folder.ts).
   * Durable when it returns.
   */
  markReady(): void;
}
