// A disk in memory that never fails and forgets nothing while its object lives: for tests that are
// not about disks. Not here: crashes and faults (faulty-disk.ts).
import { assert, assertDefined } from "../base/assert.ts";
import type { Disk, DiskFile, Done } from "../io/disk.ts";

/**
 * Runs a callback later, never from inside the call: a microtask, a simulated clock, a list in a
 * test.
 */
export type Schedule = (callback: () => void) => void;

/** What a file holds; grows as it is written. */
export class FileBytes {
  #bytes = new Uint8Array(0);
  #size = 0;
  /** Another one has the same `#bytes`, so that they must not be changed. */
  #shared = false;

  size(): number {
    return this.#size;
  }

  /** A copy of [offset, offset + length); less where the file ends. */
  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(Math.min(offset, this.#size), Math.min(offset + length, this.#size));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.resize(Math.max(this.#size, offset + bytes.length));
    this.#unshare();
    this.#bytes.set(bytes, offset);
  }

  /** Cuts, or extends with zeros. */
  resize(size: number): void {
    if (size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(size, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = larger;
      this.#shared = false;
    }
    if (size < this.#size) {
      this.#unshare();
      this.#bytes.fill(0, size, this.#size);
    }
    this.#size = size;
  }

  /** Another one with the same bytes; they are copied when either of the two is written. */
  fork(): FileBytes {
    const twin = new FileBytes();
    twin.#bytes = this.#bytes;
    twin.#size = this.#size;
    twin.#shared = true;
    this.#shared = true;
    return twin;
  }

  #unshare(): void {
    if (this.#shared) this.#bytes = this.#bytes.slice();
    this.#shared = false;
  }
}

/** Names of the files directly in a folder, sorted; for disks that keep whole names in a map. */
export function listFolder(names: Iterable<string>, folder: string): string[] {
  const found: string[] = [];
  const prefix = folder === "" ? "" : `${folder}/`;
  for (const name of names) {
    const rest = name.slice(prefix.length);
    if (name.startsWith(prefix) && !rest.includes("/")) found.push(rest);
  }
  return found.sort();
}

/** A disk in memory. Opening it again, by a new store, is what a restart is. */
export class MemoryDisk implements Disk {
  readonly #schedule: Schedule;
  readonly #files = new Map<string, FileBytes>();

  /** `schedule` runs the callbacks of `sync` and `allocate`. */
  constructor(options: { readonly schedule: Schedule }) {
    this.#schedule = options.schedule;
  }

  open(name: string, options: { create: boolean }): DiskFile {
    let file = this.#files.get(name);
    if (file === undefined) {
      if (!options.create) throw new Error(`ENOENT: no such file: ${name}`);
      file = new FileBytes();
      this.#files.set(name, file);
    }
    return new MemoryFile(file, this.#schedule);
  }

  exists(name: string): boolean {
    return this.#files.has(name);
  }

  list(folder: string): string[] {
    return listFolder(this.#files.keys(), folder);
  }

  allocate(name: string, length: number, done: Done): void {
    assert(!this.#files.has(name), `${name} is there already`);
    this.#schedule(() => {
      if (!this.#files.has(name)) {
        const file = new FileBytes();
        file.resize(length);
        this.#files.set(name, file);
      }
      done();
    });
  }

  remove(name: string): void {
    assertDefined(this.#files.get(name), name);
    this.#files.delete(name);
  }

  rename(from: string, to: string): void {
    this.#files.set(to, assertDefined(this.#files.get(from), from));
    this.#files.delete(from);
  }

  syncFolder(): void {}

  freeBytes(): number {
    return Number.MAX_SAFE_INTEGER;
  }
}

class MemoryFile implements DiskFile {
  readonly #file: FileBytes;
  readonly #schedule: Schedule;
  #closed = false;

  constructor(file: FileBytes, schedule: Schedule) {
    this.#file = file;
    this.#schedule = schedule;
  }

  size(): number {
    return this.#open().size();
  }

  read(offset: number, length: number): Uint8Array {
    return this.#open().read(offset, length);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#open().write(offset, bytes);
  }

  sync(done: Done): void {
    this.#open();
    this.#schedule(() => done());
  }

  syncNow(): void {
    this.#open();
  }

  truncate(length: number): void {
    this.#open().resize(length);
  }

  close(): void {
    this.#open();
    this.#closed = true;
  }

  #open(): FileBytes {
    assert(!this.#closed, "a closed file is used");
    return this.#file;
  }
}
