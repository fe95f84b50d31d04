// A folder of its own for one test, below the system's temporary folder. The test removes it when
// it is done.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that only one test knows. */
export interface TemporaryFolder {
  /** Absolute. */
  readonly path: string;
  /** Removes it with all that is in it; harmless when it is gone. */
  remove(): void;
}

/** Makes an empty folder. Call `remove` in the test's `afterEach` or `onTestFinished`. */
export function createTemporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
