// A small record that must never be lost or forgotten, kept twice in one file: at any moment of a
// crash at least one slot is whole. Not here: what the bytes mean (vote-store.ts; the identity's
// owner encodes it).
//
// A slot: 0 u32 length, 4 u32 mark, 8 u32 CRC-32C from 12 on, 12 u32 0, 16 u64 generation, 24 the
// bytes.
import { assert } from "../base/assert.ts";
import { equalBytes } from "../base/bytes.ts";
import type { Disk, DiskFile } from "../io/disk.ts";
import { crc32c } from "./crc32c.ts";
import { DamageError } from "./damage-error.ts";
import { isZero } from "./sectors.ts";

const headerBytes = 24;
const magic = 0x3154_4648;
const twoTo32 = 0x1_0000_0000;

/** What a twin store is told. */
export interface TwinStoreOptions {
  /** File name relative to the data folder. */
  readonly name: string;
  /**
   * Bytes of a slot, a multiple of 4096; the record may have 24 less. Must never change for a name.
   */
  readonly slotBytes: number;
  /**
   * True: the file must hold a record, since it is known to have been written; a missing one is
   * damage. False: a file that is missing, or in which the very first save was never finished,
   * holds nothing.
   */
  readonly required: boolean;
  /** Hears of a copy that was not intact and was mended from the other one. */
  readonly onMended?: (damage: DamageError) => void;
}

interface Slot {
  readonly generation: number;
  readonly bytes: Uint8Array;
}

/** One durable record. All calls are synchronous and return when the disk has it. */
export class TwinStore {
  readonly #file: DiskFile;
  readonly #slotBytes: number;
  /** Invariant: both slots hold this, durably; undefined where there never was one. */
  #current: Slot | undefined;
  #failure: Error | undefined;

  /**
   * Reads the record and makes both slots whole again. Throws a DamageError where no slot is
   * intact: to go on as if there had been no record would be to vote twice.
   */
  constructor(disk: Disk, options: TwinStoreOptions) {
    const { name, slotBytes, required } = options;
    assert(slotBytes % 4096 === 0, "slots must not share a page");
    if (required && !disk.exists(name)) {
      throw new DamageError({ file: name, offset: 0, reason: "it is missing" });
    }
    this.#slotBytes = slotBytes;
    this.#file = disk.open(name, { create: true });
    const [first, second] = [this.#readSlot(0), this.#readSlot(1)];
    const newest = newer(first, second);
    if (newest === undefined) {
      this.#refuseUnlessNew(options);
      // The name is durable before anything is promised in the file.
      disk.syncFolder("");
      return;
    }
    disk.syncFolder("");
    // Both are written again, since after a failed sync or the death of a process the file cache
    // may hold what the disk does not. The order is that of a save: whatever is amiss in the first
    // slot, the second is durable; and where the second is amiss, the first is, and to write the
    // same bytes over it harms nothing.
    this.#writeSlot(0, newest);
    this.#writeSlot(1, newest);
    this.#current = newest;
    if (first !== undefined && second !== undefined) return;
    const offset = first === undefined ? 0 : slotBytes;
    const reason = "one of its two copies was not intact and is mended: rot, or a save cut short";
    options.onMended?.(new DamageError({ file: name, offset, reason }));
  }

  /** The record, or undefined where none was ever saved. Must not be changed. */
  current(): Uint8Array | undefined {
    return this.#current?.bytes;
  }

  /**
   * Replaces the record; durable in both slots when it returns. Throws the disk's error, after
   * which the store can not be used and the record is either the old or the new one.
   */
  save(bytes: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure;
    assert(bytes.length <= this.#slotBytes - headerBytes, "the record does not fit into its slot");
    const next = { generation: (this.#current?.generation ?? 0) + 1, bytes: bytes.slice() };
    try {
      this.#writeSlot(0, next);
      this.#writeSlot(1, next);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      throw this.#failure;
    }
    this.#current = next;
  }

  close(): void {
    this.#file.close();
  }

  /**
   * Nothing intact. The second slot is first written when the first save's first slot is durable:
   * so where it is all zero, that save was cut short and nothing was ever promised.
   */
  #refuseUnlessNew(options: TwinStoreOptions): void {
    const second = this.#file.read(this.#slotBytes, this.#slotBytes);
    if (!options.required && isZero(second, 0, second.length)) return;
    this.#file.close();
    const reason = "neither of its two copies is intact";
    throw new DamageError({ file: options.name, offset: 0, reason });
  }

  #writeSlot(slot: number, content: Slot): void {
    const bytes = new Uint8Array(headerBytes + content.bytes.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, content.bytes.length, true);
    view.setUint32(4, (content.bytes.length ^ magic) >>> 0, true);
    view.setUint32(16, content.generation % twoTo32, true);
    view.setUint32(20, Math.floor(content.generation / twoTo32), true);
    bytes.set(content.bytes, headerBytes);
    view.setUint32(8, crc32c(bytes, 12, bytes.length), true);
    this.#file.write(slot * this.#slotBytes, bytes);
    this.#file.syncNow();
  }

  #readSlot(slot: number): Slot | undefined {
    const bytes = this.#file.read(slot * this.#slotBytes, this.#slotBytes);
    if (bytes.length < headerBytes) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = view.getUint32(0, true);
    const end = headerBytes + length;
    if (view.getUint32(4, true) !== (length ^ magic) >>> 0 || end > bytes.length) return undefined;
    if (view.getUint32(8, true) !== crc32c(bytes, 12, end)) return undefined;
    const generation = view.getUint32(16, true) + view.getUint32(20, true) * twoTo32;
    return { generation, bytes: bytes.slice(headerBytes, end) };
  }
}

function newer(a: Slot | undefined, b: Slot | undefined): Slot | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.generation === b.generation) {
    assert(equalBytes(a.bytes, b.bytes), "two slots of one generation differ");
  }
  return a.generation >= b.generation ? a : b;
}
