// Bugs and failures of the machine, told apart.
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { DamageError } from "../storage/index.ts";
import { isMachineFailure } from "./fatal.ts";

function thrownBy(body: () => unknown): Error {
  try {
    body();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

test("a full or failing disk and damage are the machine's", () => {
  const system = Object.assign(new Error("no space left"), { code: "ENOSPC" });
  const full = Object.assign(new Error("database or disk is full"), { errcode: 13 });
  const reading = Object.assign(new Error("disk I/O error"), { errcode: 10 | (1 << 8) });
  const damage = new DamageError({ file: "log/1.seg", offset: 0, reason: "x" });
  expect([system, full, reading, damage].map(isMachineFailure)).toEqual([true, true, true, true]);
  const database = new DatabaseSync(":memory:");
  database.exec("PRAGMA max_page_count = 2; CREATE TABLE t (x)");
  const real = thrownBy(() => database.exec("INSERT INTO t VALUES (zeroblob(100000))"));
  expect(isMachineFailure(real)).toBe(true);
  database.close();
});

test("a broken rule of the schema, wrong SQL and any other throw are bugs", () => {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1)");
  const errors = [
    thrownBy(() => database.exec("INSERT INTO t VALUES (1)")),
    thrownBy(() => database.exec("SELECT * FROM nowhere")),
    new TypeError("x is not a function"),
    Object.assign(new TypeError("wrong argument"), { code: "ERR_INVALID_ARG_TYPE" }),
  ];
  expect(errors.map(isMachineFailure)).toEqual([false, false, false, false]);
  database.close();
});
