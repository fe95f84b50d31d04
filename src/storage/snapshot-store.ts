// The snapshots of one data folder: whole copies of the state under the index of their last entry,
// one that is being fetched, and the word that it is to take the place of the state. Not here: who
// makes copies, what is in them, and who puts one in the place of the state.
import { assert } from "../base/assert.ts";
import { equalBytes } from "../base/bytes.ts";
import type { Disk, DiskFile } from "../io/disk.ts";
import { crc32c } from "./crc32c.ts";
import { DamageError } from "./damage-error.ts";
import { IncomingSnapshot } from "./incoming-snapshot.ts";
import { snapshotPieceBytes, snapshotsKept } from "./limits.ts";
import { type FactsFile, readFacts, type SnapshotFacts, writeFacts } from "./snapshot-facts.ts";

/**
 * The files: <index>.snap a copy, <index>.meta what it is, without which it does not count;
 * copying.tmp a copy in the making; incoming.part, .marks and .facts one that is being fetched;
 * ready says that it is whole and checked.
 */
const incomingFiles = { facts: "incoming.facts", marks: "incoming.marks", part: "incoming.part" };
const readyFile = "ready";
const digits = 16;
/** What this store may have made: other names in the folder are not touched. */
const ownName = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/** What a snapshot store is told. */
export interface SnapshotStoreOptions {
  /** Subfolder of the data folder ("snapshots"). Other files in it are removed. */
  readonly folder?: string;
  /**
   * Runs work soon, from outside this call: a piece of a checksum at a time, under a millisecond.
   */
  readonly schedule: (work: () => void) => void;
  /** Hears of a snapshot that was damaged, and is removed. */
  readonly onDamage?: (damage: DamageError) => void;
}

/** A complete snapshot, open until `close`. */
export interface SnapshotFile extends SnapshotFacts {
  /**
   * Bytes [offset, offset + length); fewer at the end. Throws a DamageError where they are not what
   * they were when the snapshot was completed, and then removes it; and the disk's errors.
   */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** What came from elsewhere and is to take the place of the state. */
export interface ReadySnapshot extends SnapshotFacts {
  /** File name in the data folder; not there any more where it was moved to its place. */
  readonly name: string;
}

/** Calls are synchronous and throw the disk's errors. */
export class SnapshotStore {
  /** File name in the data folder for the next copy; what is there may be overwritten. */
  readonly copyName: string;
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #options: SnapshotStoreOptions;
  /** By index, rising. */
  #complete: FactsFile[] = [];
  #incoming: { readonly facts: SnapshotFacts; readonly file: IncomingSnapshot } | undefined;
  #ready: SnapshotFacts | undefined;
  /** Indexes whose checksums are still to be computed. */
  readonly #unchecked: number[] = [];
  #isChecking = false;
  #closed = false;

  /** Opens the folder, and removes what is half made. */
  constructor(disk: Disk, options: SnapshotStoreOptions) {
    this.#disk = disk;
    this.#options = options;
    this.#folder = options.folder ?? "snapshots";
    this.copyName = this.#path("copying.tmp");
    this.#ready = readFacts(disk, this.#path(readyFile))?.facts;
    for (const file of disk.list(this.#folder)) {
      if (file.endsWith(".snap")) this.#find(file);
    }
    this.#clean();
    for (const old of this.#complete.slice(0, -snapshotsKept)) this.remove(old.facts.index);
    for (const { facts, crcs } of this.#complete) {
      if (crcs.length === 0) this.#unchecked.push(facts.index);
    }
    this.#checkSoon();
  }

  /** Complete ones, rising by index. */
  list(): readonly SnapshotFacts[] {
    return this.#complete.map(({ facts }) => facts);
  }

  newest(): SnapshotFacts | undefined {
    return this.#complete.at(-1)?.facts;
  }

  /**
   * The file under `copyName` is whole and durable: it is this snapshot from now on, durably when
   * this returns. Older ones are removed but for one. Its checksums follow piece by piece.
   */
  complete(facts: SnapshotFacts): void {
    const { index } = facts;
    const file = this.#disk.open(this.copyName, { create: false });
    const size = file.size();
    file.close();
    assert(size === facts.size, `a snapshot of ${size} bytes, not ${facts.size}`);
    if (this.#complete.some((one) => one.facts.index === index)) this.remove(index);
    this.#disk.rename(this.copyName, this.#snapName(index));
    const entry = { facts, crcs: new Uint32Array(0) };
    this.#saveMeta(entry);
    this.#complete.push(entry);
    this.#complete.sort((a, b) => a.facts.index - b.facts.index);
    for (const old of this.#complete.slice(0, -snapshotsKept)) this.remove(old.facts.index);
    this.#unchecked.push(index);
    this.#checkSoon();
  }

  /** Undefined where there is none of this index (any more). */
  open(index: number): SnapshotFile | undefined {
    let entry = this.#entry(index);
    if (entry === undefined) return undefined;
    const file = this.#disk.open(this.#snapName(index), { create: false });
    let isClosed = false;
    return {
      ...entry.facts,
      read: (offset, length) => {
        // The checksums may have come since; the file may be read longer than it is kept.
        entry = this.#entry(index) ?? entry!;
        return this.#read(entry, file, { offset, length });
      },
      close: () => {
        if (!isClosed) file.close();
        isClosed = true;
      },
    };
  }

  /** Open files of it can still be read. Harmless where it is not there. */
  remove(index: number): void {
    if (this.#entry(index) === undefined) return;
    this.#complete = this.#complete.filter(({ facts }) => facts.index !== index);
    // Whichever of the two removals a crash undoes, the other file does not count alone.
    this.#disk.remove(this.#metaName(index));
    this.#disk.remove(this.#snapName(index));
    this.#disk.syncFolder(this.#folder);
  }

  /** Begins to fetch this snapshot, or goes on; what came of another is dropped. */
  incoming(facts: SnapshotFacts): IncomingSnapshot {
    assert(this.#ready === undefined, "a snapshot that is ready waits to be taken");
    if (this.#incoming !== undefined && sameFacts(this.#incoming.facts, facts)) {
      return this.#incoming.file;
    }
    const before = readFacts(this.#disk, this.#path(incomingFiles.facts))?.facts;
    if (before === undefined || !sameFacts(before, facts)) {
      this.clearIncoming();
      const name = this.#path(incomingFiles.facts);
      writeFacts(this.#disk, name, { facts, crcs: new Uint32Array(0) });
    }
    const file = new IncomingSnapshot(this.#disk, {
      name: this.#path(incomingFiles.part),
      marksName: this.#path(incomingFiles.marks),
      size: facts.size,
    });
    this.#disk.syncFolder(this.#folder);
    this.#incoming = { facts, file };
    return file;
  }

  /** Drops what came. Durable, so that bytes of one snapshot are never taken for another's. */
  clearIncoming(): void {
    assert(this.#ready === undefined, "a snapshot that is ready is dropped");
    this.#removeIncoming();
  }

  /**
   * What came is whole, durable and what it should be: it is to take the place of the state.
   * Durable when it returns.
   */
  markReady(): void {
    const incoming = this.#incoming;
    assert(incoming?.file.isFinished() === true, "no whole snapshot has come");
    const { facts } = incoming;
    this.#saveReady(facts);
    this.#ready = facts;
  }

  /** What `markReady` said, until `clearReady`; also after a crash. */
  ready(): ReadySnapshot | undefined {
    if (this.#ready === undefined) return undefined;
    return { ...this.#ready, name: this.#path(incomingFiles.part) };
  }

  /** It has taken the state's place: that is durable, and this too when it returns. */
  clearReady(): void {
    if (this.#ready === undefined) return;
    this.#disk.remove(this.#path(readyFile));
    // First the word, then the thing: else a crash might leave a word for what is gone.
    this.#disk.syncFolder(this.#folder);
    this.#ready = undefined;
    this.#removeIncoming();
  }

  /** Ends the computing of checksums, and lets go of what is being fetched. */
  close(): void {
    this.#closed = true;
    this.#incoming?.file.close();
  }

  #path(file: string): string {
    return `${this.#folder}/${file}`;
  }

  #snapName(index: number): string {
    return this.#path(`${String(index).padStart(digits, "0")}.snap`);
  }

  #metaName(index: number): string {
    return this.#path(`${String(index).padStart(digits, "0")}.meta`);
  }

  #entry(index: number): FactsFile | undefined {
    return this.#complete.find(({ facts }) => facts.index === index);
  }

  /** Takes in a snapshot that is there with its meta file, as long as it should be. */
  #find(file: string): void {
    const index = Number(file.slice(0, -".snap".length));
    if (!Number.isSafeInteger(index) || this.#path(file) !== this.#snapName(index)) return;
    const meta = this.#metaName(index);
    // Without it the making was cut short.
    if (!this.#disk.exists(meta)) return;
    const entry = readFacts(this.#disk, meta);
    const handle = this.#disk.open(this.#path(file), { create: false });
    const size = handle.size();
    handle.close();
    if (entry?.facts.index === index && entry.facts.size === size) {
      this.#complete.push(entry);
      return;
    }
    const reason = "what is known of a snapshot cannot be read, or does not fit it";
    this.#options.onDamage?.(new DamageError({ file: meta, offset: 0, reason }));
  }

  /** Removes what belongs to no complete snapshot. */
  #clean(): void {
    const kept = new Set(Object.values(incomingFiles).map((file) => this.#path(file)));
    if (this.#ready !== undefined) kept.add(this.#path(readyFile));
    for (const { facts } of this.#complete) {
      kept.add(this.#snapName(facts.index)).add(this.#metaName(facts.index));
    }
    const files = this.#disk.list(this.#folder);
    for (const file of files) {
      if (!kept.has(this.#path(file)) && ownName.test(file)) this.#disk.remove(this.#path(file));
    }
    // What is found may be in the file cache only, after the death of a process. What is told of it
    // must stay. A meta file was synced before it got its name.
    if (this.#ready !== undefined) this.#saveReady(this.#ready);
    else if (files.length > 0) this.#disk.syncFolder(this.#folder);
  }

  #saveReady(facts: SnapshotFacts): void {
    writeFacts(this.#disk, this.#path(readyFile), { facts, crcs: new Uint32Array(0) });
    this.#disk.syncFolder(this.#folder);
  }

  #removeIncoming(): void {
    this.#incoming?.file.close();
    this.#incoming = undefined;
    let hasRemoved = false;
    for (const file of Object.values(incomingFiles)) {
      if (!this.#disk.exists(this.#path(file))) continue;
      this.#disk.remove(this.#path(file));
      hasRemoved = true;
    }
    if (hasRemoved) this.#disk.syncFolder(this.#folder);
  }

  #read(
    { facts, crcs }: FactsFile,
    file: DiskFile,
    { offset, length }: { readonly offset: number; readonly length: number },
  ): Uint8Array {
    if (crcs.length === 0) return file.read(offset, length);
    // Whole pieces, since a checksum is of one.
    const first = Math.floor(offset / snapshotPieceBytes);
    const from = first * snapshotPieceBytes;
    const count = Math.ceil((offset + length) / snapshotPieceBytes) - first;
    const bytes = file.read(from, count * snapshotPieceBytes);
    for (let at = 0; at < bytes.length; at += snapshotPieceBytes) {
      const end = Math.min(bytes.length, at + snapshotPieceBytes);
      if (crc32c(bytes, at, end) === crcs[first + at / snapshotPieceBytes]) continue;
      throw this.#drop(facts.index, from + at, "these bytes of a snapshot are not what they were");
    }
    return bytes.subarray(offset - from, offset - from + length);
  }

  #drop(index: number, offset: number, reason: string): DamageError {
    const damage = new DamageError({ file: this.#snapName(index), offset, reason });
    this.remove(index);
    this.#options.onDamage?.(damage);
    return damage;
  }

  /** Undefined where it cannot be read: then the snapshot is gone. */
  #readPiece(index: number, file: DiskFile, offset: number): Uint8Array | undefined {
    try {
      return file.read(offset, snapshotPieceBytes);
    } catch (error) {
      this.#drop(index, offset, `a snapshot cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Computes the checksums of one snapshot after the other, a piece at a time. */
  #checkSoon(): void {
    if (this.#isChecking || this.#closed) return;
    const index = this.#unchecked.shift();
    if (index === undefined) return;
    const entry = this.#entry(index);
    if (entry === undefined) {
      this.#checkSoon();
      return;
    }
    this.#isChecking = true;
    const file = this.#disk.open(this.#snapName(index), { create: false });
    const crcs = new Uint32Array(Math.ceil(entry.facts.size / snapshotPieceBytes));
    let at = 0;
    const step = () => {
      if (!this.#closed && this.#entry(index) === entry && at < crcs.length) {
        const bytes = this.#readPiece(index, file, at * snapshotPieceBytes);
        if (bytes !== undefined) crcs[at] = crc32c(bytes, 0, bytes.length);
        at += 1;
        this.#options.schedule(step);
        return;
      }
      file.close();
      this.#isChecking = false;
      if (!this.#closed && this.#entry(index) === entry) {
        const next = { facts: entry.facts, crcs };
        this.#saveMeta(next);
        this.#complete[this.#complete.indexOf(entry)] = next;
      }
      this.#checkSoon();
    };
    this.#options.schedule(step);
  }

  /** Whole at once, in place of one that is there; durable with all names before it. */
  #saveMeta(entry: FactsFile): void {
    const passing = this.#path("meta.tmp");
    writeFacts(this.#disk, passing, entry);
    this.#disk.rename(passing, this.#metaName(entry.facts.index));
    this.#disk.syncFolder(this.#folder);
  }
}

function sameFacts(a: SnapshotFacts, b: SnapshotFacts): boolean {
  const isSame = a.index === b.index && a.term === b.term && a.size === b.size;
  if (!isSame || !equalBytes(a.digest, b.digest)) return false;
  return equalBytes(a.configuration, b.configuration);
}
