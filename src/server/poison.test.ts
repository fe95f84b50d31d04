// The record of an entry that broke the state machine.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createTemporaryFolder } from "../testing/index.ts";
import { readPoison, removePoison, writePoison } from "./poison.ts";

function folder(): string {
  const temporary = createTemporaryFolder();
  onTestFinished(() => temporary.remove());
  return temporary.path;
}

test("what broke is read back as it was written, until it is removed", () => {
  const path = folder();
  const poison = { index: 7, error: "no such table", stack: "at apply", version: "0.1.0" };
  expect(readPoison(path)).toBeUndefined();
  writePoison(path, poison);
  expect(readPoison(path)).toEqual(poison);
  removePoison(path);
  removePoison(path);
  expect(readPoison(path)).toBeUndefined();
});

test.each(["", "{", "null", "{}", '{"index":"7","version":"1"}'])(
  "a file with %j in it holds nothing",
  (content) => {
    const path = folder();
    writeFileSync(join(path, "poison.json"), content);
    expect(readPoison(path)).toBeUndefined();
  },
);

test("a folder that cannot be written to is no failure", () => {
  expect(() =>
    writePoison("/nonexistent/folder", { index: 1, error: "", stack: "", version: "" }),
  ).not.toThrow();
});
