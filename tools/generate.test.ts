// That stale generated code is told from fresh: a file that differs, is missing, or is too many.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createTemporaryFolder } from "../src/testing/index.ts";
import { compareFolders } from "./generate.ts";

test("two folders differ in the files that are not the same in both", () => {
  const folder = createTemporaryFolder();
  onTestFinished(() => folder.remove());
  const [one, other] = [join(folder.path, "one"), join(folder.path, "other")];
  const write = (path: string, text: string) => {
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
  };
  write(join(one, "a/same.js"), "1");
  write(join(other, "a/same.js"), "1");
  expect(compareFolders(one, other)).toEqual([]);
  write(join(one, "a/changed.js"), "1");
  write(join(other, "a/changed.js"), "2");
  write(join(one, "gone.js"), "1");
  write(join(other, "b/new.js"), "1");
  expect(compareFolders(one, other)).toEqual(["a/changed.js", "b/new.js", "gone.js"]);
  expect(compareFolders(join(folder.path, "nowhere"), other)).toHaveLength(3);
});
