// The replica's log: reads at once from memory or disk, appends that call back when they are
// durable. The view in memory is ahead of the disk; `durableIndex` and the callbacks say what
// survives a crash. Not here: who decides what is appended, and snapshots (the log begins at entry
// 1 so far; the outline can begin later).
import { assert } from "../base/assert.ts";
import type { Disk, Done } from "../io/disk.ts";
import { DamageError } from "./damage-error.ts";
import { EntryCache } from "./entry-cache.ts";
import type { EntryTable, Location } from "./entry-table.ts";
import { Journal } from "./journal.ts";
import {
  cacheBytesDefault,
  entryPayloadBytesMax,
  readBytesMax,
  segmentBytesDefault,
  segmentBytesMax,
  segmentBytesMin,
} from "./limits.ts";
import { decodeRecord, recordBytes } from "./record.ts";
import { type Recovered, recoverJournal } from "./recovery.ts";
import { Segments } from "./segments.ts";
import type { Entry, LogIndex, Term } from "./types.ts";

/** Settings of a log; tests lower them. */
export interface LogStoreOptions {
  /** Subfolder of the data folder ("log"). */
  readonly folder?: string;
  /** Bytes of a new segment file (8 MiB), a multiple of 4096. */
  readonly segmentBytes?: number;
  /**
   * Payload bytes of recent entries kept in memory (32 MiB); entries not yet written come on top.
   */
  readonly cacheBytes?: number;
}

/** A durable log. Fulfils the consensus core's LogReader. */
export interface LogStore {
  /** Index of the oldest entry that can be read; lastIndex() + 1 where there is none. */
  firstIndex(): LogIndex;
  /** Index of the newest entry that was appended, durable or not; 0 in an empty log. */
  lastIndex(): LogIndex;
  /** Term at firstIndex() - 1 … lastIndex(); undefined elsewhere. */
  term(index: LogIndex): Term | undefined;
  /**
   * Entries [start, end), at least one, then as many as fit into bytesMax payload bytes. The range
   * must be inside [firstIndex(), lastIndex() + 1) and not be empty. Throws a DamageError, or the
   * disk's error, which is final: whoever gets it must stop.
   */
  entries(start: LogIndex, end: LogIndex, bytesMax: number): Entry[];
  /**
   * Puts entries at the log's end: consecutive, terms never falling. Where the first one's index is
   * not past the end, the log is cut there first. They can be read at once. `done` comes when they
   * and all earlier ones are durable, in the order of the calls, normally from a callback of the
   * disk; before `append` returns only when nothing had to be written, or with the error of a store
   * that has failed. The first failure of a write or sync is final: it is given to every append
   * under way and every later one, and nothing is tried again.
   */
  append(entries: readonly Entry[], done: Done): void;
  /** Up to here the log as it can be read now is durable. Falls when the log is cut below it. */
  durableIndex(): LogIndex;
  /** Bytes of all records in the segments, overwritten entries included. */
  bytes(): number;
  /**
   * Lets go of the files. Callbacks under way are not called any more; the store must not be used
   * again.
   */
  close(): void;
}

/**
 * Opens the log in a subfolder of the disk, or begins one. Reads everything that is there (about
 * two seconds per GB), cuts off what a crash tore and makes the rest durable. Throws a DamageError,
 * which names the file and the offset, where bytes that had been durable are not what they were;
 * and the disk's errors.
 */
export function openLogStore(disk: Disk, options: LogStoreOptions = {}): LogStore {
  return new SegmentedLog(disk, options);
}

function recoverOrClose(segments: Segments): Recovered {
  try {
    return recoverJournal(segments);
  } catch (error) {
    segments.close();
    throw error;
  }
}

class SegmentedLog implements LogStore {
  readonly #segments: Segments;
  readonly #table: EntryTable;
  readonly #cache: EntryCache;
  readonly #journal: Journal;
  readonly #payloadBytesMax: number;
  #durableIndex: LogIndex;
  #recordBytes: number;

  constructor(disk: Disk, options: LogStoreOptions) {
    const { folder = "log", segmentBytes = segmentBytesDefault } = options;
    assert(segmentBytes >= segmentBytesMin && segmentBytes <= segmentBytesMax, "segmentBytes");
    assert(segmentBytes % segmentBytesMin === 0, "segmentBytes is not a multiple of 4096");
    this.#payloadBytesMax = Math.min(entryPayloadBytesMax, segmentBytes - recordBytes(0));
    this.#segments = new Segments(disk, { folder, segmentBytes });
    const recovered = recoverOrClose(this.#segments);
    this.#table = recovered.table;
    this.#durableIndex = recovered.table.lastIndex();
    this.#recordBytes = recovered.recordBytes;
    this.#cache = new EntryCache(options.cacheBytes ?? cacheBytesDefault);
    this.#journal = new Journal(this.#segments, recovered, {
      written: (entry, place) => {
        this.#recordBytes += recordBytes(entry.payload.length);
        // It may have been cut off again while it waited.
        if (entry.index > this.#table.lastIndex()) return;
        this.#table.locate(entry.index, place.segment, place.offset, entry.payload.length);
      },
      durable: (last) => {
        this.#durableIndex = Math.min(last.index, this.#journal.unwrittenFrom() - 1);
        this.#cache.evict(this.#durableIndex + 1);
      },
    });
  }

  firstIndex(): LogIndex {
    return this.#table.firstIndex();
  }

  lastIndex(): LogIndex {
    return this.#table.lastIndex();
  }

  term(index: LogIndex): Term | undefined {
    return this.#table.term(index);
  }

  durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  bytes(): number {
    return this.#recordBytes;
  }

  append(entries: readonly Entry[], done: Done): void {
    // After a failure the view stays as it is: it could not be read back.
    if (this.#journal.failure() === undefined) {
      for (const entry of entries) {
        const { length } = entry.payload;
        assert(length <= this.#payloadBytesMax, `entry ${entry.index} has ${length} bytes`);
        this.#table.append(entry.index, entry.term);
        this.#cache.append(entry);
      }
      const first = entries[0];
      if (first !== undefined && first.index <= this.#durableIndex) {
        this.#durableIndex = first.index - 1;
      }
    }
    this.#journal.append(entries, done);
  }

  entries(start: LogIndex, end: LogIndex, bytesMax: number): Entry[] {
    assert(start >= this.firstIndex() && start < end && end <= this.lastIndex() + 1, "log range");
    const entries: Entry[] = [];
    let bytes = 0;
    while (start + entries.length < end) {
      const index = start + entries.length;
      const cached = this.#cache.get(index);
      if (cached === undefined) {
        const room = entries.length === 0 ? bytesMax : bytesMax - bytes;
        const count = this.#countStored(index, end, { room, first: entries.length === 0 });
        if (count === 0) break;
        for (const entry of this.#readStored(index, count)) {
          entries.push(entry);
          bytes += entry.payload.length;
        }
      } else {
        bytes += cached.payload.length;
        if (bytes > bytesMax && entries.length > 0) break;
        entries.push(cached);
      }
    }
    return entries;
  }

  close(): void {
    this.#journal.close();
    this.#segments.close();
  }

  /**
   * How many entries from `start` lie behind each other on disk, fit into the room, and are not in
   * memory.
   */
  #countStored(start: LogIndex, end: LogIndex, limit: { room: number; first: boolean }): number {
    const first = this.#table.location(start);
    if (first.payloadBytes > limit.room && !limit.first) return 0;
    let count = 1;
    let payloadBytes = first.payloadBytes;
    let next = first.offset + recordBytes(first.payloadBytes);
    while (start + count < end && this.#cache.get(start + count) === undefined) {
      const location = this.#table.location(start + count);
      payloadBytes += location.payloadBytes;
      const neighbour = location.segment === first.segment && location.offset === next;
      next += recordBytes(location.payloadBytes);
      if (!neighbour || payloadBytes > limit.room || next - first.offset > readBytesMax) break;
      count += 1;
    }
    return count;
  }

  /** Reads neighbouring records with one call and checks each. */
  #readStored(start: LogIndex, count: number): Entry[] {
    const first = this.#table.location(start);
    const last = this.#table.location(start + count - 1);
    const length = last.offset + recordBytes(last.payloadBytes) - first.offset;
    const bytes = this.#segments.file(first.segment).read(first.offset, length);
    const entries: Entry[] = [];
    let at = 0;
    for (let index = start; index < start + count; index++) {
      const place = { segment: first.segment, offset: first.offset + at };
      const decoded = decodeRecord(bytes, at, place);
      if (decoded.kind !== "record") throw this.#damage(place, `entry ${index} cannot be read`);
      const { entry } = decoded.record;
      if (entry.index !== index || entry.term !== this.term(index)) {
        throw this.#damage(place, `entry ${entry.index} is where entry ${index} should be`);
      }
      entries.push(entry);
      at += decoded.bytes;
    }
    return entries;
  }

  #damage(place: Pick<Location, "segment" | "offset">, reason: string): DamageError {
    return new DamageError({
      file: this.#segments.name(place.segment),
      offset: place.offset,
      reason,
    });
  }
}
