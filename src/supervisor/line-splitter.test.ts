// Streams cut into lines.
import { expect, test } from "vitest";
import { lineUnitsMax } from "./limits.ts";
import { LineSplitter } from "./line-splitter.ts";

function split(...pieces: readonly string[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => void lines.push(line));
  for (const piece of pieces) splitter.add(piece);
  splitter.end();
  return lines;
}

test("lines come whole, however the stream is cut", () => {
  expect(split("a\nb", "c\n", "\nd")).toEqual(["a", "bc", "", "d"]);
  expect(split()).toEqual([]);
  expect(split("\n")).toEqual([""]);
});

test("a line without an end does not grow without bound", () => {
  const lines = split(..."x".repeat(3 * lineUnitsMax).match(/.{1,1000}/g)!);
  expect(lines.join("")).toHaveLength(3 * lineUnitsMax);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(lineUnitsMax + 1001);
});
