// Reads a journal at start-up: finds its records, tells what a crash tore from what is damaged, and
// makes sure that what it found is really on the disk. Not here: what the records mean (replay.ts)
// and anything after the start.
import { DamageError } from "./damage-error.ts";
import { readBytesMax } from "./limits.ts";
import type { LogFinding } from "./log-damage.ts";
import {
  type Decoded,
  decodeHeader,
  decodeRecord,
  isRecordStart,
  type JournalRecord,
  recordAlignmentBytes,
  recordBytes,
  recordHeaderBytes,
} from "./record.ts";
import { Replay } from "./replay.ts";
import { endOfNonZero, firstNonZero, hasUnwrittenSector, isZero } from "./sectors.ts";
import type { Segments } from "./segments.ts";

/** What a journal holds. */
export interface Recovered {
  readonly replay: Replay;
  /** Where the next record goes; undefined in an empty folder. */
  readonly end: { readonly segment: number; readonly offset: number } | undefined;
  /** Bytes of records by segment, dead ones included. */
  readonly segmentBytes: Map<number, number>;
  /** What is damaged, in the order of the journal; empty in a log that can be used. */
  readonly findings: readonly LogFinding[];
  /** Records may be missing at the end. */
  readonly isTailLost: boolean;
  /**
   * Sets back to zeros what is behind the end, and makes the last batch durable. Owed before the
   * log is used.
   */
  mend(): void;
}

/** One segment in memory. */
interface Loaded {
  readonly ordinal: number;
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Where a segment's records end, and what is behind them, if anything. */
interface ScanEnd {
  readonly offset: number;
  readonly problem: "none" | "torn" | "broken";
}

/** A segment that is to be zeros from an offset on. */
interface Leftover {
  readonly segment: Loaded;
  readonly offset: number;
}

/**
 * Reads all segments.
 *
 * At most one batch is ever unsynced, it lies in one segment, and nothing is written to the next
 * segment before it is synced. So only the newest segment with anything in it can be torn, and in
 * it only what no record proves durable. Whatever else cannot be read is damage.
 *
 * Writes nothing. Throws a DamageError for records of a later version, and the disk's own errors.
 * Runs to its end before it answers: about two seconds per GB.
 */
export function recoverJournal(segments: Segments): Recovered {
  const ordinals = segments.ordinals();
  return new Recovery(segments).run(ordinals, newestBegun(segments, ordinals));
}

/** The last segment with a byte that is not zero; 0 where there is none. */
function newestBegun(segments: Segments, ordinals: readonly number[]): number {
  for (const ordinal of ordinals.toReversed()) {
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
  readonly #replay = new Replay();
  /** The highest sequence that some record proves durable. */
  #provenSequence = 0;
  readonly #segmentBytes = new Map<number, number>();
  /** Where in the newest segment the records begin that nothing proves durable. */
  #unprovenFrom: number | undefined;
  /** The segment with the last record, and where its records end. */
  #last: Leftover | undefined;
  /** What is behind the last record and is not zero. */
  #leftovers: Leftover[] = [];
  /** What a header at the journal's unreadable end names as its entry; may be wrong. */
  #guess: number | undefined;

  constructor(segments: Segments) {
    this.#segments = segments;
  }

  run(ordinals: readonly number[], newest: number): Recovered {
    const first = ordinals[0];
    let end = first === undefined ? undefined : { segment: first, offset: 0 };
    let before = 0;
    for (const ordinal of ordinals) {
      if (ordinal !== before + 1) {
        this.#noteGap(this.#segments.name(ordinal - 1), 0, "this segment is missing");
      }
      before = ordinal;
      if (ordinal > newest) continue;
      const segment = load(this.#segments, ordinal);
      const sequenceBefore = this.#replay.lastSequence;
      const unprovenBefore = this.#unprovenFrom;
      const scanned = this.#scan(segment, newest);
      if (this.#replay.lastSequence > sequenceBefore) {
        end = { segment: ordinal, offset: scanned.offset };
        this.#last = { segment, offset: scanned.offset };
        this.#leftovers = [];
      } else {
        // A torn first batch leaves the newest segment empty: go on behind the one before. It may
        // also be no batch at all but a bit that has flipped in a segment made ahead of need; then
        // the last batch is in the one before.
        this.#unprovenFrom = unprovenBefore;
      }
      if (scanned.problem !== "none") this.#leftovers.push({ segment, offset: scanned.offset });
    }
    const isTailLost = this.#replay.end(this.#guess);
    const findings = this.#replay.openFindings();
    if (isTailLost) findings.at(-1)!.kind = "tail";
    return {
      replay: this.#replay,
      end,
      segmentBytes: this.#segmentBytes,
      findings,
      isTailLost,
      mend: () => this.#mend(),
    };
  }

  /** Takes in the segment's records. */
  #scan(segment: Loaded, newest: number): ScanEnd {
    const { bytes, ordinal, name } = segment;
    this.#unprovenFrom = undefined;
    let offset = 0;
    while (offset + recordHeaderBytes <= bytes.length) {
      const decoded = decodeRecord(bytes, offset, { segment: ordinal, offset });
      if (decoded.kind === "unknownFormat") {
        const reason = "a record of a format that this version does not know";
        throw new DamageError({ file: name, offset, reason });
      }
      if (decoded.kind !== "record") {
        const size = decoded.kind === "broken" ? decoded.bytes : recordHeaderBytes;
        const problem = explain(bytes, offset, size);
        const reason = this.#damageAt(segment, offset, { problem, newest });
        if (reason === undefined) return { offset, problem };
        const next = this.#passOver(segment, offset, { decoded, reason, newest });
        if (next === undefined) return { offset, problem: "broken" };
        offset = next;
        continue;
      }
      this.#take(decoded.record, segment, offset);
      offset += decoded.bytes;
    }
    const problem = explain(bytes, offset, recordHeaderBytes);
    if (problem !== "none") this.#noteGap(name, offset, "bytes behind the last record");
    return { offset, problem };
  }

  #take(record: JournalRecord, segment: Loaded, offset: number): void {
    const { sequence, durableSequence, content } = record;
    const { index, term, kind } = content;
    const replay = this.#replay;
    const isLate = durableSequence < sequence && durableSequence >= this.#provenSequence;
    if (!isLate || sequence <= replay.lastSequence) {
      const reason = isLate
        ? `record ${sequence} follows record ${replay.lastSequence}`
        : `record ${sequence} says ${durableSequence} was durable`;
      this.#noteGap(segment.name, offset, reason);
      return;
    }
    if (!replay.hasGap()) {
      const objection = replay.objection({ ...record, index, term, kind });
      if (objection !== undefined) this.#noteGap(segment.name, offset, objection);
    }
    if (this.#unprovenFrom === undefined || durableSequence > this.#provenSequence) {
      // Batches do not overlap: what says that all before it is durable begins the unproven part
      // itself.
      this.#unprovenFrom = offset;
    }
    this.#provenSequence = durableSequence;
    this.#guess = undefined;
    replay.take(record, { segment: segment.ordinal, offset }, segment.name);
    this.#countBytes(segment, content.payload.length);
  }

  #countBytes({ ordinal }: Loaded, payloadBytes: number): void {
    const before = this.#segmentBytes.get(ordinal) ?? 0;
    this.#segmentBytes.set(ordinal, before + recordBytes(payloadBytes));
  }

  #noteGap(file: string, offset: number, reason: string): void {
    this.#replay.noteGap({ file, offset, reason, kind: "hole" });
  }

  /**
   * What is damaged where no record can be read; undefined where a crash explains it, or the log
   * ends. A segment that is not the newest was synced whole.
   */
  #damageAt(
    segment: Loaded,
    offset: number,
    { problem, newest }: { problem: ScanEnd["problem"]; newest: number },
  ): string | undefined {
    if (problem === "none") return undefined;
    if (segment.ordinal < newest) return "a record that was durable cannot be read";
    if (problem === "broken") return "a record that was written whole cannot be read";
    const proof = this.#findProof(segment, offset);
    if (proof === undefined) return undefined;
    return `the record at byte ${proof} proves that this one was durable`;
  }

  /** Notes a record that cannot be read. Answers where to go on; undefined: nothing follows. */
  #passOver(
    segment: Loaded,
    offset: number,
    given: { decoded: Decoded; reason: string; newest: number },
  ): number | undefined {
    const { decoded, reason, newest } = given;
    const { bytes, ordinal, name } = segment;
    const place = { segment: ordinal, offset };
    const finding: LogFinding = { file: name, offset, reason, kind: "hole" };
    const header = decodeHeader(bytes, offset, place);
    const size = decoded.kind === "broken" ? decoded.bytes : undefined;
    const next = size === undefined || offset + size > bytes.length ? undefined : offset + size;
    if (next !== undefined && header !== undefined) {
      if (this.#replay.takeUnreadable(header, place, finding)) {
        this.#countBytes(segment, 0);
        return next;
      }
    }
    this.#replay.noteGap(finding);
    // Inside a record whose length is known, nothing is looked for: its payload is anybody's bytes.
    const found = this.#findChain(segment, next ?? offset + recordAlignmentBytes, newest);
    if (found === undefined) this.#guess = indexAt(bytes, offset);
    return found;
  }

  /**
   * Where intact records go on behind one that cannot be read, from there to the segment's end:
   * less might be bytes within a payload that look like records.
   */
  #findChain(segment: Loaded, from: number, newest: number): number | undefined {
    const { bytes, ordinal } = segment;
    let at = from;
    for (;;) {
      const start = nextIntact(segment, at);
      if (start === undefined) return undefined;
      let sequence = this.#replay.lastSequence + 1;
      at = start;
      for (;;) {
        const decoded = decodeRecord(bytes, at, { segment: ordinal, offset: at });
        if (decoded.kind === "record") {
          const isNext = at === start || decoded.record.sequence === sequence + 1;
          if (!isNext || decoded.record.sequence <= sequence) break;
          sequence = decoded.record.sequence;
          at += decoded.bytes;
          continue;
        }
        const size = decoded.kind === "broken" ? decoded.bytes : recordHeaderBytes;
        const problem = explain(bytes, at, size);
        // Another record of known length that cannot be read is a break, but no junk.
        const isBreak = decoded.kind === "broken" && at + size <= bytes.length;
        if (problem === "none" || (problem === "torn" && ordinal === newest)) return start;
        if (isBreak) return start;
        break;
      }
      at = Math.max(at, start + recordAlignmentBytes);
    }
  }

  /**
   * What is torn or unreadable behind the end is set back to zeros; the last batch is written once
   * more, since after a failed fsync or the death of a process the file cache may hold what the
   * disk does not; then all is synced.
   */
  #mend(): void {
    for (const leftover of this.#leftovers) {
      const { segment, offset } = leftover;
      const { bytes } = segment;
      const end = endOfNonZero(bytes, offset, bytes.length);
      const file = this.#segments.file(segment.ordinal);
      file.write(offset, new Uint8Array(end - offset));
      if (segment !== this.#last?.segment) this.#writeOnceMore(segment, offset, undefined);
    }
    if (this.#last === undefined) return;
    this.#writeOnceMore(this.#last.segment, this.#last.offset, this.#unprovenFrom);
  }

  /** Writes what no record proves durable, up to `end`, and syncs the segment. */
  #writeOnceMore({ ordinal, bytes }: Loaded, end: number, from: number | undefined): void {
    const file = this.#segments.file(ordinal);
    if (from !== undefined) file.write(from, bytes.subarray(from, end));
    file.syncNow();
  }

  /** Where a later intact record says that the one missing at `from` had been durable. */
  #findProof(segment: Loaded, from: number): number | undefined {
    let at: number | undefined = from + recordAlignmentBytes;
    for (;;) {
      at = nextIntact(segment, at);
      if (at === undefined) return undefined;
      const decoded = decodeRecord(segment.bytes, at, { segment: segment.ordinal, offset: at });
      if (decoded.kind !== "record") return undefined;
      if (decoded.record.durableSequence > this.#replay.lastSequence) return at;
      at += decoded.bytes;
    }
  }
}

/** Where the next intact record begins, wherever that is. */
function nextIntact({ bytes, ordinal }: Loaded, from: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = from;
  while (at + recordHeaderBytes <= bytes.length) {
    if (!isRecordStart(view, at)) {
      const next = firstNonZero(bytes, at + recordAlignmentBytes, bytes.length);
      at = next - (next % recordAlignmentBytes);
      continue;
    }
    const decoded = decodeRecord(bytes, at, { segment: ordinal, offset: at });
    if (decoded.kind === "record") return at;
    at += recordAlignmentBytes;
  }
  return undefined;
}

/** The index of a record whose checksum is wrong. */
function indexAt(bytes: Uint8Array, offset: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(offset + 32, true) + view.getUint32(offset + 36, true) * 2 ** 32;
}
