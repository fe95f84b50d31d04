// The bytes that digests of states are made of: servers compare them, so they never change.
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { toHex } from "./bytes.ts";
import { type ContentValue, contentsOf } from "./sql-contents.ts";
import { createCorruption, isCorruption } from "./sql-error.ts";

function contents(...statements: string[]): { bytes: Uint8Array; pieces: number } {
  const database = new DatabaseSync(":memory:");
  for (const sql of statements) database.exec(sql);
  const query = (sql: string) => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement.iterate() as unknown as Iterable<ContentValue[]>;
  };
  const parts = [];
  for (const piece of contentsOf(query)) parts.push(piece.slice());
  return { bytes: Buffer.concat(parts), pieces: parts.length };
}

const digest = (...statements: string[]) =>
  toHex(
    createHash("sha256")
      .update(contents(...statements).bytes)
      .digest(),
  );

describe("the contents of a database", () => {
  it("are these bytes", () => {
    const { bytes } = contents(
      "CREATE TABLE b (id INTEGER PRIMARY KEY, v ANY) STRICT",
      "INSERT INTO b VALUES (2, 'å'), (1, x'00ff'), (3, NULL), (4, -1.5)",
    );
    const text = (value: string) => {
      const utf8 = Buffer.from(value);
      return [2, utf8.length, 0, 0, 0, ...utf8];
    };
    const number = (value: number) => [1, ...new Uint8Array(Float64Array.of(value).buffer)];
    const sql = "CREATE TABLE b (id INTEGER PRIMARY KEY, v ANY) STRICT";
    expect([...bytes]).toEqual(
      [
        [4, ...number(0)],
        [4, ...text("table"), ...text("b"), ...text("b"), ...text(sql)],
        [5, ...text("b")],
        [...number(1), 3, 2, 0, 0, 0, 0, 255],
        [...number(2), ...text("å")],
        [...number(3), 0],
        [...number(4), ...number(-1.5)],
        [6],
      ].flat(),
    );
  });

  it("come in pieces, long values too", () => {
    const table = "CREATE TABLE t (id INTEGER PRIMARY KEY, v ANY) STRICT";
    const long = "å".repeat(300_000);
    const { bytes, pieces } = contents(
      table,
      `INSERT INTO t SELECT value, 'row ' || value FROM generate(20000)`.replace(
        "generate(20000)",
        `(WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 20000)
          SELECT value FROM n)`,
      ),
      `INSERT INTO t VALUES (20001, '${long}'), (20002, zeroblob(500000)), (20003, 'end')`,
    );
    expect(pieces).toBeGreaterThan(5);
    expect(Buffer.from(bytes).includes(long)).toBe(true);
    expect(Buffer.from(bytes).includes("row 19999")).toBe(true);
    expect(bytes.length).toBeGreaterThan(600_000 + 500_000 + 20_000 * 20);
    expect(Buffer.from(bytes.slice(-4)).toString()).toBe("end\u0006");
  });

  it("follow keys, not history, and do not mix values of neighbours", () => {
    const table = "CREATE TABLE t (b TEXT, a TEXT, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID";
    const one = digest(table, "INSERT INTO t VALUES ('x', '1'), ('y', '1'), ('a', '2')");
    expect(digest(table, "INSERT INTO t VALUES ('a', '2'), ('y', '1'), ('x', '1')")).toBe(one);
    const others = [
      "INSERT INTO t VALUES ('x', '1'), ('y', '1'), ('a', '3')",
      "INSERT INTO t VALUES ('x1', ''), ('y', '1'), ('a', '2')",
      "INSERT INTO t VALUES ('x', '1'), ('y', '1')",
    ];
    const digests = others.map((sql) => digest(table, sql));
    expect(new Set([one, ...digests]).size).toBe(4);
  });

  it("leave out what virtual tables keep for themselves, and take strange names", () => {
    const search = "CREATE VIRTUAL TABLE s USING fts5 (body)";
    const filled = digest(search, "INSERT INTO s VALUES ('one'), ('two')");
    expect(filled).toBe(digest(search));
    const strange = `CREATE TABLE "a ""b"" 'c'" ("k ""1""" TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`;
    expect(digest(strange)).not.toBe(
      digest(strange, `INSERT INTO "a ""b"" 'c'" VALUES ('x'), ('y')`),
    );
  });
});

describe("corruption", () => {
  it("is told by its codes, extended ones too", () => {
    const error = (errcode: unknown) => Object.assign(new Error("x"), { errcode });
    expect([11, 26, 11 | (3 << 8)].map((code) => isCorruption(error(code)))).not.toContain(false);
    expect([10, 13, undefined, "11"].map((code) => isCorruption(error(code)))).not.toContain(true);
    expect(isCorruption(createCorruption("damaged"))).toBe(true);
    expect(isCorruption(undefined)).toBe(false);
  });
});
