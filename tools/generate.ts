// Writes the code that is generated from proto/ into src/proto/gen. It is committed, so that a
// clone runs without generating; check.ts refuses it when it is stale.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "./steps.ts";

/** Where the generated code is, from the project's root. */
export const generatedFolder = "src/proto/gen";

/** Generates into `outputRoot`, a copy of the project's folders. Resolves with the exit code. */
export function generate(outputRoot: string): Promise<number> {
  return runProgram("buf", ["generate", "--output", outputRoot]);
}

/** Names of the files that differ between two folders or are only in one of them, sorted. */
export function compareFolders(one: string, other: string): string[] {
  const names = new Set([...listFiles(one), ...listFiles(other)]);
  return [...names].filter((name) => !isSame(join(one, name), join(other, name))).sort();
}

function listFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

function isSame(one: string, other: string): boolean {
  try {
    return readFileSync(one).equals(readFileSync(other));
  } catch {
    return false;
  }
}

if (import.meta.main) process.exitCode = await generate(".");
