// What a known bug is: an exact change of the product's source that breaks one of its promises, to
// be switched in for a run. Knows no bugs and touches no files.
import type { JobOptions } from "./run-job.ts";

/** One place that is changed. */
export interface SourceEdit {
  /** From the project's root: `src/…`. */
  readonly file: string;
  /** Must occur exactly once in the file. */
  readonly replace: string;
  readonly by: string;
}

/** A bug that the simulator must catch. */
export interface KnownBug {
  /** Kebab-case; what `--only` takes. */
  readonly name: string;
  /** What is wrong, and so which promise breaks. */
  readonly what: string;
  /** Most bugs are one edit. */
  readonly edits: readonly SourceEdit[];
  /** Checkers (by name) or verdicts that are expected to catch it. */
  readonly expect: readonly string[];
  /** What its runs are given instead of drawn, only to be quick; the table shows it. */
  readonly hint?: JobOptions;
}

/** The source with all edits of one file made. Throws where one does not fit exactly once. */
export function applyEdits(source: string, edits: readonly SourceEdit[]): string {
  let changed = source;
  for (const { file, replace, by } of edits) {
    const parts = changed.split(replace);
    if (parts.length !== 2) {
      const problem = `the text to be replaced occurs ${parts.length - 1} times in ${file}`;
      throw new Error(`${problem}: ${JSON.stringify(replace)}`);
    }
    changed = parts.join(by);
  }
  return changed;
}
