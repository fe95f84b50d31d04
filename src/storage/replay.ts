// What a start makes of a journal's records, one after the other: the log's outline, and the holes
// that unreadable records leave in it. Trusts nothing that a lost record may have replaced. Not
// here: finding the records (recovery.ts) and what becomes of holes (log-damage.ts).
import { type BaseRecord, decodeBase } from "./base-record.ts";
import { EntryTable } from "./entry-table.ts";
import type { Hole, LogFinding } from "./log-damage.ts";
import { type JournalRecord, nextEra, type Place, type RecordHeader } from "./record.ts";
import type { LogBase, LogIndex, Term } from "./types.ts";

/** The log as the records so far tell it. */
export class Replay {
  readonly table = new EntryTable();
  base: LogBase = { index: 0, term: 0, context: new Uint8Array(0) };
  /** Rising, without common entries; each within the table. */
  holes: Hole[] = [];
  /** The segment of the newest base record; 0 where there is none. */
  baseSegment = 0;
  lastSequence = 0;
  era = 0;
  readonly #findings: LogFinding[] = [];
  /** So many findings are older than the newest base record. */
  #findingsBeforeBase = 0;
  /** Something could not be read since the last record. */
  #gap: LogFinding | undefined;

  /** Notes that something cannot be read here, of which nothing more is known. */
  noteGap(finding: LogFinding): void {
    this.#findings.push(finding);
    this.#gap ??= finding;
  }

  /** Whether something could not be read since the last record. */
  hasGap(): boolean {
    return this.#gap !== undefined;
  }

  /**
   * What a start must not pass over: findings that left a hole, or that came after the newest base
   * record. A base record says where the log begins and ends, by a process that knew; damage before
   * it that leaves no hole is in what nobody needs.
   */
  openFindings(): LogFinding[] {
    return this.#findings.filter(
      (finding, at) =>
        at >= this.#findingsBeforeBase || this.holes.some((hole) => hole.finding === finding),
    );
  }

  /** Why this record cannot be the next one, where nothing is missing before it. */
  objection(record: RecordHeader): string | undefined {
    const { sequence, index, term } = record;
    if (sequence !== this.lastSequence + 1) {
      return `record ${sequence} follows record ${this.lastSequence}`;
    }
    if (record.kind === "base" || this.table.accepts(index, term)) return undefined;
    const place = `entry ${index} of term ${term} does not fit behind entry`;
    return `${place} ${this.table.lastIndex()}`;
  }

  /** Takes the next record, which is at `place` of `file`. Its sequence is past the last one. */
  take(record: JournalRecord, place: Place, file: string): void {
    const { index, term, kind, payload } = record.content;
    const header = { ...record, index, term, kind };
    if (kind !== "base") {
      this.#takeEntry(header, place, payload.length);
      return;
    }
    const decoded = decodeBase(record.content);
    // It has never been written so; what it said is as good as lost.
    if (decoded === undefined) return;
    this.#closeGap(header, decoded.lastIndex);
    this.#advance(header);
    this.#takeBase(decoded, { file, offset: place.offset });
    this.baseSegment = place.segment;
    this.#findingsBeforeBase = this.#findings.length;
  }

  /**
   * Takes an entry of which only the header can be read. False where that does not fit: then it may
   * be anything.
   */
  takeUnreadable(header: RecordHeader, place: Place, finding: LogFinding): boolean {
    if (header.kind === "base" || this.hasGap()) return false;
    if (header.era !== this.era || this.objection(header) !== undefined) return false;
    this.#findings.push(finding);
    this.#takeEntry(header, place, 0);
    this.holes.push({ from: header.index, to: header.index, isTermKnown: true, finding });
    return true;
  }

  /**
   * Nothing more comes. Answers whether records may be missing at the end. `guess`: the index that
   * a broken header there names, which may be wrong: a lost entry cuts what it replaced.
   */
  end(guess: LogIndex | undefined): boolean {
    if (this.#gap === undefined) return false;
    this.#gap = undefined;
    if (guess !== undefined && guess > this.base.index && guess <= this.table.lastIndex()) {
      this.#cutBack(guess - 1);
    }
    return true;
  }

  #takeEntry(header: RecordHeader, place: Place, payloadBytes: number): void {
    const { index, term } = header;
    this.#closeGap(header, index - 1);
    this.#advance(header);
    if (!this.table.accepts(index, term)) return;
    this.#cutHoles(index - 1);
    this.table.append(index, term);
    this.table.locate(index, place.segment, place.offset, payloadBytes);
  }

  #advance(header: RecordHeader): void {
    this.lastSequence = header.sequence;
    this.era = header.era;
  }

  /**
   * Before `header` some records are missing, or it does not fit. `reach`: the log went so far at
   * least when it was written.
   *
   * Where no base record is among the k missing ones, they were entries; the lowest of them can
   * have had no lower index than reach + 1 - k, since each entry after it went on by one at most.
   * What is below stays. Else nothing of what was before can be believed.
   */
  #closeGap(header: RecordHeader, reach: LogIndex): void {
    const finding = this.#gap;
    this.#gap = undefined;
    if (finding === undefined) return;
    const { table } = this;
    const missing = header.sequence - this.lastSequence - 1;
    const isSameEra = header.era === nextEra(this.era, header.kind);
    if (missing === 0 && isSameEra && this.objection(header) === undefined) {
      finding.kind = "stray";
      return;
    }
    let from = Math.min(reach + 1 - missing, table.lastIndex() + 1);
    const isBridged = table.lastIndex() + missing >= reach;
    const isRising = header.kind === "base" || (table.term(from - 1) ?? 0) <= header.term;
    if (!isSameEra || !isBridged || !isRising || from <= this.base.index) {
      from = this.base.index + 1;
    }
    const isAboveBase = header.index > this.base.index && header.term >= this.base.term;
    if (header.kind !== "base" && !isAboveBase) {
      this.#restart({ index: 0, term: 0, context: new Uint8Array(0) });
      from = 1;
    }
    this.#cutBack(from - 1);
    this.#skipTo(reach, finding);
  }

  #takeBase(
    { base, lastIndex }: BaseRecord,
    at: { readonly file: string; readonly offset: number },
  ): void {
    const { table } = this;
    const isWithin = base.index >= table.baseIndex() && lastIndex <= table.lastIndex();
    const term = this.#termOf(base.index);
    if (lastIndex === base.index) {
      this.#restart(base);
    } else if (isWithin && (term === undefined || term === base.term)) {
      this.#cutBack(lastIndex);
      table.cutFront(base.index, base.term);
      this.base = base;
      this.holes = this.holes
        .filter((hole) => hole.to > base.index)
        .map((hole) => ({ ...hole, from: Math.max(hole.from, base.index + 1) }));
    } else {
      const reason = `entries up to ${lastIndex} should stand before this and do not`;
      const finding: LogFinding = { ...at, reason, kind: "hole" };
      this.#findings.push(finding);
      this.#restart(base);
      this.#skipTo(lastIndex, finding);
    }
  }

  /** Undefined where it is not known. */
  #termOf(index: LogIndex): Term | undefined {
    if (index === 0) return 0;
    const isInHole = this.holes.some(
      (hole) => index >= hole.from && index <= hole.to && !(hole.isTermKnown && hole.to === index),
    );
    return isInHole ? undefined : this.table.term(index);
  }

  #restart(base: LogBase): void {
    this.table.restart(base.index, base.term);
    this.base = base;
    this.holes = [];
  }

  #skipTo(index: LogIndex, finding: LogFinding): void {
    const from = this.table.lastIndex() + 1;
    if (index < from) return;
    this.table.skipTo(index);
    this.holes.push({ from, to: index, isTermKnown: false, finding });
  }

  #cutBack(lastIndex: LogIndex): void {
    this.#cutHoles(lastIndex);
    this.table.cutBack(lastIndex);
  }

  #cutHoles(lastIndex: LogIndex): void {
    while (this.holes.length > 0 && this.holes.at(-1)!.to > lastIndex) {
      const hole = this.holes.pop()!;
      if (hole.from > lastIndex) continue;
      this.holes.push({ ...hole, to: lastIndex, isTermKnown: false });
    }
  }
}
