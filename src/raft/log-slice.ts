// A stretch of a leader's log, as it travels and is appended, with the laws that make it one.
// Does not know where the slice comes from or whether it fits a log.
import { assert } from "../base/assert.ts";
import type { Entry, LogIndex, Term } from "./types.ts";

/**
 * Entries that follow (previousIndex, previousTerm) in the log of the leader of `term`.
 *
 * Laws:
 * 1. Entries are dense: the first has previousIndex + 1, each next one more.
 * 2. Terms never fall, from previousTerm on.
 * 3. No entry is newer than the leader: its term is at most `term`, previousTerm too.
 * 4. Before the first entry is nothing: previousIndex 0 goes with previousTerm 0, and only it.
 */
export interface LogSlice {
  readonly term: Term;
  readonly previousIndex: LogIndex;
  readonly previousTerm: Term;
  readonly entries: readonly Entry[];
}

/** Which law a slice breaks, in words; undefined for a lawful one. */
export function brokenLaw(slice: LogSlice): string | undefined {
  const { previousIndex, previousTerm } = slice;
  if (!(Number.isSafeInteger(previousIndex) && previousIndex >= 0)) return "index is no integer";
  if ((previousIndex === 0) !== (previousTerm === 0)) return "4: (index 0, term 0) belong together";
  let index = previousIndex;
  let term = previousTerm;
  for (const entry of slice.entries) {
    if (entry.index !== index + 1) return `1: entry ${entry.index} follows ${index}`;
    if (entry.term < term) return `2: term ${entry.term} at ${entry.index} follows term ${term}`;
    index = entry.index;
    term = entry.term;
  }
  if (term > slice.term) return `3: term ${term} in the log of a leader of term ${slice.term}`;
  return undefined;
}

/** Throws unless the slice keeps its laws: for slices that this core has made itself. */
export function assertLogSlice(slice: LogSlice): void {
  const broken = brokenLaw(slice);
  assert(broken === undefined, `log slice breaks law ${broken}`);
}
