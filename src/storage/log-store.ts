// The replica's log: reads at once from memory or disk, appends that call back when they are
// durable. The view in memory is ahead of the disk; `durableIndex` and the callbacks say what
// survives a crash. Not here: who decides what is appended or cut off, and snapshots.
import { assert, assertDefined } from "../base/assert.ts";
import type { Disk, Done } from "../io/disk.ts";
import { decodeBase, encodeBase } from "./base-record.ts";
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
import {
  type AppliedEntry,
  type DamageVerdict,
  judgeDamage,
  type LogDamage,
} from "./log-damage.ts";
import { decodeRecord, type Place, type RecordContent, recordBytes } from "./record.ts";
import { type Recovered, recoverJournal } from "./recovery.ts";
import { Segments } from "./segments.ts";
import { writeSettlement } from "./settlement.ts";
import type { Entry, LogBase, LogIndex, Term } from "./types.ts";

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
  /**
   * What a start does where bytes are not what was made durable. "refuse" (the default) throws a
   * DamageError. "report" opens what can be trusted; `damage()` tells the rest.
   */
  readonly damage?: "refuse" | "report";
}

/** A durable log. Fulfils the consensus core's LogReader. */
export interface LogStore {
  /**
   * Undefined in a log that is whole. Else the log can only be read, and throws a DamageError for
   * entries that cannot be, until `resolve` of this was called; then this is undefined.
   */
  damage(): LogDamage | undefined;
  /** The entry before the first. */
  base(): LogBase;
  /**
   * Entries up to base.index are needed no more: firstIndex() is base.index + 1 at once. It is an
   * entry that will not be replaced, or the present base. `context` is handed back by `base()`.
   * `done` as of an append; by then the files that hold nothing else are gone.
   */
  compact(base: { readonly index: LogIndex; readonly context: Uint8Array }, done: Done): void;
  /**
   * The log begins anew after a snapshot: all entries are dropped, lastIndex() is base.index at
   * once. `done` as of an append; until then a crash brings the old log back.
   */
  restart(base: LogBase, done: Done): void;
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
  /**
   * Up to here the log as it can be read now is durable. Falls when the log is cut below it. May be
   * below firstIndex() - 1 while a restart or a compaction is under way.
   */
  durableIndex(): LogIndex;
  /** Bytes of all records in the segments, overwritten and compacted entries included. */
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
 * which names the file and the offset, where bytes that had been durable are not what they were
 * and the options do not ask for a report; and the disk's errors.
 */
export function openLogStore(disk: Disk, options: LogStoreOptions = {}): LogStore {
  return new SegmentedLog(disk, options);
}

function recoverOrClose(segments: Segments, damage: "refuse" | "report"): Recovered {
  try {
    const recovered = recoverJournal(segments);
    const first = recovered.findings[0];
    if (first !== undefined && damage === "refuse") throw new DamageError(first);
    return recovered;
  } catch (error) {
    segments.close();
    throw error;
  }
}

class SegmentedLog implements LogStore {
  readonly #segments: Segments;
  readonly #table: EntryTable;
  readonly #cache: EntryCache;
  readonly #payloadBytesMax: number;
  /** Undefined until damage is resolved. */
  #journal: Journal | undefined;
  #base: LogBase;
  #damage: Recovered | undefined;
  #durableIndex: LogIndex;
  /** Bytes of records by segment. */
  readonly #segmentBytes: Map<number, number>;
  /** The segment of the newest base record that is on disk, 0 where there is none. */
  #baseSegment: number;
  /** The newest base record, from when it is handed over until it is durable. */
  #pendingBase: { readonly content: RecordContent; readonly isRestart: boolean } | undefined;

  constructor(disk: Disk, options: LogStoreOptions) {
    const { folder = "log", segmentBytes = segmentBytesDefault } = options;
    assert(segmentBytes >= segmentBytesMin && segmentBytes <= segmentBytesMax, "segmentBytes");
    assert(segmentBytes % segmentBytesMin === 0, "segmentBytes is not a multiple of 4096");
    this.#payloadBytesMax = Math.min(entryPayloadBytesMax, segmentBytes - recordBytes(0));
    this.#segments = new Segments(disk, { folder, segmentBytes });
    const recovered = recoverOrClose(this.#segments, options.damage ?? "refuse");
    const { replay } = recovered;
    this.#table = replay.table;
    this.#base = replay.base;
    this.#baseSegment = replay.baseSegment;
    this.#durableIndex = replay.table.lastIndex();
    this.#segmentBytes = recovered.segmentBytes;
    this.#cache = new EntryCache(options.cacheBytes ?? cacheBytesDefault);
    if (recovered.findings.length > 0) this.#damage = recovered;
    else this.#begin(recovered);
  }

  damage(): LogDamage | undefined {
    const recovered = this.#damage;
    if (recovered === undefined) return undefined;
    const { holes } = recovered.replay;
    const damaged = { table: this.#table, holes, isTailLost: recovered.isTailLost };
    return {
      findings: recovered.findings,
      holes: holes.map(({ from, to }) => ({ from, to })),
      judge: (applied) => judgeDamage(damaged, applied),
      resolve: (applied, contextOf) => this.#resolve(recovered, applied, contextOf),
    };
  }

  base(): LogBase {
    return this.#base;
  }

  firstIndex(): LogIndex {
    return this.#table.firstIndex();
  }

  lastIndex(): LogIndex {
    return this.#table.lastIndex();
  }

  term(index: LogIndex): Term | undefined {
    return this.#findHole(index, index + 1) === undefined ? this.#table.term(index) : undefined;
  }

  durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  bytes(): number {
    let bytes = 0;
    for (const count of this.#segmentBytes.values()) bytes += count;
    return bytes;
  }

  append(entries: readonly Entry[], done: Done): void {
    const journal = this.#openJournal();
    // A store that has failed takes nothing in as it is: it could not be read back.
    if (journal.failure() === undefined) {
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
    journal.append(entries, done);
  }

  compact(base: { readonly index: LogIndex; readonly context: Uint8Array }, done: Done): void {
    const { index, context } = base;
    const isWithin = index >= this.#base.index && index <= this.#table.lastIndex();
    assert(isWithin, `the log cannot begin after entry ${index}`);
    const next = { index, term: assertDefined(this.#table.term(index), "term"), context };
    const content = encodeBase({ base: next, lastIndex: this.#table.lastIndex() });
    this.#handOver({ content, isRestart: false }, done, () => {
      this.#table.cutFront(index, next.term);
      this.#cache.cutFront(index);
      this.#base = next;
    });
  }

  restart(base: LogBase, done: Done): void {
    assert(base.index > 0 && base.term > 0, "a log begins anew after no entry");
    const content = encodeBase({ base, lastIndex: base.index });
    this.#handOver({ content, isRestart: true }, done, () => {
      this.#table.restart(base.index, base.term);
      this.#cache.clear();
      this.#base = base;
      this.#durableIndex = Math.min(this.#durableIndex, base.index - 1);
    });
  }

  entries(start: LogIndex, end: LogIndex, bytesMax: number): Entry[] {
    assert(start >= this.firstIndex() && start < end && end <= this.lastIndex() + 1, "log range");
    const hole = this.#findHole(start, end);
    if (hole !== undefined) throw new DamageError(hole.finding);
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
    this.#journal?.close();
    this.#segments.close();
  }

  /** The journal goes on behind what was found there. */
  #begin(recovered: Recovered): void {
    recovered.mend();
    this.#damage = undefined;
    this.#removeSegments(recovered.end?.segment ?? 0);
    const { lastSequence, era } = recovered.replay;
    const start = { end: recovered.end, lastSequence, era };
    this.#journal = new Journal(this.#segments, start, {
      written: (content, place) => this.#handleWritten(content, place),
      durable: (last) => this.#handleDurable(last),
    });
  }

  #openJournal(): Journal {
    assert(this.#journal !== undefined, "a damaged log is written to before that is resolved");
    return this.#journal;
  }

  #resolve(
    recovered: Recovered,
    applied: AppliedEntry,
    contextOf: (base: LogIndex) => Uint8Array,
  ): DamageVerdict {
    assert(this.#damage === recovered, "damage is resolved once");
    const { table, holes } = recovered.replay;
    const verdict = judgeDamage({ table, holes, isTailLost: recovered.isTailLost }, applied);
    const isMoved = verdict.base.index !== this.#base.index;
    const context = isMoved ? contextOf(verdict.base.index) : this.#base.context;
    const base = { ...verdict.base, context };
    const content = encodeBase({ base, lastIndex: verdict.lastIndex });
    const settled = writeSettlement(this.#segments, recovered, content);
    if (base.index >= table.lastIndex()) {
      table.restart(base.index, base.term);
    } else {
      table.cutBack(verdict.lastIndex);
      table.cutFront(base.index, base.term);
    }
    recovered.replay.holes = [];
    this.#base = base;
    this.#durableIndex = table.lastIndex();
    this.#baseSegment = settled.end!.segment;
    this.#begin(settled);
    return verdict;
  }

  #findHole(start: LogIndex, end: LogIndex) {
    return this.#damage?.replay.holes.find((hole) => hole.from < end && hole.to >= start);
  }

  #handOver(
    base: { readonly content: RecordContent; readonly isRestart: boolean },
    done: Done,
    change: () => void,
  ): void {
    const { length } = base.content.payload;
    assert(length <= this.#payloadBytesMax, `a context of ${length} bytes`);
    const journal = this.#openJournal();
    if (journal.failure() === undefined) {
      change();
      this.#pendingBase = base;
    }
    journal.append([base.content], done);
  }

  #handleWritten(content: RecordContent, place: Place): void {
    const { index, payload } = content;
    const { segment, offset } = place;
    const before = this.#segmentBytes.get(segment) ?? 0;
    this.#segmentBytes.set(segment, before + recordBytes(payload.length));
    if (content.kind === "base") this.#baseSegment = segment;
    // It may have been cut off again while it waited.
    else if (index > this.#base.index && index <= this.#table.lastIndex()) {
      this.#table.locate(index, segment, offset, payload.length);
    }
  }

  /** All that was written is durable, `last` the last of it. */
  #handleDurable(last: RecordContent): void {
    const journal = this.#openJournal();
    const unwritten = journal.unwritten();
    const pending = this.#pendingBase;
    let durable = last.kind === "base" ? decodeBase(last)!.lastIndex : last.index;
    for (const content of unwritten) {
      if (content.kind !== "base") durable = Math.min(durable, content.index - 1);
    }
    const isPending = pending !== undefined && unwritten.includes(pending.content);
    if (isPending && pending.isRestart) durable = Math.min(durable, pending.content.index - 1);
    this.#durableIndex = Math.min(durable, this.#table.lastIndex());
    this.#cache.evict(this.#durableIndex + 1);
    if (pending === undefined || isPending) return;
    this.#pendingBase = undefined;
    this.#removeSegments(journal.segment());
  }

  /**
   * Removes the segments of which nothing is needed. Entries lie in the order of their indexes, so
   * what is before the first one is dead, but for the newest base record. Only called when that is
   * durable, and all that was written.
   */
  #removeSegments(current: number): void {
    let limit = Math.min(current, this.#baseSegment);
    const first = this.#table.firstIndex();
    const segment = first <= this.#table.lastIndex() ? this.#table.segmentOf(first) : 0;
    if (segment > 0) limit = Math.min(limit, segment);
    const dead = this.#segments.ordinals().filter((ordinal) => ordinal < limit);
    this.#segments.remove(dead);
    for (const ordinal of dead) this.#segmentBytes.delete(ordinal);
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
      if (decoded.kind !== "record") throw this.#unreadable(place, `entry ${index} cannot be read`);
      const entry = decoded.record.content;
      if (!isEntry(entry) || entry.index !== index || entry.term !== this.term(index)) {
        throw this.#unreadable(place, `another record is where entry ${index} should be`);
      }
      entries.push(entry);
      at += decoded.bytes;
    }
    return entries;
  }

  #unreadable(place: Pick<Location, "segment" | "offset">, reason: string): DamageError {
    return new DamageError({
      file: this.#segments.name(place.segment),
      offset: place.offset,
      reason,
    });
  }
}

function isEntry(content: RecordContent): content is Entry {
  return content.kind !== "base";
}
