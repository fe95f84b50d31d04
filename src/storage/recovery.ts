// Reads a journal at start-up: rebuilds the log's outline, cuts off what a crash tore, refuses
// damage, and makes sure that what it found is really on the disk. Not here: anything after the
// start.
import { DamageError } from "./damage-error.ts";
import { EntryTable } from "./entry-table.ts";
import { readBytesMax } from "./limits.ts";
import {
  decodeRecord,
  isRecordStart,
  type JournalRecord,
  recordAlignmentBytes,
  recordBytes,
  recordHeaderBytes,
} from "./record.ts";
import { endOfNonZero, firstNonZero, hasUnwrittenSector, isZero } from "./sectors.ts";
import type { Segments } from "./segments.ts";

/** What a journal holds. */
export interface Recovered {
  readonly table: EntryTable;
  /** Where the next record goes; undefined in an empty folder. */
  readonly end: { readonly segment: number; readonly offset: number } | undefined;
  /** Sequence of the last record, 0 where there is none. All up to it are durable. */
  readonly lastSequence: number;
  /** Bytes of all records, dead ones included. */
  readonly recordBytes: number;
}

/** One segment in memory. */
interface Loaded {
  readonly ordinal: number;
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Where a segment's intact records end, and what is wrong there, if anything. */
interface ScanEnd {
  readonly offset: number;
  readonly problem: "none" | "torn" | "broken";
}

/**
 * Reads all segments, mends the tail and syncs it.
 *
 * At most one batch is ever unsynced, it lies in one segment, and nothing is written to the next
 * segment before it is synced. So only the newest segment with anything in it can be torn, and in
 * it only what no record proves durable.
 *
 * Throws a DamageError for what no crash explains,
 * and the disk's own errors. Runs to its end before it answers: about two seconds per GB.
 */
export function recoverJournal(segments: Segments): Recovered {
  const ordinals = segments.ordinals();
  for (const [at, ordinal] of ordinals.entries()) {
    if (ordinal !== at + 1) throw damage(segments.name(at + 1), 0, "this segment is missing");
  }
  return new Recovery(segments).run(newestBegun(segments, ordinals.length), ordinals.length);
}

/** The last segment with a byte that is not zero; 0 where there is none. */
function newestBegun(segments: Segments, count: number): number {
  for (let ordinal = count; ordinal > 0; ordinal--) {
    const file = segments.file(ordinal);
    const size = file.size();
    for (let at = 0; at < size; at += readBytesMax) {
      const bytes = file.read(at, Math.min(readBytesMax, size - at));
      if (!isZero(bytes, 0, bytes.length)) return ordinal;
    }
  }
  return 0;
}

function load(segments: Segments, ordinal: number): Loaded {
  const file = segments.file(ordinal);
  return { ordinal, name: segments.name(ordinal), bytes: file.read(0, file.size()) };
}

function damage(file: string, offset: number, reason: string): DamageError {
  return new DamageError({ file, offset, reason });
}

/**
 * Why no intact record is at `start`. "none": the log ends. "torn": a crash explains it, since a
 * part of it was never written: nothing is there from some byte on, before its last one; or a
 * sector's share of it is all zero. "broken": it was written whole. `size` is its length where that
 * is known, that of a header otherwise.
 */
function explain(bytes: Uint8Array, start: number, size: number): ScanEnd["problem"] {
  const written = endOfNonZero(bytes, start, bytes.length);
  if (written === start) return "none";
  const end = start + size;
  // No record is ever written across a segment's end.
  if (end > bytes.length) return "broken";
  if (written < end) return "torn";
  return hasUnwrittenSector(bytes, start, end) ? "torn" : "broken";
}

class Recovery {
  readonly #segments: Segments;
  readonly #table = new EntryTable();
  #lastSequence = 0;
  /** The highest sequence that some record proves durable. */
  #provenSequence = 0;
  #recordBytes = 0;
  /** Where in the newest segment the records begin that nothing proves durable. */
  #unprovenFrom: number | undefined;

  constructor(segments: Segments) {
    this.#segments = segments;
  }

  run(newest: number, count: number): Recovered {
    let end = count === 0 ? undefined : { segment: 1, offset: 0 };
    let before: { segment: Loaded; offset: number } | undefined;
    for (let ordinal = 1; ordinal <= newest; ordinal++) {
      const segment = load(this.#segments, ordinal);
      const sequenceBefore = this.#lastSequence;
      const unprovenBefore = this.#unprovenFrom;
      const scanned = this.#scan(segment);
      if (ordinal < newest) this.#checkSealed(segment, scanned);
      else this.#mendNewest(segment, scanned);
      if (this.#lastSequence > sequenceBefore) {
        end = { segment: ordinal, offset: scanned.offset };
      } else if (before !== undefined) {
        // A torn first batch leaves the newest segment empty: go on behind the one before. It may
        // also be no batch at all but a bit that has flipped in a segment made ahead of need; then
        // the last batch is in the one before.
        this.#unprovenFrom = unprovenBefore;
        this.#writeOnceMore(before.segment, before.offset);
      }
      before = { segment, offset: scanned.offset };
    }
    return {
      table: this.#table,
      end,
      lastSequence: this.#lastSequence,
      recordBytes: this.#recordBytes,
    };
  }

  /** Takes in the segment's records up to the first place where there is none. */
  #scan(segment: Loaded): ScanEnd {
    const { bytes, ordinal, name } = segment;
    this.#unprovenFrom = undefined;
    let offset = 0;
    while (offset + recordHeaderBytes <= bytes.length) {
      const decoded = decodeRecord(bytes, offset, { segment: ordinal, offset });
      if (decoded.kind === "unknownFormat") {
        throw damage(name, offset, "a record of a format that this version does not know");
      }
      if (decoded.kind !== "record") {
        const size = decoded.kind === "broken" ? decoded.bytes : recordHeaderBytes;
        return { offset, problem: explain(bytes, offset, size) };
      }
      this.#take(decoded.record, segment, offset);
      offset += decoded.bytes;
    }
    return { offset, problem: explain(bytes, offset, recordHeaderBytes) };
  }

  #take(record: JournalRecord, segment: Loaded, offset: number): void {
    const { sequence, durableSequence, entry } = record;
    if (sequence !== this.#lastSequence + 1) {
      const gap = `record ${sequence} follows record ${this.#lastSequence}`;
      throw damage(segment.name, offset, gap);
    }
    if (durableSequence >= sequence || durableSequence < this.#provenSequence) {
      throw damage(segment.name, offset, `record ${sequence} says ${durableSequence} was durable`);
    }
    if (!this.#table.accepts(entry.index, entry.term)) {
      const place = `entry ${entry.index} of term ${entry.term} does not fit behind entry`;
      throw damage(segment.name, offset, `${place} ${this.#table.lastIndex()}`);
    }
    this.#lastSequence = sequence;
    if (this.#unprovenFrom === undefined || durableSequence > this.#provenSequence) {
      // Batches do not overlap: what says that all before it is durable begins the unproven part
      // itself.
      this.#unprovenFrom = offset;
    }
    this.#provenSequence = durableSequence;
    this.#table.append(entry.index, entry.term);
    this.#table.locate(entry.index, segment.ordinal, offset, entry.payload.length);
    this.#recordBytes += recordBytes(entry.payload.length);
  }

  /**
   * A segment that is not the newest was synced whole: anything but records and then zeros is
   * damage.
   */
  #checkSealed(segment: Loaded, scanned: ScanEnd): void {
    if (scanned.problem === "none") return;
    throw damage(segment.name, scanned.offset, "a record that was durable cannot be read");
  }

  /**
   * The newest segment. What is torn is set back to zeros; the last batch is written once more,
   * since after a failed fsync or the death of a process the file cache may hold what the disk does
   * not; then all is synced.
   */
  #mendNewest(segment: Loaded, scanned: ScanEnd): void {
    const { bytes, name } = segment;
    const { offset, problem } = scanned;
    if (problem === "broken") {
      throw damage(name, offset, "a record that was written whole cannot be read");
    }
    const file = this.#segments.file(segment.ordinal);
    if (problem === "torn") {
      const proof = this.#findProof(segment, offset);
      if (proof !== undefined) {
        throw damage(name, offset, `the record at byte ${proof} proves that this one was durable`);
      }
      const end = endOfNonZero(bytes, offset, bytes.length);
      file.write(offset, new Uint8Array(end - offset));
    }
    this.#writeOnceMore(segment, offset);
  }

  /** Writes what no record proves durable, up to `end`, and syncs the segment. */
  #writeOnceMore({ ordinal, bytes }: Loaded, end: number): void {
    const file = this.#segments.file(ordinal);
    if (this.#unprovenFrom !== undefined) {
      file.write(this.#unprovenFrom, bytes.subarray(this.#unprovenFrom, end));
    }
    file.syncNow();
  }

  /** Where a later intact record says that the one missing at `from` had been durable. */
  #findProof(segment: Loaded, from: number): number | undefined {
    const { bytes, ordinal } = segment;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = from + recordAlignmentBytes;
    while (at + recordHeaderBytes <= bytes.length) {
      if (!isRecordStart(view, at)) {
        const next = firstNonZero(bytes, at + recordAlignmentBytes, bytes.length);
        at = next - (next % recordAlignmentBytes);
        continue;
      }
      const decoded = decodeRecord(bytes, at, { segment: ordinal, offset: at });
      if (decoded.kind === "record") {
        if (decoded.record.durableSequence > this.#lastSequence) return at;
        at += decoded.bytes;
      } else {
        at += recordAlignmentBytes;
      }
    }
    return undefined;
  }
}
