// Checks what the compiler and the linter cannot see: floors and doors, determinism, the shape of
// files. Each message says what to write instead. Prints `file:line: message` and exits with 1
// where there is anything.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkDeterminism } from "./tidy-determinism.ts";
import { checkImports } from "./tidy-imports.ts";
import { type Problem, readProject } from "./tidy-project.ts";
import { checkText } from "./tidy-text.ts";

/** What the rules find in files given as texts by path, in the order of path and line. */
export function tidy(texts: ReadonlyMap<string, string>): Problem[] {
  const project = readProject(texts);
  const problems = [checkImports(project), checkDeterminism(project), checkText(project)].flat();
  return problems.sort((a, b) => comparePaths(a.path, b.path) || a.line - b.line);
}

/** The files of the repository that are or would be committed, as texts by path. */
export function readRepository(root: string): Map<string, string> {
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const paths = execFileSync("git", list, { cwd: root, encoding: "utf8" }).split("\0");
  const texts = new Map<string, string>();
  for (const path of paths) {
    const file = join(root, path);
    // A file that was removed and not yet committed is still listed.
    const isText = /\.(tsx?|mjs|js|json|md|proto|ya?ml|toml|sh|txt|css|html)$/.test(path);
    if (isText && path !== "package-lock.json" && existsSync(file)) {
      texts.set(path, readFileSync(file, "utf8"));
    }
  }
  return texts;
}

function comparePaths(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function main(): void {
  const texts = readRepository(join(import.meta.dirname, ".."));
  const problems = tidy(texts);
  for (const { path, line, message } of problems) console.log(`${path}:${line}: ${message}`);
  console.log(`${texts.size} files, ${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

if (import.meta.main) main();
