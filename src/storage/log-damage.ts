// What a start found damaged in a log, and what can be kept of it, given what the state machine has
// applied. Decides only; recovery.ts finds and log-store.ts carries out.
import type { EntryTable } from "./entry-table.ts";
import type { LogIndex, Term } from "./types.ts";

/** One thing that is not as it was written. */
export interface LogFinding {
  /** File name, relative to the data folder. */
  readonly file: string;
  /** Where in the file, in bytes. */
  readonly offset: number;
  /** What is wrong, a sentence without its end. */
  readonly reason: string;
  /**
   * "hole": records are missing and intact ones follow. "tail": nothing intact follows. "stray":
   * bytes where none belong; no record is missing.
   */
  kind: "hole" | "tail" | "stray";
}

/** Entries that cannot be read, or of which it is not sure what they were. */
export interface Hole {
  readonly from: LogIndex;
  /** Inclusive. */
  readonly to: LogIndex;
  /** Whether the outline has the term of entry `to`. */
  readonly isTermKnown: boolean;
  readonly finding: LogFinding;
}

/** What the state machine has. */
export interface AppliedEntry {
  readonly index: LogIndex;
  /** Its term, wherever that is known: more of the log can be kept, and checked, then. */
  readonly term?: Term;
}

/** What becomes of a damaged log. */
export interface DamageVerdict {
  /** The log will begin after this entry, which the state has where it is not the present base. */
  readonly base: { readonly index: LogIndex; readonly term: Term };
  /** And end with this one. */
  readonly lastIndex: LogIndex;
  /**
   * From here on entries may be lost that this server had acknowledged: it must abstain. Undefined
   * where the state has all that is lost.
   */
  readonly lostFrom: LogIndex | undefined;
}

/** A damaged log's way back; see `LogStore.damage`. */
export interface LogDamage {
  readonly findings: readonly Readonly<LogFinding>[];
  /** Entries that cannot be read; rising. */
  readonly holes: readonly { readonly from: LogIndex; readonly to: LogIndex }[];
  /** What `resolve` would come to. Writes nothing. */
  judge(applied: AppliedEntry): DamageVerdict;
  /**
   * Makes the log whole again, durably when it returns; then it can be used. Nothing tells of the
   * loss afterwards: where `judge` names a `lostFrom`, make that durable first. `contextOf` gives
   * the context of a base that moves. Blocks, for start-up. Throws the disk's errors.
   */
  resolve(applied: AppliedEntry, contextOf: (base: LogIndex) => Uint8Array): DamageVerdict;
}

/** A log with holes. */
export interface DamagedLog {
  readonly table: EntryTable;
  readonly holes: readonly Hole[];
  /** Records may be missing at the end. */
  readonly isTailLost: boolean;
}

/**
 * Keeps the most that is sure. A hole whose entries are all applied: the log begins after it, at
 * the first entry whose term is known, since a base with a wrong term would let a leader's entries
 * match where they do not (Raft §5.3). Any other: the log ends before it.
 *
 * Where the end is lost, what is left is the log as it once was, and the lost records may have
 * replaced a part of it, even such as is applied. An entry of the same index and term as the one
 * that was applied proves that all up to it is right (Log Matching, §5.3).
 */
export function judgeDamage(log: DamagedLog, applied: AppliedEntry): DamageVerdict {
  const { table } = log;
  let base = { index: table.baseIndex(), term: table.term(table.baseIndex())! };
  if (log.isTailLost && applied.term !== undefined && applied.index > base.index) {
    if (termAt(log, undefined, applied.index) !== applied.term) {
      const { index, term } = applied;
      return { base: { index, term }, lastIndex: index, lostFrom: index + 1 };
    }
  }
  const canMove = !log.isTailLost || applied.term !== undefined;
  const knownTerm = (index: LogIndex) => termAt(log, applied, index);
  for (const hole of mergeNeighbours(log.holes)) {
    if (hole.to <= base.index) continue;
    const candidates = canMove && hole.to <= applied.index ? [hole.to, hole.to + 1] : [];
    if (applied.index >= hole.from) candidates.push(applied.index);
    const index = candidates.find((at) => at <= applied.index && knownTerm(at) !== undefined);
    if (index === undefined || !canMove) {
      return { base, lastIndex: hole.from - 1, lostFrom: hole.from };
    }
    base = { index, term: knownTerm(index)! };
    if (index < hole.to) return { base, lastIndex: index, lostFrom: index + 1 };
  }
  const lastIndex = Math.max(table.lastIndex(), base.index);
  return { base, lastIndex, lostFrom: log.isTailLost ? lastIndex + 1 : undefined };
}

/** The term at an index; undefined where neither the log nor the state knows it. */
function termAt(
  log: DamagedLog,
  applied: AppliedEntry | undefined,
  index: LogIndex,
): Term | undefined {
  const hole = log.holes.find(({ from, to }) => index >= from && index <= to);
  if (hole === undefined || (hole.to === index && hole.isTermKnown)) {
    const term = log.table.term(index);
    if (term !== undefined) return term;
  }
  return index === applied?.index ? applied.term : undefined;
}

function mergeNeighbours(holes: readonly Hole[]): { from: LogIndex; to: LogIndex }[] {
  const merged: { from: LogIndex; to: LogIndex }[] = [];
  for (const { from, to } of holes) {
    const before = merged.at(-1);
    if (before !== undefined && before.to + 1 === from) before.to = to;
    else merged.push({ from, to });
  }
  return merged;
}
