// The journal's writing end: collects records, writes them as batches, one fsync in flight at a
// time (group commit). It only ever appends. A failed write or fsync ends it for good. Not here:
// what the log looks like (log-store.ts).
import { assert } from "../base/assert.ts";
import type { DiskFile, Done } from "../io/disk.ts";
import { batchBytesMax } from "./limits.ts";
import { encodeRecord, nextEra, type Place, type RecordContent, recordBytes } from "./record.ts";
import type { Segments } from "./segments.ts";

/** What the journal tells its owner. */
export interface JournalListener {
  /** The record can be read at this place from now on. Called before the sync begins. */
  written(content: RecordContent, place: Place): void;
  /**
   * All records handed over up to and including `last` are durable, which is all that were written;
   * called before the next batch is written. What it throws ends the journal.
   */
  durable(last: RecordContent): void;
}

/** Where a journal goes on. */
export interface JournalStart {
  readonly end: Place | undefined;
  readonly lastSequence: number;
  readonly era: number;
}

/** What waits for a sequence to be durable. */
interface Waiter {
  readonly sequence: number;
  readonly done: Done;
}

/** Appends records to the segments. */
export class Journal {
  readonly #segments: Segments;
  readonly #listener: JournalListener;
  /** Where the next record goes; undefined until the first segment is there. */
  #end: Place | undefined;
  /** The segment that `#end` is in, open for writing, and its length. */
  #file: DiskFile | undefined;
  #segmentBytes = 0;
  /** Not written yet, in order. The first one will have #writtenSequence + 1. */
  #queue: RecordContent[] = [];
  /** Of the last record written. */
  #era: number;
  #writtenSequence: number;
  #durableSequence: number;
  #syncing = false;
  /** In order of their sequences. */
  #waiters: Waiter[] = [];
  #failure: Error | undefined;
  #closed = false;
  #batch = new Uint8Array(64 * 1024);
  #batchView = new DataView(this.#batch.buffer);

  constructor(segments: Segments, start: JournalStart, listener: JournalListener) {
    this.#segments = segments;
    this.#listener = listener;
    this.#end = start.end;
    if (start.end !== undefined) this.#openSegment(start.end.segment);
    this.#writtenSequence = start.lastSequence;
    this.#durableSequence = start.lastSequence;
    this.#era = start.era;
    this.#makeSpare();
  }

  /** What has ended this journal, if anything has. */
  failure(): Error | undefined {
    return this.#failure;
  }

  /** What is not written yet, in order. */
  unwritten(): readonly RecordContent[] {
    return this.#queue;
  }

  /** The segment that is written to; 0 before there is one. */
  segment(): number {
    return this.#end?.segment ?? 0;
  }

  /**
   * Hands records over; `done` is called when they and all before them are durable, in the order of
   * the calls, from a callback of the disk. Only where nothing is under way and there is nothing to
   * write, or after a failure, it is called before this returns. Written at once unless a sync is
   * in flight.
   */
  append(contents: readonly RecordContent[], done: Done): void {
    assert(!this.#closed, "a closed log is used");
    if (this.#failure !== undefined) {
      done(this.#failure);
      return;
    }
    for (const content of contents) this.#queue.push(content);
    const sequence = this.#writtenSequence + this.#queue.length;
    if (sequence === this.#durableSequence) {
      done();
      return;
    }
    this.#waiters.push({ sequence, done });
    this.#writeBatch();
    this.#tellFailure();
  }

  /** Ends it: what is written stays, callbacks under way are not called any more. */
  close(): void {
    this.#closed = true;
    this.#waiters = [];
    this.#queue = [];
    this.#file?.close();
  }

  /**
   * Writes as much of the queue as fits and syncs it, unless a sync is in flight or no segment is
   * there.
   */
  #writeBatch(): void {
    if (this.#syncing || this.#queue.length === 0 || this.#failure !== undefined) return;
    try {
      if (!this.#enterSegment(recordBytes(this.#queue[0]!.payload.length))) return;
      const place = this.#end!;
      const taken = this.#queue.splice(0, this.#countThatFit());
      const length = this.#encodeBatch(taken, place);
      const file = this.#file!;
      file.write(place.offset, this.#batch.subarray(0, length));
      let offset = place.offset;
      for (const content of taken) {
        this.#listener.written(content, { segment: place.segment, offset });
        offset += recordBytes(content.payload.length);
      }
      this.#writtenSequence += taken.length;
      this.#end = { segment: place.segment, offset };
      this.#syncing = true;
      file.sync((error) => this.#handleSynced(taken.at(-1)!, error));
    } catch (error) {
      this.#failure = asError(error);
    }
  }

  #handleSynced(last: RecordContent, error: Error | undefined): void {
    if (this.#closed) return;
    this.#syncing = false;
    if (error !== undefined) {
      this.#failure = error;
      this.#tellFailure();
      return;
    }
    this.#durableSequence = this.#writtenSequence;
    try {
      this.#listener.durable(last);
    } catch (thrown) {
      this.#failure = asError(thrown);
    }
    const ready = this.#takeWaiters();
    // The disk goes on while the callbacks run; what they append joins the batch after.
    this.#writeBatch();
    for (const { done } of ready) done();
    this.#tellFailure();
  }

  #takeWaiters(): Waiter[] {
    let count = 0;
    while ((this.#waiters[count]?.sequence ?? Number.POSITIVE_INFINITY) <= this.#durableSequence) {
      count += 1;
    }
    return this.#waiters.splice(0, count);
  }

  /** Calls everybody back who still waits, after a failure. */
  #tellFailure(): void {
    if (this.#failure === undefined) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    this.#queue = [];
    for (const { done } of waiters) done(this.#failure);
  }

  /**
   * Makes sure that a record of this length fits at #end. False: the segment for it is not made
   * yet.
   */
  #enterSegment(bytes: number): boolean {
    while (this.#end === undefined || this.#end.offset + bytes > this.#segmentBytes) {
      const next = (this.#end?.segment ?? 0) + 1;
      if (!this.#segments.exists(next)) {
        this.#makeSpare();
        return false;
      }
      this.#end = { segment: next, offset: 0 };
      this.#openSegment(next);
      this.#makeSpare();
    }
    return true;
  }

  /** Never called while a sync is in flight. */
  #openSegment(ordinal: number): void {
    this.#file?.close();
    this.#file = this.#segments.open(ordinal);
    this.#segmentBytes = this.#file.size();
  }

  /** Makes the segment after the present one, unless it is there or being made. */
  #makeSpare(): void {
    const next = (this.#end?.segment ?? 0) + 1;
    if (this.#segments.allocating() || this.#segments.exists(next)) return;
    this.#segments.allocate(next, (error) => {
      // Where there is still room in the present segment, this is tried again when there is none.
      if (error !== undefined && this.#queue.length > 0 && !this.#syncing) this.#failure = error;
      this.#writeBatch();
      this.#tellFailure();
    });
  }

  #countThatFit(): number {
    const room = Math.min(batchBytesMax, this.#segmentBytes - this.#end!.offset);
    let bytes = recordBytes(this.#queue[0]!.payload.length);
    let count = 1;
    for (; count < this.#queue.length; count++) {
      bytes += recordBytes(this.#queue[count]!.payload.length);
      if (bytes > room) break;
    }
    return count;
  }

  #encodeBatch(contents: readonly RecordContent[], place: Place): number {
    let length = 0;
    for (const { payload } of contents) length += recordBytes(payload.length);
    if (length > this.#batch.length) {
      this.#batch = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
      this.#batchView = new DataView(this.#batch.buffer);
    }
    let at = 0;
    let sequence = this.#writtenSequence;
    const durableSequence = this.#durableSequence;
    for (const content of contents) {
      sequence += 1;
      this.#era = nextEra(this.#era, content.kind);
      const record = { sequence, durableSequence, era: this.#era, content };
      const target = { bytes: this.#batch, view: this.#batchView, at };
      at += encodeRecord(record, target, { segment: place.segment, offset: place.offset + at });
    }
    return length;
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
