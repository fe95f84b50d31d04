// Every known bug can be switched in: its text is where it says, once, and what comes out is
// TypeScript. Whether it is caught is what `npm run sim:mutations` tells.
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { describe, expect, it } from "vitest";
import { applyEdits, type SourceEdit } from "./known-bug.ts";
import { knownBugs } from "./mutations.ts";

const root = new URL("../../", import.meta.url);

function read(file: string): string {
  return readFileSync(new URL(file, root), "utf8");
}

describe("applyEdits", () => {
  const edit: SourceEdit = { file: "src/a.ts", replace: "one", by: "two" };

  it("makes all edits", () => {
    const more: SourceEdit = { file: "src/a.ts", replace: "three", by: "four" };
    expect(applyEdits("one three", [edit, more])).toBe("two four");
  });

  it("takes the new text as it is", () => {
    expect(applyEdits("one", [{ ...edit, by: "$& $1" }])).toBe("$& $1");
  });

  it("refuses a text that is not there", () => {
    expect(() => applyEdits("three", [edit])).toThrow(/occurs 0 times in src\/a.ts: "one"/);
  });

  it("refuses a text that is there twice", () => {
    expect(() => applyEdits("one one", [edit])).toThrow(/occurs 2 times/);
  });
});

describe("the known bugs", () => {
  it("have names of their own and are at least as many as are asked for", () => {
    const names = knownBugs.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(28);
    for (const name of names) expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
  });

  it.each(knownBugs.map((bug) => [bug.name, bug] as const))("%s fits the source", (_, bug) => {
    const files = new Set(bug.edits.map(({ file }) => file));
    expect(files.size).toBeGreaterThan(0);
    for (const file of files) {
      const source = read(file);
      const changed = applyEdits(
        source,
        bug.edits.filter((edit) => edit.file === file),
      );
      expect(changed).not.toBe(source);
      expect(() => stripTypeScriptTypes(changed)).not.toThrow();
    }
  });
});
