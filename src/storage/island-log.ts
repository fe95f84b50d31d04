// The island log's journal: opaque items in the order of their arrival, in one growing file that is
// small and short-lived. Not here: what items are, and when they may be erased.
import { assert } from "../base/assert.ts";
import type { Disk, DiskFile, Done } from "../io/disk.ts";
import { crc32c } from "./crc32c.ts";
import { DamageError } from "./damage-error.ts";
import { damagedIslandsMax, islandItemBytesMax, islandLogBytesMax } from "./limits.ts";
import { endOfNonZero, hasUnwrittenSector } from "./sectors.ts";

/**
 * Bytes of a record before its item. Little-endian, at a multiple of 8:
 *
 *      0 u32 length                4 u32 mark: length ^ magic
 *      8 u32 CRC-32C of all bytes from 12 on, seeded with the offset
 *     12 u32 number from 1        16 u32 how many items were durable when it was written
 *     20 u32 and 24 u32 the chain before it: the FNV-1a and the CRC-32C of all items before
 *     28 u32 0                    32 the item, then one to eight times 0xff
 *
 * The chain shows loss and disorder. It is no guard against malice: who can write here can compute
 * it.
 */
const headerBytes = 32;
const alignmentBytes = 8;
const magic = 0x4c53_4948;

/** Settings of an island log. */
export interface IslandLogOptions {
  /** Subfolder of the data folder ("island"). */
  readonly folder?: string;
  /** Hears of what could not be read any more, and of what is missing. */
  readonly onDamage?: (damage: DamageError) => void;
}

/** Items that were accepted without a majority. */
export interface IslandLog {
  /** In order: those that were found, and those appended since, durable or not. */
  items(): readonly Uint8Array[];
  /**
   * Appends; `done` comes when they and all before are durable, in the order of the calls, from a
   * callback of the disk; at once where there is nothing to write, or where the log has failed or
   * is full, which is an error. The first failure of a write or sync is final. Items must not be
   * changed afterwards.
   */
  append(items: readonly Uint8Array[], done: Done): void;
  /**
   * Forgets all, durably when it returns; numbers and chain begin anew. Not while an append is
   * under way. Throws.
   */
  erase(): void;
  /** Bytes on disk. */
  bytes(): number;
  /** Lets go of the file. Callbacks under way are not called any more. */
  close(): void;
}

/**
 * Opens the log, or begins one. A tail that a crash tore is cut off. Items are independent of each
 * other: damage costs those that it hit, is reported, and never keeps the others from being used.
 * Throws the disk's errors.
 */
export function openIslandLog(disk: Disk, options: IslandLogOptions = {}): IslandLog {
  return new ItemJournal(disk, options);
}

/** What is known of the items before a place. */
interface Chain {
  readonly fnv: number;
  readonly crc: number;
}

const chainStart: Chain = { fnv: 0x811c_9dc5, crc: 0 };

interface ItemRecord {
  readonly number: number;
  readonly durableCount: number;
  readonly chain: Chain;
  readonly item: Uint8Array;
}

interface Waiter {
  /** Callbacks of so many items together. */
  readonly count: number;
  readonly done: Done;
}

class ItemJournal implements IslandLog {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #name: string;
  #file: DiskFile;
  #items: Uint8Array[] = [];
  /** So many items are written, and so many durable. */
  #writtenCount = 0;
  #durableCount = 0;
  #end = 0;
  #queuedBytes = 0;
  #chain = chainStart;
  #syncing = false;
  #waiters: Waiter[] = [];
  #failure: Error | undefined;
  #closed = false;

  constructor(disk: Disk, options: IslandLogOptions) {
    this.#disk = disk;
    this.#folder = options.folder ?? "island";
    this.#name = `${this.#folder}/items.log`;
    this.#file = disk.open(this.#name, { create: true });
    // Its name may be in the file cache only, after the death of a process.
    disk.syncFolder(this.#folder);
    const bytes = this.#file.read(0, this.#file.size());
    const scan = scanItems(bytes, this.#name);
    for (const damage of scan.damage) options.onDamage?.(damage);
    this.#items = scan.items;
    if (scan.damage.length > 0) this.#keepAside(bytes);
    if (scan.isSound) this.#writeOnceMore(bytes, scan.end);
    else this.#rewrite();
    this.#durableCount = this.#writtenCount;
  }

  items(): readonly Uint8Array[] {
    return this.#items;
  }

  append(items: readonly Uint8Array[], done: Done): void {
    assert(!this.#closed, "a closed island log is used");
    if (this.#failure !== undefined) {
      done(this.#failure);
      return;
    }
    let bytes = 0;
    for (const { length } of items) {
      assert(length <= islandItemBytesMax, `an item of ${length} bytes`);
      bytes += recordBytes(length);
    }
    if (this.#end + this.#queuedBytes + bytes > islandLogBytesMax) {
      done(new Error(`the island log would be longer than ${islandLogBytesMax} bytes`));
      return;
    }
    this.#queuedBytes += bytes;
    for (const item of items) this.#items.push(item);
    if (this.#durableCount === this.#items.length) {
      done();
      return;
    }
    this.#waiters.push({ count: this.#items.length, done });
    this.#writeBatch();
    this.#tellFailure();
  }

  erase(): void {
    assert(!this.#closed, "a closed island log is used");
    if (this.#failure !== undefined) throw this.#failure;
    assert(this.#durableCount === this.#items.length, "an append is under way");
    this.#items = [];
    try {
      this.#rewrite();
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
  }

  bytes(): number {
    return this.#end;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiters = [];
    this.#file.close();
  }

  /** Writes all that waits and syncs it, unless a sync is under way. */
  #writeBatch(): void {
    if (this.#syncing || this.#failure !== undefined) return;
    if (this.#writtenCount === this.#items.length) return;
    try {
      const bytes = this.#encode(this.#items.slice(this.#writtenCount));
      this.#file.write(this.#end, bytes);
      this.#end += bytes.length;
      this.#queuedBytes -= bytes.length;
      this.#writtenCount = this.#items.length;
      this.#syncing = true;
      const count = this.#writtenCount;
      this.#file.sync((error) => this.#handleSynced(count, error));
    } catch (error) {
      this.#failure = error as Error;
    }
  }

  #handleSynced(count: number, error: Error | undefined): void {
    if (this.#closed) return;
    this.#syncing = false;
    if (error === undefined) this.#durableCount = count;
    else this.#failure = error;
    const ready = this.#waiters.filter((waiter) => waiter.count <= this.#durableCount);
    this.#waiters = this.#waiters.slice(ready.length);
    this.#writeBatch();
    for (const { done } of ready) done();
    this.#tellFailure();
  }

  #tellFailure(): void {
    if (this.#failure === undefined) return;
    for (const { done } of this.#waiters.splice(0)) done(this.#failure);
  }

  /** The records of these items, which go behind what is written. */
  #encode(items: readonly Uint8Array[]): Uint8Array {
    let length = 0;
    for (const item of items) length += recordBytes(item.length);
    const bytes = new Uint8Array(length);
    let at = 0;
    let number = this.#writtenCount;
    for (const item of items) {
      number += 1;
      const record = { number, durableCount: this.#durableCount, chain: this.#chain, item };
      at += encodeItem(record, { bytes, at }, this.#end + at);
      this.#chain = extend(this.#chain, item);
    }
    return bytes;
  }

  /**
   * After a failed sync or the death of a process the file cache may hold what the disk does not:
   * what was read is written again. A torn tail goes.
   */
  #writeOnceMore(bytes: Uint8Array, end: number): void {
    if (bytes.length > end) this.#file.truncate(end);
    this.#file.write(0, bytes.subarray(0, end));
    this.#file.syncNow();
    this.#end = end;
    this.#writtenCount = this.#items.length;
    for (const item of this.#items) this.#chain = extend(this.#chain, item);
  }

  /** A new file of the items takes the place of the old one, all at once. */
  #rewrite(): void {
    const passing = `${this.#folder}/items.tmp`;
    this.#writtenCount = 0;
    this.#durableCount = 0;
    this.#end = 0;
    this.#chain = chainStart;
    const bytes = this.#encode(this.#items);
    const file = this.#disk.open(passing, { create: true });
    file.truncate(0);
    file.write(0, bytes);
    file.syncNow();
    this.#file.close();
    this.#file = file;
    this.#disk.rename(passing, this.#name);
    this.#disk.syncFolder(this.#folder);
    this.#end = bytes.length;
    this.#writtenCount = this.#items.length;
    this.#durableCount = this.#items.length;
  }

  /** For whoever wants to look into it. */
  #keepAside(bytes: Uint8Array): void {
    const copies = this.#disk.list(this.#folder).filter((file) => file.startsWith("damaged-"));
    if (copies.length >= damagedIslandsMax) return;
    const name = `${this.#folder}/damaged-${copies.length + 1}.log`;
    const file = this.#disk.open(name, { create: true });
    file.write(0, bytes);
    file.syncNow();
    file.close();
    this.#disk.syncFolder(this.#folder);
  }
}

/** What a file holds. `isSound`: from its beginning to `end` it is as a writer would leave it. */
interface Scan {
  readonly items: Uint8Array[];
  readonly end: number;
  readonly isSound: boolean;
  readonly damage: readonly DamageError[];
}

/**
 * Reads all items that are whole. Bytes that are none are a torn batch where a part of them was
 * never written and no later record proves that they had been durable; else they are damaged.
 */
function scanItems(bytes: Uint8Array, file: string): Scan {
  const items: Uint8Array[] = [];
  const damage: DamageError[] = [];
  const note = (offset: number, reason: string) =>
    damage.push(new DamageError({ file, offset, reason }));
  let isSound = true;
  let number = 0;
  let chain = chainStart;
  let at = 0;
  for (;;) {
    const found = findItem(bytes, at);
    const record = found?.record;
    const end = found?.at ?? endOfNonZero(bytes, at, bytes.length);
    const isProven = record !== undefined && record.durableCount > number;
    if (end > at) {
      if (isProven || !isTorn(bytes, at)) {
        note(at, "what stands here cannot be read; an item or more may be lost");
      }
      if (record !== undefined) isSound = false;
    }
    if (found === undefined || record === undefined) return { items, end: at, isSound, damage };
    const isNext = record.number === number + 1 && sameChain(record.chain, chain);
    if (!isNext) {
      if (end === at) note(at, `item ${record.number} does not follow item ${number}`);
      isSound = false;
    }
    items.push(record.item);
    number = record.number;
    chain = extend(record.chain, record.item);
    at = found.at + recordBytes(record.item.length);
  }
}

/** Whether a crash explains that no item can be read here. */
function isTorn(bytes: Uint8Array, at: number): boolean {
  const length = lengthAt(bytes, at);
  const end = at + (length === undefined ? headerBytes : recordBytes(length));
  return end > bytes.length || hasUnwrittenSector(bytes, at, end);
}

/** The next whole item. Not looked for inside one whose length is known. */
function findItem(
  bytes: Uint8Array,
  from: number,
): { readonly at: number; readonly record: ItemRecord } | undefined {
  let at = from;
  while (at + headerBytes <= bytes.length) {
    const length = lengthAt(bytes, at);
    if (length === undefined) {
      at += alignmentBytes;
      continue;
    }
    const record = decodeItem(bytes, at, length);
    if (record !== undefined) return { at, record };
    const next = at + recordBytes(length);
    at = next <= bytes.length ? next : at + alignmentBytes;
  }
  return undefined;
}

function recordBytes(itemBytes: number): number {
  return headerBytes + (Math.floor(itemBytes / alignmentBytes) + 1) * alignmentBytes;
}

/** The length of the item whose record begins here; undefined where none does. */
function lengthAt(bytes: Uint8Array, at: number): number | undefined {
  if (at + headerBytes > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, headerBytes);
  const length = view.getUint32(0, true);
  return view.getUint32(4, true) === (length ^ magic) >>> 0 ? length : undefined;
}

function encodeItem(
  { number, durableCount, chain, item }: ItemRecord,
  { bytes, at }: { readonly bytes: Uint8Array; readonly at: number },
  offset: number,
): number {
  const end = at + recordBytes(item.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(at, item.length, true);
  view.setUint32(at + 4, (item.length ^ magic) >>> 0, true);
  view.setUint32(at + 12, number, true);
  view.setUint32(at + 16, durableCount, true);
  view.setUint32(at + 20, chain.fnv, true);
  view.setUint32(at + 24, chain.crc, true);
  bytes.set(item, at + headerBytes);
  bytes.fill(0xff, at + headerBytes + item.length, end);
  view.setUint32(at + 8, crc32c(bytes, at + 12, end, offset), true);
  return end - at;
}

function decodeItem(bytes: Uint8Array, at: number, length: number): ItemRecord | undefined {
  const end = at + recordBytes(length);
  if (end > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(at + 8, true) !== crc32c(bytes, at + 12, end, at)) return undefined;
  return {
    number: view.getUint32(at + 12, true),
    durableCount: view.getUint32(at + 16, true),
    chain: { fnv: view.getUint32(at + 20, true), crc: view.getUint32(at + 24, true) },
    item: bytes.slice(at + headerBytes, at + headerBytes + length),
  };
}

/** FNV-1a (Fowler, Noll, Vo; 32 bits) and CRC-32C, each going on from its value so far. */
function extend({ fnv, crc }: Chain, item: Uint8Array): Chain {
  let hash = fnv ^ item.length;
  for (const byte of item) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return { fnv: hash >>> 0, crc: crc32c(item, 0, item.length, crc) };
}

function sameChain(a: Chain, b: Chain): boolean {
  return a.fnv === b.fnv && a.crc === b.crc;
}
