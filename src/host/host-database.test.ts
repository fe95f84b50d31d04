// SQLite behind the port, and its checkpoints.
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../testing/index.ts";
import { HostDatabase, type HostDatabaseOptions } from "./host-database.ts";

let folder: string;
let opened: HostDatabase[];
let failures: Error[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-database-"));
  opened = [];
  failures = [];
});

afterEach(async () => {
  for (const database of opened) database.close();
  await Promise.all(opened.map((database) => database.whenClosed()));
  rmSync(folder, { recursive: true });
  expect(failures).toEqual([]);
});

function open(options: Partial<HostDatabaseOptions> = {}): HostDatabase {
  const onFailure = (error: Error) => failures.push(error);
  const database = new HostDatabase({ path: join(folder, "chat.db"), onFailure, ...options });
  opened.push(database);
  return database;
}

const schema = "CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT, data BLOB, n REAL) STRICT";

describe("statements", () => {
  it("take and give null, numbers, texts and bytes", () => {
    const database = open();
    database.exec(schema);
    const insert = database.prepare("INSERT INTO item VALUES (?, ?, ?, ?)");
    const { changes } = insert.run(2 ** 53 - 1, "å\n", Uint8Array.of(0, 255), 0.5);
    expect(changes).toBe(1);
    insert.run(1, null, new Uint8Array(0), null);
    const rows = database.prepare("SELECT * FROM item ORDER BY id LIMIT 9").all();
    expect(rows.map((row) => ({ ...row }))).toEqual([
      { id: 1, body: null, data: new Uint8Array(0), n: null },
      { id: 2 ** 53 - 1, body: "å\n", data: Uint8Array.of(0, 255), n: 0.5 },
    ]);
    const one = database.prepare("SELECT id FROM item WHERE id = ?");
    expect([one.get(1)?.["id"], one.get(5)]).toEqual([1, undefined]);
  });

  it("refuse integers that a number cannot hold", () => {
    const database = open();
    expect(() => database.prepare("SELECT 9007199254740993 AS n").get()).toThrow(/too large/);
  });

  it("are prepared once", () => {
    const database = open();
    expect(database.prepare("SELECT 1 AS n")).toBe(database.prepare("SELECT 1 AS n"));
    const first = database.prepare("SELECT 0 AS n");
    for (let n = 0; n < 600; n++) expect(database.prepare(`SELECT ${n} AS n`).get()?.["n"]).toBe(n);
    expect(first.get()?.["n"]).toBe(0);
  });

  it("hold foreign keys", () => {
    const database = open();
    database.exec("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a (id))");
    expect(() => database.exec("INSERT INTO b VALUES (1)")).toThrow(/FOREIGN KEY/);
  });
});

describe("a transaction", () => {
  it("keeps what its body wrote, and answers what it answered", () => {
    const database = open();
    database.exec(schema);
    const insert = database.prepare("INSERT INTO item (id) VALUES (?)");
    const answer = database.transaction(() => {
      insert.run(1);
      insert.run(2);
      return "done";
    });
    expect(answer).toBe("done");
    expect(database.prepare("SELECT count(*) AS n FROM item").get()?.["n"]).toBe(2);
  });

  it("leaves nothing when its body throws", () => {
    const database = open();
    database.exec(schema);
    const insert = database.prepare("INSERT INTO item (id) VALUES (?)");
    const body = () => {
      insert.run(1);
      insert.run(1);
    };
    expect(() => database.transaction(body)).toThrow(/UNIQUE/);
    expect(database.prepare("SELECT count(*) AS n FROM item").get()?.["n"]).toBe(0);
    database.transaction(() => insert.run(3).changes);
  });

  it("may wait for a common commit, is seen at once, and is rolled back alone", async () => {
    const database = open({ commitDelayMs: 5 });
    database.exec(schema);
    const insert = database.prepare("INSERT INTO item (id) VALUES (?)");
    const count = () => database.prepare("SELECT count(*) AS n FROM item").get()?.["n"];
    database.transaction(() => insert.run(1).changes);
    const failing = () => {
      insert.run(2);
      insert.run(1);
    };
    expect(() => database.transaction(failing)).toThrow(/UNIQUE/);
    database.transaction(() => insert.run(3).changes);
    expect(count()).toBe(2);
    const other = open();
    expect(other.prepare("SELECT count(*) AS n FROM item").get()?.["n"]).toBe(0);
    const seen = () => other.prepare("SELECT count(*) AS n FROM item").get()?.["n"] === 2;
    await eventually("the commit", seen);
  });

  it("that waits for its commit is committed when the database is closed", async () => {
    const database = open({ commitDelayMs: 60_000 });
    database.exec(schema);
    database.transaction(() => database.prepare("INSERT INTO item (id) VALUES (1)").run().changes);
    database.close();
    await database.whenClosed();
    opened = [];
    expect(open().prepare("SELECT count(*) AS n FROM item").get()?.["n"]).toBe(1);
  });

  it("does not wait for ever while others come", () => {
    const database = open({ commitDelayMs: 60_000 });
    database.exec(schema);
    const insert = database.prepare("INSERT INTO item (body) VALUES ('')");
    for (let i = 0; i < 16; i++) database.transaction(() => insert.run().changes);
    const other = open();
    expect(other.prepare("SELECT count(*) AS n FROM item").get()?.["n"]).toBe(16);
  });

  it("refuses another inside, and a promise, and leaves nothing of either", () => {
    const database = open();
    database.exec(schema);
    const insert = database.prepare("INSERT INTO item (id) VALUES (?)");
    const nested = () => {
      insert.run(1);
      database.transaction(() => insert.run(2).changes);
    };
    expect(() => database.transaction(nested)).toThrow(/inside a transaction/);
    const promising = (() => {
      insert.run(3);
      return Promise.resolve();
    }) as () => never;
    expect(() => database.transaction(promising)).toThrow(/synchronous/);
    expect(database.prepare("SELECT count(*) AS n FROM item").get()?.["n"]).toBe(0);
  });
});

describe("checkpoints", () => {
  const walSize = () => statSync(join(folder, "chat.db-wal")).size;
  const fileSize = () => statSync(join(folder, "chat.db")).size;

  function write(database: HostDatabase, transactions: number): void {
    const insert = database.prepare("INSERT INTO item (body) VALUES (?)");
    for (let count = 0; count < transactions; count++) {
      database.transaction(() => {
        for (let row = 0; row < 20; row++) insert.run("x".repeat(500));
      });
    }
  }

  it("bring what was written into the file while the database is open", async () => {
    const database = open({ checkpointIntervalMs: 20 });
    database.exec(schema);
    write(database, 50);
    const written = walSize() / 2;
    await eventually("the file to grow", () => fileSize() > written);
  });

  it("let a large WAL begin anew although writing never rests", async () => {
    const walBytesLarge = 512 * 1024;
    const database = open({ checkpointIntervalMs: 5, walBytesLarge });
    database.exec(schema);
    let transactions = 0;
    const condition = () => {
      write(database, 20);
      transactions += 20;
      // A transaction adds at least its rows to the WAL.
      return transactions * 20 * 500 > 3 * walSize() && walSize() > walBytesLarge;
    };
    await eventually("the WAL to be used again", condition, { timeoutMs: 20_000 });
    const { n } = database.prepare("SELECT count(*) AS n FROM item").get()!;
    expect(n).toBe(transactions * 20);
  }, 30_000);

  it("are done for the last time after closing, and the WAL is gone", async () => {
    const database = open({ checkpointIntervalMs: 60_000 });
    database.exec(schema);
    write(database, 10);
    database.close();
    await database.whenClosed();
    opened = [];
    expect(existsSync(join(folder, "chat.db-wal"))).toBe(false);
    const again = open();
    expect(again.prepare("SELECT count(*) AS n FROM item").get()?.["n"]).toBe(200);
  });

  it("are not needed in memory", () => {
    const database = open({ path: ":memory:" });
    database.exec(schema);
    write(database, 1);
    expect(database.prepare("SELECT count(*) AS n FROM item").get()?.["n"]).toBe(20);
  });
});
