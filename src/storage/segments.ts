// The log folder's files: names, a few that are open, and the next one, made ahead of need. Not
// here: what is in them.
import { assert } from "../base/assert.ts";
import type { Disk, DiskFile } from "../io/disk.ts";
import { damagedFilesMax, openSegmentsMax } from "./limits.ts";

const digits = 16;
const suffix = ".seg";
/** Where copies of damaged segments are kept. */
const damagedFolder = "damaged";

/**
 * The segment files of one log. Ordinals count from 1 without gaps; the oldest may be removed.
 */
export class Segments {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #segmentBytes: number;
  /** Open files, the one used longest ago first. */
  #open = new Map<number, DiskFile>();
  #allocating = false;
  #closed = false;

  /** `segmentBytes`: length of the segments made from now on; older ones may have another. */
  constructor(disk: Disk, options: { readonly folder: string; readonly segmentBytes: number }) {
    this.#disk = disk;
    this.#folder = options.folder;
    this.#segmentBytes = options.segmentBytes;
  }

  /** The file name of a segment, relative to the data folder. */
  name(ordinal: number): string {
    return `${this.#folder}/${String(ordinal).padStart(digits, "0")}${suffix}`;
  }

  /**
   * The ordinals of the files that are there, rising. Other files in the folder are none of ours.
   */
  ordinals(): number[] {
    const ordinals: number[] = [];
    for (const file of this.#disk.list(this.#folder)) {
      if (!file.endsWith(suffix) || file.length !== digits + suffix.length) continue;
      const ordinal = Number(file.slice(0, digits));
      if (Number.isSafeInteger(ordinal) && ordinal > 0) ordinals.push(ordinal);
    }
    return ordinals.sort((a, b) => a - b);
  }

  /** A handle of the caller's own, who closes it. Throws. */
  open(ordinal: number): DiskFile {
    return this.#disk.open(this.name(ordinal), { create: false });
  }

  /**
   * The file for reading, opened if need be. It stays open until others are needed more. Throws.
   */
  file(ordinal: number): DiskFile {
    assert(!this.#closed, "a closed log is used");
    let file = this.#open.get(ordinal);
    if (file === undefined) {
      file = this.open(ordinal);
      if (this.#open.size >= openSegmentsMax) this.#closeOldest();
    } else {
      this.#open.delete(ordinal);
    }
    this.#open.set(ordinal, file);
    return file;
  }

  exists(ordinal: number): boolean {
    return this.#disk.exists(this.name(ordinal));
  }

  /**
   * Copies a segment that is damaged to where nobody touches it, for whoever wants to look into it;
   * a few of them, the first copy of each. Throws.
   */
  keepAside(name: string): void {
    const copy = `${damagedFolder}/${name.slice(name.lastIndexOf("/") + 1)}`;
    if (!this.#disk.exists(name) || this.#disk.exists(copy)) return;
    if (this.#disk.list(damagedFolder).length >= damagedFilesMax) return;
    const from = this.#disk.open(name, { create: false });
    const to = this.#disk.open(copy, { create: true });
    to.write(0, from.read(0, from.size()));
    to.syncNow();
    from.close();
    to.close();
    this.#disk.syncFolder(damagedFolder);
  }

  /** Makes a zero-filled segment at once, durable with its name: for start-up. Throws. */
  makeNow(ordinal: number): void {
    const file = this.#disk.open(this.name(ordinal), { create: true });
    try {
      file.write(0, new Uint8Array(this.#segmentBytes));
      file.syncNow();
    } finally {
      file.close();
    }
    this.#disk.syncFolder(this.#folder);
  }

  /**
   * Removes files, the oldest first. A crash may bring any of them back: nothing in them may
   * matter. Throws.
   */
  remove(ordinals: readonly number[]): void {
    if (ordinals.length === 0) return;
    for (const ordinal of ordinals) {
      this.#open.get(ordinal)?.close();
      this.#open.delete(ordinal);
      this.#disk.remove(this.name(ordinal));
    }
    this.#disk.syncFolder(this.#folder);
  }

  /** Whether a segment is being made. */
  allocating(): boolean {
    return this.#allocating;
  }

  /** Makes a zero-filled segment off-thread; one at a time. */
  allocate(ordinal: number, done: (error?: Error) => void): void {
    assert(!this.#allocating, "two segments are allocated at once");
    this.#allocating = true;
    this.#disk.allocate(this.name(ordinal), this.#segmentBytes, (error) => {
      this.#allocating = false;
      if (!this.#closed) done(error);
    });
  }

  close(): void {
    this.#closed = true;
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }

  #closeOldest(): void {
    for (const [ordinal, file] of this.#open) {
      file.close();
      this.#open.delete(ordinal);
      return;
    }
  }
}
