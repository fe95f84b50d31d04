// Tables and quantities as people see them.
import { expect, test } from "vitest";
import { formatBytes, formatDuration, formatTable } from "./table.ts";

test("columns are as wide as their widest cell and lines end without spaces", () => {
  const columns = [
    { head: "id", align: "right" },
    { head: "name", align: "left" },
  ] as const;
  expect(
    formatTable(columns, [
      ["1", "ada"],
      ["12", ""],
      ["3", "grüße 🌊"],
    ]),
  ).toBe("id  name\n 1  ada\n12\n 3  grüße 🌊");
  expect(formatTable(columns, [])).toBe("id  name");
});

test.each<[number | bigint, string]>([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [200n * 1024n * 1024n, "200 MiB"],
  [5 * 1024 ** 4, "5.0 TiB"],
])("%s bytes read as %s", (bytes, expected) => {
  expect(formatBytes(bytes)).toBe(expected);
});

test.each<[number, string]>([
  [0, "0 ms"],
  [999, "999 ms"],
  [3_400, "3.4 s"],
  [120_000, "2 min"],
  [86_400_000, "24 h"],
])("%s milliseconds read as %s", (ms, expected) => {
  expect(formatDuration(ms)).toBe(expected);
});
