// One record of the journal as bytes, and back. A record knows its place: the same bytes elsewhere
// do not count. Not here: what a sequence of records means (replay.ts) and when they are written
// (journal.ts).
import { assert } from "../base/assert.ts";
import { crc32c } from "./crc32c.ts";
import type { EntryKind, LogIndex, Term } from "./types.ts";

/**
 * Bytes of a record before its payload. Little-endian:
 *
 *      0 u32 payload length        4 u32 mark: length ^ magic, so that either proves the other
 *      8 u32 CRC-32C of all bytes from 12 on, seeded with the record's place (segment, offset)
 *     12 u8 kind   13 u8 format   14 u16 check of the header from 12 on, without itself
 *     16 u56 sequence, u8 era     24 u64 durableSequence
 *     32 u64 index                40 u64 term
 *     48 payload, then one to eight times 0xff up to a multiple of 8
 *
 * The check is there for records whose payload was damaged: it says that the header can still be
 * believed. An older version wrote 0 there, and 0 as the era.
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
const kinds: readonly RecordKind[] = ["noop", "commands", "configuration", "base"];
/** The era counts modulo this. */
const eraModulus = 256;

/** Where a record is: the segment's ordinal and the byte offset in it. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
}

/** An entry of the log, or where the log begins and ends from this record on (base-record.ts). */
export type RecordKind = EntryKind | "base";

/** What a record holds; an Entry is one. */
export interface RecordContent {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: RecordKind;
  readonly payload: Uint8Array;
}

/** What a record's header says of itself. */
export interface RecordHeader {
  /** Dense: the journal's first record has 1. */
  readonly sequence: number;
  /** The last sequence that was known to be fsynced when this one was written. */
  readonly durableSequence: number;
  /** How many base records were written up to this one, itself included, modulo 256. */
  readonly era: number;
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: RecordKind;
}

/** A record and its number. */
export interface JournalRecord {
  readonly sequence: number;
  readonly durableSequence: number;
  readonly era: number;
  readonly content: RecordContent;
}

/** What the bytes at a place are. */
export type Decoded =
  | { readonly kind: "record"; readonly record: JournalRecord; readonly bytes: number }
  /**
   * The first eight bytes do not fit each other: no record begins here, or its header is broken.
   */
  | { readonly kind: "noRecord" }
  /**
   * A record begins here, and reaches so far, but its bytes are not those that were written.
   * `header` where that can still be believed.
   */
  | {
      readonly kind: "broken";
      readonly bytes: number;
      readonly header: RecordHeader | undefined;
    }
  /** Intact, but of a format that this version does not know. */
  | { readonly kind: "unknownFormat" };

/** Bytes that a record with such a payload takes. */
export function recordBytes(payloadBytes: number): number {
  return recordHeaderBytes + (Math.floor(payloadBytes / 8) + 1) * 8;
}

/** The era of the record after one of this era. */
export function nextEra(era: number, kind: RecordKind): number {
  return kind === "base" ? (era + 1) % eraModulus : era;
}

/** Writes a record at `at` of `target`, as it will be at `place`. Answers its length. */
export function encodeRecord(
  record: JournalRecord,
  target: { readonly bytes: Uint8Array; readonly view: DataView; readonly at: number },
  place: Place,
): number {
  const { bytes, view, at } = target;
  const { content } = record;
  const length = content.payload.length;
  const end = at + recordBytes(length);
  assert(end <= bytes.length, "a record does not fit into its batch");
  view.setUint32(at, length, true);
  view.setUint32(at + 4, markOf(length), true);
  view.setUint32(at + 12, kinds.indexOf(content.kind) | (format << 8), true);
  setUint53(view, at + 16, record.sequence);
  view.setUint8(at + 23, record.era);
  setUint53(view, at + 24, record.durableSequence);
  setUint53(view, at + 32, content.index);
  setUint53(view, at + 40, content.term);
  view.setUint16(at + 14, headerCheck(bytes, at, place), true);
  bytes.set(content.payload, at + recordHeaderBytes);
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
  if (end > bytes.length) return { kind: "broken", bytes: size, header: undefined };
  if (view.getUint32(at + 8, true) !== crc32c(bytes, at + 12, end, seedOf(place))) {
    return { kind: "broken", bytes: size, header: decodeHeader(bytes, at, place) };
  }
  const kind = kinds[view.getUint8(at + 12)];
  if (kind === undefined || view.getUint8(at + 13) !== format) return { kind: "unknownFormat" };
  const payload = bytes.subarray(at + recordHeaderBytes, at + recordHeaderBytes + length);
  const record = {
    sequence: getSequence(view, at),
    era: view.getUint8(at + 23),
    durableSequence: getUint53(view, at + 24),
    content: { index: getUint53(view, at + 32), term: getUint53(view, at + 40), kind, payload },
  };
  return { kind: "record", record, bytes: size };
}

/**
 * The header at `at` of `bytes`, where its check says that it is as written; the payload may be
 * anything.
 */
export function decodeHeader(
  bytes: Uint8Array,
  at: number,
  place: Place,
): RecordHeader | undefined {
  if (at + recordHeaderBytes > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(at + 14, true) !== headerCheck(bytes, at, place)) return undefined;
  const kind = kinds[view.getUint8(at + 12)];
  if (kind === undefined || view.getUint8(at + 13) !== format) return undefined;
  return {
    sequence: getSequence(view, at),
    durableSequence: getUint53(view, at + 24),
    era: view.getUint8(at + 23),
    index: getUint53(view, at + 32),
    term: getUint53(view, at + 40),
    kind,
  };
}

/** Whether the first eight bytes at `at` are those of some record. */
export function isRecordStart(view: DataView, at: number): boolean {
  if (at + recordHeaderBytes > view.byteLength) return false;
  return view.getUint32(at + 4, true) === markOf(view.getUint32(at, true));
}

function markOf(length: number): number {
  return (length ^ magic) >>> 0;
}

/** Never 0, so that a header without a check is not taken for one with it. */
function headerCheck(bytes: Uint8Array, at: number, place: Place): number {
  const kindAndPlace = crc32c(bytes, at + 12, at + 14, seedOf(place));
  const crc = crc32c(bytes, at + 16, at + recordHeaderBytes, kindAndPlace);
  return crc & 0xffff || 1;
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

/** Without the era above it. */
function getSequence(view: DataView, at: number): number {
  return view.getUint32(at + 16, true) + (view.getUint32(at + 20, true) & 0xff_ffff) * twoTo32;
}
