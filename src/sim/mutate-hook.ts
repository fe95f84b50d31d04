// Switches one known bug in: `HOLDFAST_KNOWN_BUG=name node --import <this> …` changes the text of
// the bug's files as they are loaded, in the main thread and in workers. Files stay as they are.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { applyEdits } from "./known-bug.ts";
import { knownBugs, knownBugVariable } from "./mutations.ts";

const root = new URL("../../", import.meta.url);
const name = process.env[knownBugVariable];
const bug = knownBugs.find((known) => known.name === name);
if (bug === undefined) throw new Error(`${knownBugVariable} names no known bug: ${name}`);

const filesToChange = new Set(bug.edits.map(({ file }) => new URL(file, root).href));

function change(url: string, source: string): string {
  const edits = (bug?.edits ?? []).filter(({ file }) => new URL(file, root).href === url);
  return applyEdits(source, edits);
}

// Before anything runs: an edit that does not fit must not look like a bug that was caught.
for (const url of filesToChange) change(url, readFileSync(new URL(url), "utf8"));

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!filesToChange.has(url)) return loaded;
    if (loaded.source === undefined || loaded.source === null) {
      throw new Error(`${fileURLToPath(url)} has no source to change`);
    }
    const source =
      typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source);
    return { ...loaded, source: change(url, source) };
  },
});
