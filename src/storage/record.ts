// One record of the journal as bytes, and back. A record knows its place: the same bytes elsewhere
// do not count. Not here: what a sequence of records means (recovery.ts) and when they are written
// (log-store.ts).
import { assert } from "../base/assert.ts";
import { crc32c } from "./crc32c.ts";
import type { Entry, EntryKind } from "./types.ts";

/**
 * Bytes of a record before its payload. Little-endian:
 *
 *      0 u32 payload length        4 u32 mark: length ^ magic, so that either proves the other
 *      8 u32 CRC-32C of all bytes from 12 on, seeded with the record's place (segment, offset)
 *     12 u8 kind   13 u8 format   14 u16 0
 *     16 u64 sequence             24 u64 durableSequence
 *     32 u64 index                40 u64 term
 *     48 payload, then one to eight times 0xff up to a multiple of 8
 *
 * The last byte is never zero, so a write that ended early shows. Nor is the header's first or last
 * word: of a record with a payload shorter than a sector, no sector's share is all zero, so a
 * sector that was never written shows too.
 */
export const recordHeaderBytes = 48;
/** Records begin at multiples of this. */
export const recordAlignmentBytes = 8;

const magic = 0x314a_4648;
const format = 1;
const twoTo32 = 0x1_0000_0000;
const kinds: readonly EntryKind[] = ["noop", "commands", "configuration"];

/** Where a record is: the segment's ordinal and the byte offset in it. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
}

/** What a record says of itself besides its entry. */
export interface JournalRecord {
  /** Dense: the journal's first record has 1. */
  readonly sequence: number;
  /** The last sequence that was known to be fsynced when this one was written. */
  readonly durableSequence: number;
  readonly entry: Entry;
}

/** What the bytes at a place are. */
export type Decoded =
  | { readonly kind: "record"; readonly record: JournalRecord; readonly bytes: number }
  /**
   * The first eight bytes do not fit each other: no record begins here, or its header is broken.
   */
  | { readonly kind: "noRecord" }
  /** A record begins here, and reaches so far, but its bytes are not those that were written. */
  | { readonly kind: "broken"; readonly bytes: number }
  /** Intact, but of a format that this version does not know. */
  | { readonly kind: "unknownFormat" };

/** Bytes that a record with such a payload takes. */
export function recordBytes(payloadBytes: number): number {
  return recordHeaderBytes + (Math.floor(payloadBytes / 8) + 1) * 8;
}

/** Writes a record at `at` of `target`, as it will be at `place`. Answers its length. */
export function encodeRecord(
  record: JournalRecord,
  target: { readonly bytes: Uint8Array; readonly view: DataView; readonly at: number },
  place: Place,
): number {
  const { bytes, view, at } = target;
  const { entry } = record;
  const length = entry.payload.length;
  const end = at + recordBytes(length);
  assert(end <= bytes.length, "a record does not fit into its batch");
  view.setUint32(at, length, true);
  view.setUint32(at + 4, markOf(length), true);
  view.setUint32(at + 12, kinds.indexOf(entry.kind) | (format << 8), true);
  setUint53(view, at + 16, record.sequence);
  setUint53(view, at + 24, record.durableSequence);
  setUint53(view, at + 32, entry.index);
  setUint53(view, at + 40, entry.term);
  bytes.set(entry.payload, at + recordHeaderBytes);
  bytes.fill(0xff, at + recordHeaderBytes + length, end);
  view.setUint32(at + 8, crc32c(bytes, at + 12, end, seedOf(place)), true);
  return end - at;
}

/**
 * What is at `at` of `bytes`, which were read from `place`. The payload of a record is a view of
 * `bytes`. A record that would reach past the end of `bytes` is broken.
 */
export function decodeRecord(bytes: Uint8Array, at: number, place: Place): Decoded {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isRecordStart(view, at)) return { kind: "noRecord" };
  const length = view.getUint32(at, true);
  const size = recordBytes(length);
  const end = at + size;
  if (end > bytes.length) return { kind: "broken", bytes: size };
  if (view.getUint32(at + 8, true) !== crc32c(bytes, at + 12, end, seedOf(place))) {
    return { kind: "broken", bytes: size };
  }
  const kind = kinds[view.getUint8(at + 12)];
  if (kind === undefined || view.getUint8(at + 13) !== format) return { kind: "unknownFormat" };
  const payload = bytes.subarray(at + recordHeaderBytes, at + recordHeaderBytes + length);
  const record = {
    sequence: getUint53(view, at + 16),
    durableSequence: getUint53(view, at + 24),
    entry: { index: getUint53(view, at + 32), term: getUint53(view, at + 40), kind, payload },
  };
  return { kind: "record", record, bytes: size };
}

/** Whether the first eight bytes at `at` are those of some record. */
export function isRecordStart(view: DataView, at: number): boolean {
  if (at + recordHeaderBytes > view.byteLength) return false;
  return view.getUint32(at + 4, true) === markOf(view.getUint32(at, true));
}

function markOf(length: number): number {
  return (length ^ magic) >>> 0;
}

/** Different for any two places of one segment, since offsets are below 2^32. */
function seedOf(place: Place): number {
  return Math.imul(place.segment, 0x9e37_79b1) ^ place.offset;
}

function setUint53(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % twoTo32, true);
  view.setUint32(at + 4, Math.floor(value / twoTo32), true);
}

function getUint53(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * twoTo32;
}
