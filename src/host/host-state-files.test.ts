// A database replaced or set aside, with a crash after each step.
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HostDatabase } from "./host-database.ts";
import { HostStateFiles, replaceSteps, setAsideSteps } from "./host-state-files.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), "holdfast-files-"));
  path = join(folder, "chat.db");
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

/** What a killed process leaves: the rows are in the WAL alone. */
function makeKilled(target: string, body: string, count: number): void {
  const source = join(folder, "source.db");
  const database = new DatabaseSync(source);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
  database.exec("CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT) STRICT; BEGIN");
  const insert = database.prepare("INSERT INTO item (body) VALUES (?)");
  for (let n = 0; n < count; n++) insert.run(body + "x".repeat(500));
  database.exec("COMMIT");
  for (const suffix of ["", "-wal", "-shm"]) fs.copyFileSync(source + suffix, target + suffix);
  database.close();
  fs.rmSync(source);
}

/** Such a database with everything in its file. */
function makeWhole(target: string, body: string, count: number): void {
  makeKilled(target, body, count);
  const database = new DatabaseSync(target);
  database.exec("SELECT count(*) FROM item");
  database.close();
}

/** What the next process finds, when all is well. */
function found(): unknown {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL");
  expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  const tables = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"];
  const sql = "SELECT DISTINCT substr(body, 1, 3) AS body, count(*) AS n FROM item";
  const row = tables === 0 ? "nothing" : { ...database.prepare(sql).get() };
  database.close();
  return row;
}

describe("replacing a database", () => {
  it("leaves the new one whole after a crash at any step and a repetition", () => {
    let steps = Number.POSITIVE_INFINITY;
    for (let done = 0; done <= steps; done++) {
      fs.mkdirSync(join(folder, "snapshots"), { recursive: true });
      makeKilled(path, "old", 300);
      makeWhole(join(folder, "snapshots/new"), "new", 20);
      const interrupted = replaceSteps(path, "snapshots/new");
      steps = interrupted.length;
      for (const step of interrupted.slice(0, done)) step();
      new HostStateFiles(path).replaceWith("snapshots/new");
      expect(found()).toEqual({ body: "new", n: 20 });
      expect(fs.readdirSync(folder).sort()).toEqual(["chat.db", "snapshots"]);
    }
    expect(steps).toBeGreaterThan(5);
  });

  it("makes the old WAL's end durable before the new file has its name", () => {
    makeKilled(path, "old", 300);
    makeWhole(join(folder, "new"), "new", 20);
    const steps = replaceSteps(path, "new");
    const renames = steps.findIndex((step) => {
      step();
      return !fs.existsSync(join(folder, "new"));
    });
    expect(fs.readdirSync(folder)).toEqual(["chat.db"]);
    expect(String(steps[renames - 1])).toContain("syncFolderNow");
  });

  it("repeated after the new one was used touches nothing", () => {
    makeKilled(path, "new", 5);
    new HostStateFiles(path).replaceWith("gone");
    expect(found()).toEqual({ body: "new", n: 5 });
  });

  it("with nothing at all is refused", () => {
    expect(() => new HostStateFiles(path).replaceWith("missing")).toThrow(/^ENOENT: .*missing/);
    expect(() => new HostStateFiles(path).replaceWith("../x")).toThrow("unsafe");
  });
});

describe("setting a database aside", () => {
  it("lets the next one begin anew after a crash at any step", () => {
    let steps = Number.POSITIVE_INFINITY;
    for (let done = 1; done <= steps; done++) {
      makeKilled(path, "old", 300);
      const interrupted = setAsideSteps(path);
      steps = interrupted.length;
      for (const step of interrupted.slice(0, done)) step();
      expect(found()).toBe("nothing");
      fs.rmSync(path);
    }
    expect(steps).toBeGreaterThan(5);
  });

  it("may be repeated", () => {
    makeKilled(path, "old", 300);
    for (const step of setAsideSteps(path).slice(0, 2)) step();
    new HostStateFiles(path).setAside();
    expect(fs.readdirSync(folder)).toEqual(["chat.db.damaged-1"]);
    expect(found()).toBe("nothing");
  });

  it("keeps the newest one, with its WAL", () => {
    for (const [body, count] of [
      ["one", 10],
      ["two", 20],
      ["six", 30],
    ] as const) {
      makeKilled(path, body, count);
      new HostStateFiles(path).setAside();
    }
    const kept = ["chat.db.damaged-3", "chat.db.damaged-3-wal"];
    expect(fs.readdirSync(folder).sort()).toEqual(kept);
    for (const name of kept) fs.renameSync(join(folder, name), path + name.slice(17));
    expect(found()).toEqual({ body: "six", n: 30 });
  });
});

describe("a file that is no database", () => {
  it("is not held open by the attempt to open it", () => {
    fs.writeFileSync(path, "no database at all ".repeat(500));
    expect(() => new HostDatabase({ path, onFailure() {} })).toThrow(
      expect.objectContaining({ errcode: 26 }),
    );
    const open = fs
      .readdirSync("/proc/self/fd")
      .map((descriptor) => readLink(`/proc/self/fd/${descriptor}`));
    expect(open).not.toContain(path);
  });
});

/** "" where it is gone again. */
function readLink(link: string): string {
  try {
    return fs.readlinkSync(link);
  } catch {
    return "";
  }
}
