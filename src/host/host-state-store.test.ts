// Copies of a database that is written to: exactly one moment, and an answer whatever fails.
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../base/bytes.ts";
import { Random } from "../base/random.ts";
import { isCorruption } from "../base/sql-error.ts";
import type { StateCopy } from "../io/state-store.ts";
import { HostDatabase, type HostDatabaseOptions } from "./host-database.ts";

const schema = `
  CREATE TABLE counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT NOT NULL, data BLOB) STRICT;
  CREATE UNIQUE INDEX item_by_body ON item (body);`;

let folder: string;
let opened: HostDatabase[];

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), "holdfast-state-"));
  opened = [];
});

afterEach(async () => {
  for (const database of opened) database.close();
  await Promise.all(opened.map((database) => database.whenClosed()));
  fs.rmSync(folder, { recursive: true });
});

function open(options: Partial<HostDatabaseOptions> = {}): HostDatabase {
  const onFailure = (error: Error) => {
    throw error;
  };
  const database = new HostDatabase({ path: join(folder, "chat.db"), onFailure, ...options });
  opened.push(database);
  return database;
}

async function closeAll(): Promise<void> {
  for (const database of opened) database.close();
  await Promise.all(opened.map((database) => database.whenClosed()));
  opened = [];
}

/** The answers to one call, `calls` in the order in which they came. */
function copy(database: HostDatabase, name = "snapshots/copy") {
  const calls: string[] = [];
  let held = () => {};
  const whenHeld = new Promise<void>((resolve) => {
    held = resolve;
  });
  const result = new Promise<StateCopy | Error>((resolve) => {
    database.copyTo(name, {
      held: () => {
        calls.push("held");
        held();
      },
      done: (answer) => {
        calls.push("done");
        resolve(answer);
      },
    });
  });
  expect(calls, "never from inside").toEqual([]);
  return { whenHeld, result, calls };
}

function inspect(database: HostDatabase, name: string): Promise<StateCopy | Error> {
  return new Promise((resolve) => database.inspect(name, resolve));
}

function good(result: StateCopy | Error): StateCopy {
  if (result instanceof Error) throw result;
  return result;
}

function rows(name: string, sql: string) {
  const url = new URL(`${pathToFileURL(join(folder, name))}?immutable=1`);
  const database = new DatabaseSync(url, { readOnly: true });
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
}

function fill(database: HostDatabase, count: number): void {
  const insert = database.prepare("INSERT INTO item VALUES (?, ?, ?)");
  for (let from = 0; from < count; from += 100) {
    database.transaction(() => {
      for (let id = from; id < Math.min(count, from + 100); id++) {
        insert.run(id, `${id} ${"x".repeat(400)}`, Uint8Array.of(id % 256));
      }
    });
  }
}

describe("a copy", () => {
  it("is the moment of the call while writing and checkpoints go on", async () => {
    const settings = { commitDelayMs: 10, checkpointIntervalMs: 3, walBytesLarge: 128 * 1024 };
    const database = open(settings);
    database.exec(schema);
    const count = 500;
    const insert = database.prepare("INSERT INTO counter VALUES (?, 0)");
    database.transaction(() => {
      for (let id = 0; id < count; id++) insert.run(id);
    });
    fill(database, 3_000);
    const random = new Random(7);
    const add = database.prepare("UPDATE counter SET value = value + 1 WHERE id = ?");
    const touch = database.prepare("UPDATE item SET data = ? WHERE id = ?");
    let transactions = 0;
    const write = () => {
      transactions += 1;
      // All counters of a transaction rise together: a torn copy has other sums.
      database.transaction(() => {
        for (let n = 0; n < 5; n++) {
          add.run(random.nextInteger(0, count));
          touch.run(Uint8Array.of(transactions % 256), random.nextInteger(0, 3_000));
        }
      });
    };
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 30; n++) write();
      const sum = transactions * 5;
      const name = `snapshots/${round}`;
      const { whenHeld, result, calls } = copy(database, name);
      await whenHeld;
      let isOver = false;
      void result.then(() => {
        isOver = true;
      });
      while (!isOver) {
        write();
        await nextTurn();
      }
      const { size, digest } = good(await result);
      expect(calls).toEqual(["held", "done"]);
      expect(transactions * 5).toBeGreaterThan(sum);
      expect(rows(name, "SELECT sum(value) AS sum FROM counter")).toEqual([{ sum }]);
      expect(fs.statSync(join(folder, name)).size).toBe(size);
      expect(good(await inspect(database, name))).toEqual({ size, digest });
    }
    expect(fs.readdirSync(join(folder, "snapshots"))).toEqual(["0", "1", "2", "3"]);
  }, 60_000);

  it("has transactions that wait for their commit, and none from before it is held", async () => {
    const database = open({ commitDelayMs: 60_000 });
    database.exec(schema);
    database.transaction(() => database.exec("INSERT INTO counter VALUES (1, 1)"));
    const { whenHeld, result } = copy(database);
    const early = () => database.transaction(() => database.exec("DELETE FROM counter"));
    expect(early).toThrow("before a copy holds");
    await whenHeld;
    early();
    good(await result);
    expect(rows("snapshots/copy", "SELECT value FROM counter")).toEqual([{ value: 1 }]);
  });

  it("replaces a file that is there, and what an earlier attempt left beside it", async () => {
    const database = open();
    database.exec(schema);
    fs.mkdirSync(join(folder, "snapshots"));
    for (const left of ["copy", "copy-journal", "copy-wal"]) {
      fs.writeFileSync(join(folder, "snapshots", left), "left over ".repeat(2_000));
    }
    good(await copy(database).result);
    expect(fs.readdirSync(join(folder, "snapshots"))).toEqual(["copy"]);
    expect(fs.statSync(join(folder, "snapshots/copy")).mode & 0o777).toBe(0o600);
    good(await inspect(database, "snapshots/copy"));
  });

  it("can be opened in the place of the database", async () => {
    const database = open();
    database.exec(schema);
    fill(database, 200);
    good(await copy(database, "copy.db").result);
    const again = open({ path: join(folder, "copy.db") });
    again.transaction(() => again.exec("INSERT INTO counter VALUES (1, 1)"));
    expect(again.prepare("SELECT count(*) AS n FROM item").get()?.["n"]).toBe(200);
  });

  it("is refused beside another, in a transaction, and under the database's names", async () => {
    const database = open();
    database.exec(schema);
    const first = copy(database);
    const second = copy(database, "other");
    expect(await second.result).toMatchObject({ message: "another copy is under way" });
    expect(second.calls).toEqual(["held", "done"]);
    good(await first.result);
    const calls = { held() {}, done() {} };
    expect(() => database.transaction(() => database.copyTo("x", calls))).toThrow("inside");
    for (const name of ["chat.db", "chat.db-wal"]) {
      expect(() => database.copyTo(name, calls)).toThrow("belongs to the database");
    }
    expect(() => database.copyTo("../x", calls)).toThrow("unsafe");
    const inMemory = open({ path: ":memory:" });
    expect(await copy(inMemory).result).toMatchObject({ message: /in memory/ });
  });
});

describe("a digest", () => {
  const digestOf = async (change: (database: HostDatabase) => void): Promise<string> => {
    const database = open({ path: join(folder, `${opened.length}.db`) });
    database.exec(schema);
    change(database);
    const result = good(await copy(database, `copy-${opened.length}`).result);
    return toHex(result.digest);
  };

  it("is equal for equal contents whatever their history", async () => {
    const straight = await digestOf((database) => fill(database, 1_000));
    const around = await digestOf((database) => {
      fill(database, 3_000);
      database.exec("DELETE FROM item WHERE id % 2 = 0");
      database.exec("DELETE FROM item");
      fill(database, 1_000);
      database.exec("UPDATE item SET body = body || 'y' WHERE id % 3 = 0");
      database.exec("UPDATE item SET body = substr(body, 1, length(body) - 1) WHERE id % 3 = 0");
    });
    expect(around).toBe(straight);
  });

  it("is another for any single change", async () => {
    const changes = [
      "",
      "UPDATE item SET data = x'ff' WHERE id = 77",
      "UPDATE item SET body = replace(body, '77 x', '77 y') WHERE id = 77",
      "UPDATE item SET data = NULL WHERE id = 77",
      "DELETE FROM item WHERE id = 77",
      "INSERT INTO counter VALUES (1, 0)",
      "DROP INDEX item_by_body",
      "PRAGMA user_version = 7",
    ];
    const digests = [];
    for (const sql of changes) {
      digests.push(
        await digestOf((database) => {
          fill(database, 100);
          database.exec(sql);
        }),
      );
    }
    expect(new Set(digests).size).toBe(changes.length);
  }, 30_000);
});

describe("a failure", () => {
  it("is told, and the database goes on", async () => {
    const database = open();
    database.exec(schema);
    fs.writeFileSync(join(folder, "file"), "no folder");
    const { result, calls } = copy(database, "file/copy");
    expect(await result).toMatchObject({ code: "EEXIST" });
    expect(calls).toEqual(["held", "done"]);
    database.transaction(() => database.exec("INSERT INTO counter VALUES (1, 1)"));
    good(await copy(database).result);
  });

  it("comes before the disk is full", async () => {
    const database = open({ spareBytes: 2 ** 52 });
    database.exec(schema);
    expect(await copy(database).result).toMatchObject({ code: "ENOSPC", message: /^ENOSPC: / });
    expect(fs.readdirSync(join(folder, "snapshots"))).toEqual([]);
  });

  it("by a damaged database says so, and leaves no file", async () => {
    const database = open();
    database.exec(schema);
    fill(database, 2_000);
    await closeAll();
    const whole = fs.readFileSync(join(folder, "chat.db"));
    // Pages of the table and of its index; the first rows and the schema are in good order.
    for (const at of [0.3, 0.4, 0.5, 0.6, 0.7]) {
      fs.writeFileSync(join(folder, "chat.db"), whole);
      scribble("chat.db", at);
      const damaged = open();
      const result = await copy(damaged).result;
      expect(result).toMatchObject({ errcode: 11, code: "ERR_SQLITE_ERROR" });
      expect(isCorruption(result)).toBe(true);
      expect(fs.readdirSync(join(folder, "snapshots"))).toEqual([]);
      await closeAll();
    }
  });

  it("by the end of the database leaves no file and no WAL", async () => {
    const database = open();
    database.exec(schema);
    fill(database, 20_000);
    const { whenHeld, result, calls } = copy(database);
    await whenHeld;
    await closeAll();
    expect(await result).toMatchObject({ message: /was closed/ });
    expect(calls).toEqual(["held", "done"]);
    expect(fs.readdirSync(join(folder, "snapshots"))).toEqual([]);
    expect(fs.readdirSync(folder).sort()).toEqual(["chat.db", "snapshots"]);
    expect(await copy(database).result).toMatchObject({ message: "the database is closed" });
  });

  it("before the thread has begun is told at the end too", async () => {
    const database = open();
    database.exec(schema);
    const { result, calls } = copy(database);
    const inspected = inspect(database, "nothing");
    await closeAll();
    expect(await result).toBeInstanceOf(Error);
    expect(await inspected).toBeInstanceOf(Error);
    expect(calls).toEqual(["held", "done"]);
  });
});

describe("an inspection", () => {
  it("finds what is no whole database", async () => {
    const database = open();
    database.exec(schema);
    fill(database, 2_000);
    const { size } = good(await copy(database, "whole").result);
    const file = (name: string, change: (path: string) => void) => {
      fs.copyFileSync(join(folder, "whole"), join(folder, name));
      change(join(folder, name));
    };
    file("short", (path) => fs.truncateSync(path, size - 4_096));
    file("long", (path) => fs.appendFileSync(path, "more"));
    file("empty", (path) => fs.truncateSync(path, 0));
    file("other", (path) => fs.writeFileSync(path, "no database at all ".repeat(99)));
    file("scribbled", () => scribble("scribbled", 0.5));
    // The rows are whole; the index finds one of them under another body.
    file("index", () => replaceLast("index", "1234 xxxx", "1235 xxxx"));
    const codes: Record<string, boolean> = {};
    for (const name of ["short", "long", "empty", "other", "scribbled", "index"]) {
      codes[name] = isCorruption(await inspect(database, name));
    }
    expect(codes).toEqual({
      short: true,
      long: true,
      empty: true,
      other: true,
      scribbled: true,
      index: true,
    });
    expect(await inspect(database, "missing")).toMatchObject({ code: "ENOENT" });
    expect(good(await inspect(database, "whole")).size).toBe(size);
    const left = fs.readdirSync(folder).filter((name) => !name.startsWith("chat.db"));
    expect(left.sort()).toEqual("empty index long other scribbled short whole".split(" "));
  });
});

/** Other bytes over a whole page in the middle of a file that nobody has open. */
function scribble(name: string, at: number): void {
  const path = join(folder, name);
  const bytes = fs.readFileSync(path);
  const start = Math.floor((bytes.length * at) / 4_096) * 4_096;
  bytes.fill(0x55, start, start + 4_096);
  fs.writeFileSync(path, bytes);
}

/** Changes the last place in the file where a text is: the index was filled after the table. */
function replaceLast(name: string, from: string, to: string): void {
  const path = join(folder, name);
  const bytes = fs.readFileSync(path);
  const places: number[] = [];
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) places.push(at);
  expect(places).toHaveLength(2);
  bytes.write(to, places.at(-1)!, "latin1");
  fs.writeFileSync(path, bytes);
}
