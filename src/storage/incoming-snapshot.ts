// A snapshot that comes in pieces from elsewhere, into one file. After a crash it goes on from what
// is known to be on the disk. Not here: whether the bytes are right; the receiver checks each
// piece, and the whole by its digest.
//
// Beside the file grows a list of marks: 0 u64 offset, 8 u32 CRC-32C of that, 12 u32 magic. A mark
// is written when everything before its offset is durable.
import { assert } from "../base/assert.ts";
import type { Disk, DiskFile, Done } from "../io/disk.ts";
import { crc32c } from "./crc32c.ts";
import { incomingSyncBytes } from "./limits.ts";

const markBytes = 16;
const magic = 0x4b52_414d;
const twoTo32 = 0x1_0000_0000;

/** Where the bytes and the marks are, and how many bytes will come. */
export interface IncomingFiles {
  readonly name: string;
  readonly marksName: string;
  readonly size: number;
}

/** A snapshot that is being fetched. */
export class IncomingSnapshot {
  /** File name in the data folder. */
  readonly name: string;
  readonly #size: number;
  readonly #file: DiskFile;
  readonly #marks: DiskFile;
  #nextOffset: number;
  /** Everything before is durable, and a mark says so. */
  #markedOffset: number;
  #marksEnd: number;
  /** Up to where a sync under way will make it durable. */
  #syncingTo: number | undefined;
  #finishing: Done | undefined;
  #failure: Error | undefined;
  #closed = false;

  /** Goes on with what is there. Throws. */
  constructor(disk: Disk, files: IncomingFiles) {
    this.name = files.name;
    this.#size = files.size;
    this.#marks = disk.open(files.marksName, { create: true });
    this.#file = disk.open(files.name, { create: true });
    const { offset, end } = readMarks(this.#marks);
    // A mark and its file are of the same disk, but the bytes may have been lost all the same.
    const isThere = offset <= this.#file.size() && offset <= files.size;
    this.#markedOffset = isThere ? offset : 0;
    this.#marksEnd = isThere ? end : 0;
    this.#marks.truncate(this.#marksEnd);
    if (!isThere) this.#marks.syncNow();
    this.#file.truncate(this.#markedOffset);
    this.#nextOffset = this.#markedOffset;
  }

  /** Everything before was written; after a crash it may be less. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** The next bytes, at nextOffset; not more than the snapshot has. Throws the disk's error. */
  write(bytes: Uint8Array): void {
    assert(!this.#closed && this.#finishing === undefined, "a snapshot comes no more");
    assert(this.#nextOffset + bytes.length <= this.#size, "more bytes than the snapshot has");
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#file.write(this.#nextOffset, bytes);
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
    this.#nextOffset += bytes.length;
    if (this.#nextOffset - this.#markedOffset >= incomingSyncBytes) this.#sync();
  }

  /**
   * Once all bytes were written: makes them durable and calls back, from a callback of the disk; or
   * at once with an error that came before.
   */
  finish(done: Done): void {
    assert(this.#nextOffset === this.#size, "the snapshot is not whole");
    if (this.#failure !== undefined) {
      done(this.#failure);
      return;
    }
    this.#finishing = done;
    this.#sync();
  }

  /** Whether all of it is durable. */
  isFinished(): boolean {
    return this.#failure === undefined && this.#markedOffset === this.#size;
  }

  /** Lets go of the files. Callbacks under way are not called any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
    this.#marks.close();
  }

  /** One sync at a time; the next one covers what came meanwhile. */
  #sync(): void {
    if (this.#syncingTo !== undefined) return;
    const offset = this.#nextOffset;
    this.#syncingTo = offset;
    this.#call(() => this.#file.sync((error) => this.#handleSynced(offset, error)));
  }

  #handleSynced(offset: number, error: Error | undefined): void {
    if (this.#closed) return;
    this.#syncingTo = undefined;
    if (error !== undefined) {
      this.#fail(error);
      return;
    }
    this.#call(() => {
      this.#writeMark(offset);
      if (this.#finishing !== undefined && offset < this.#size) this.#sync();
      else if (this.#nextOffset - offset >= incomingSyncBytes) this.#sync();
    });
    if (this.#failure === undefined && offset === this.#size) this.#finishing?.();
  }

  /** Only when it is durable itself, it is of use; nothing waits for that. */
  #writeMark(offset: number): void {
    const bytes = new Uint8Array(markBytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, offset % twoTo32, true);
    view.setUint32(4, Math.floor(offset / twoTo32), true);
    view.setUint32(8, crc32c(bytes, 0, 8, magic), true);
    view.setUint32(12, magic, true);
    this.#marks.write(this.#marksEnd, bytes);
    this.#marksEnd += markBytes;
    this.#markedOffset = offset;
    this.#marks.sync((error) => {
      if (!this.#closed && error !== undefined) this.#fail(error);
    });
  }

  #call(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#finishing?.(error);
  }
}

/** The last mark of those that are intact from the first one on, and where they end. */
function readMarks(file: DiskFile): { offset: number; end: number } {
  const bytes = file.read(0, file.size());
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  let at = 0;
  for (; at + markBytes <= bytes.length; at += markBytes) {
    const isIntact = view.getUint32(8 + at, true) === crc32c(bytes, at, at + 8, magic);
    if (!isIntact || view.getUint32(12 + at, true) !== magic) break;
    offset = view.getUint32(at, true) + view.getUint32(at + 4, true) * twoTo32;
  }
  return { offset, end: at };
}
