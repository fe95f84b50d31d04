// Copies of a simulated database through its machine's disk, its replacement, and its damage.
import { describe, expect, it } from "vitest";
import { equalBytes, toHex } from "../base/bytes.ts";
import { Random } from "../base/random.ts";
import { isCorruption } from "../base/sql-error.ts";
import type { Database } from "../io/database.ts";
import type { StateCopy, StateStore } from "../io/state-store.ts";
import { ProcessLife } from "./process-life.ts";
import { MachineDate, SimClock } from "./sim-clock.ts";
import { SimDatabase } from "./sim-database.ts";
import { SimDisk } from "./sim-disk.ts";
import { VirtualTime } from "./virtual-time.ts";

const schema = `
  CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
  CREATE TABLE pairs (a INTEGER, b INTEGER, bytes BLOB, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID;
  CREATE TABLE counts (a INTEGER PRIMARY KEY, n INTEGER) STRICT;`;

/** One machine and the process on it. */
class Rig {
  readonly time = new VirtualTime();
  readonly disk: SimDisk;
  readonly sim: SimDatabase;
  readonly failures: Error[] = [];
  life = new ProcessLife(this.time);
  database: Database & StateStore;

  constructor(seed = 1) {
    const { time } = this;
    this.disk = new SimDisk({ time, random: new Random(seed) });
    this.sim = new SimDatabase({ time, random: new Random(seed + 1_000), disk: this.disk });
    this.database = this.open();
    this.database.transaction(() => this.database.exec(schema));
    this.pass(1_000);
  }

  open(): Database & StateStore {
    this.life = new ProcessLife(this.time);
    const { time, life } = this;
    this.disk.openLife(life);
    const clock = new SimClock({ time, life, date: new MachineDate(time) });
    return this.sim.openLife(clock, (error) => this.failures.push(error));
  }

  end(how: "kill" | "losePower"): void {
    this.life.end();
    this.disk[how]();
    this.sim[how]();
  }

  pass(ms: number): void {
    const endMs = this.time.nowMs + ms;
    this.time.at(ms, () => {});
    while ((this.time.nextMs ?? Number.POSITIVE_INFINITY) <= endMs) this.time.step();
  }

  add(...ids: number[]): void {
    for (const id of ids) {
      this.database.transaction(() => {
        this.database.prepare("INSERT INTO notes VALUES (?, ?)").run(id, `note ${id}`);
        const pair = this.database.prepare("INSERT INTO pairs VALUES (?, ?, ?)");
        pair.run(id, -id, Uint8Array.of(1, 2, id));
      });
    }
  }

  ids(): unknown[] {
    return this.sim.rows("SELECT id FROM notes ORDER BY id").map(({ id }) => id);
  }

  /** What is called, with the time that has passed. */
  copy(name = "snapshots/a") {
    const seen: { heldMs?: number; doneMs?: number; result?: StateCopy | Error } = {};
    const beganMs = this.time.nowMs;
    this.database.copyTo(name, {
      held: () => {
        expect(seen).toEqual({});
        seen.heldMs = this.time.nowMs - beganMs;
      },
      done: (result) => {
        expect(seen.doneMs).toBeUndefined();
        seen.doneMs = this.time.nowMs - beganMs;
        seen.result = result;
      },
    });
    expect(seen, "never from inside").toEqual({});
    return seen;
  }

  inspect(name: string): StateCopy | Error | undefined {
    let found: StateCopy | Error | undefined;
    this.database.inspect(name, (result) => {
      found = result;
    });
    this.pass(1_000);
    return found;
  }
}

describe("a copy", () => {
  it("is the moment of the call, and can become the database", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const rig = new Rig(seed);
      rig.add(1, 2);
      const digest = rig.sim.digest();
      const seen = rig.copy();
      expect(() => rig.add(3)).toThrow("before a copy holds");
      rig.pass(3);
      expect(seen.heldMs).toBeLessThanOrEqual(3);
      rig.add(3);
      rig.pass(1_000);
      const result = seen.result as StateCopy;
      expect(toHex(result.digest)).toBe(digest);
      expect(rig.sim.digest()).not.toBe(digest);
      expect(result.size).toBe(rig.disk.platterBytes("snapshots/a").length);
      expect(rig.inspect("snapshots/a")).toEqual(result);

      rig.end("losePower");
      rig.sim.replaceWith("snapshots/a");
      rig.sim.losePower();
      expect(rig.sim.digest()).toBe(digest);
      expect(rig.disk.names()).toEqual([]);
      // Again, as after a crash.
      rig.sim.replaceWith("snapshots/a");
      rig.database = rig.open();
      rig.add(4);
      expect(rig.ids()).toEqual([1, 2, 4]);
    }
  });

  it("is one at a time, and replaces a longer file", () => {
    const rig = new Rig();
    for (let id = 1; id < 500; id++) rig.add(id);
    rig.copy();
    const second = rig.copy("other");
    rig.pass(1_000);
    expect(second.result).toMatchObject({ message: "another copy is under way" });
    expect(second.heldMs).toBe(0);
    rig.database.transaction(() => rig.database.exec("DELETE FROM notes; DELETE FROM pairs"));
    rig.pass(1_000);
    rig.database.close();
    const { bytes } = rig.sim.copy();
    rig.sim.restore({ bytes, isCorrupt: false });
    rig.database = rig.open();
    rig.add(1);
    const again = rig.copy();
    rig.pass(1_000);
    expect((again.result as StateCopy).size).toBe(rig.disk.platterBytes("snapshots/a").length);
  });

  it("ends with its process, and half of it stays at most", () => {
    const left = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const rig = new Rig(seed);
      rig.add(1);
      const seen = rig.copy();
      rig.pass(seed * 3);
      const wasDone = seen.result !== undefined;
      rig.end(seed % 2 === 0 ? "kill" : "losePower");
      rig.pass(1_000);
      expect(seen.result !== undefined).toBe(wasDone);
      rig.database = rig.open();
      const found = rig.inspect("snapshots/a");
      if (wasDone) expect(found).toEqual(seen.result);
      left.add(found instanceof Error ? found.message.replace(/:.*/, "") : "whole");
    }
    expect([...left]).toEqual(expect.arrayContaining(["whole", "ENOENT"]));
    expect(left.size).toBeGreaterThan(2);
  });

  it("is given up when the database is closed", () => {
    const rig = new Rig();
    rig.add(1);
    const seen = rig.copy();
    rig.pass(50);
    rig.database.close();
    rig.pass(1_000);
    expect(seen.result).toMatchObject({ message: /was closed/ });
    expect(rig.disk.names()).toEqual([]);
  });

  it("fails with the disk, and with the commit before it", () => {
    for (const operation of ["write", "sync", "read"] as const) {
      const rig = new Rig();
      rig.add(1);
      const seen = rig.copy();
      rig.disk.failNext(operation, "ENOSPC");
      rig.pass(1_000);
      expect(seen.result).toMatchObject({ message: `ENOSPC: ${operation}` });
      expect(rig.disk.names()).toEqual([]);
      const next = rig.copy();
      rig.pass(1_000);
      expect(next.result).not.toBeInstanceOf(Error);
    }
    const rig = new Rig();
    rig.add(1);
    rig.sim.failNext("commit");
    const seen = rig.copy();
    rig.pass(1_000);
    expect(seen).toMatchObject({ heldMs: 0, result: { errcode: 13 } });
    expect(rig.failures).toHaveLength(1);
  });

  it("shows what the disk has done to it", () => {
    let damaged = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const rig = new Rig(seed);
      for (let id = 1; id < 40; id++) rig.add(id);
      const seen = rig.copy();
      rig.pass(1_000);
      rig.disk.flipBit();
      const found = rig.inspect("snapshots/a");
      const good = seen.result as StateCopy;
      // A bit that nothing is read from changes nothing.
      if (found instanceof Error || !equalBytes(found?.digest ?? good.digest, good.digest)) {
        damaged += 1;
      }
    }
    expect(damaged).toBeGreaterThan(10);
  });
});

describe("a database's files", () => {
  it("are replaced by what is there only", () => {
    const rig = new Rig();
    rig.end("kill");
    rig.sim.setAside();
    expect(rig.ids.bind(rig)).toThrow("no such table");
    expect(() => rig.sim.replaceWith("missing")).toThrow(/^ENOENT/);
    rig.database = rig.open();
    expect(() => rig.sim.setAside()).toThrow("while a process has it open");
  });

  it("that are no database are found at the next open", () => {
    const rig = new Rig();
    const file = rig.disk.open("junk", { create: true });
    file.write(0, new Uint8Array(8_192).fill(7));
    rig.end("kill");
    rig.sim.replaceWith("junk");
    let error: unknown;
    try {
      rig.open();
    } catch (thrown) {
      error = thrown;
    }
    expect(isCorruption(error)).toBe(true);
    rig.sim.setAside();
    rig.database = rig.open();
    rig.database.exec(schema);
    rig.add(1);
    expect(rig.ids()).toEqual([1]);
  });
});

describe("damage", () => {
  it("to a value is one byte, is for good, and shows in the digest", () => {
    const tables = new Set<string>();
    for (let seed = 1; seed <= 30; seed++) {
      const rig = new Rig(seed);
      rig.add(1, 2, 3);
      rig.pass(1_000);
      rig.add(4);
      const sound = rig.sim.digest();
      const rot = rig.sim.rotRow()!;
      tables.add(`${rot.table}.${rot.column}`);
      const differing = [...rot.rotten.keys()].filter((at) => rot.rotten[at] !== rot.sound[at]);
      expect(differing).toEqual([rot.offset]);
      expect(rig.sim.digest()).not.toBe(sound);
      const key = rot.key.map((name, at) => `${name} = ${rot.keyValues[at]}`).join(" AND ");
      const value = `SELECT CAST(${rot.column} AS BLOB) AS v FROM ${rot.table} WHERE ${key}`;
      const seen = rig.copy();
      rig.pass(3_000);
      expect(seen.result).toMatchObject({ size: expect.any(Number) });
      for (const how of ["kill", "losePower", "kill", "losePower"] as const) {
        rig.end(how);
        rig.database = rig.open();
        expect(rig.sim.rows(value)).toEqual([{ v: rot.rotten }]);
      }
    }
    expect([...tables].sort()).toEqual(["notes.body", "pairs.bytes"]);
  });

  it("survives a crash before any checkpoint, and what nobody has made durable does not", () => {
    let stayed = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const rig = new Rig(seed);
      rig.add(1);
      rig.pass(1_000);
      const before = rig.sim.digest();
      rig.add(2);
      const rot = rig.sim.rotRow();
      rig.end("kill");
      expect(rig.ids()).toEqual([1]);
      const isOfOld = Math.abs(Number(rot?.keyValues[0])) === 1;
      expect(rig.sim.digest() !== before).toBe(isOfOld);
      if (isOfOld) stayed += 1;
    }
    expect(stayed).toBeGreaterThan(5);
    expect(stayed).toBeLessThan(35);
  });

  it("has nothing to strike in an empty database", () => {
    const rig = new Rig();
    expect(rig.sim.rotRow()).toBeUndefined();
    rig.database.transaction(() => rig.database.exec("INSERT INTO counts VALUES (1, 1)"));
    expect(rig.sim.rotRow()).toBeUndefined();
  });

  it("to the file fails copies and the next open, until the file is replaced", () => {
    const rig = new Rig();
    rig.add(1);
    const before = rig.copy();
    rig.pass(1_000);
    rig.sim.corrupt();
    rig.add(2);
    const seen = rig.copy("snapshots/b");
    rig.pass(1_000);
    expect(isCorruption(seen.result)).toBe(true);
    rig.end("losePower");
    expect(() => rig.open()).toThrow(expect.objectContaining({ errcode: 11 }));
    const damaged = rig.sim.copy();
    rig.sim.replaceWith("snapshots/a");
    rig.database = rig.open();
    expect(rig.sim.digest()).toBe(toHex((before.result as StateCopy).digest));
    rig.end("kill");
    rig.sim.restore(damaged);
    expect(() => rig.open()).toThrow("malformed");
    rig.sim.setAside();
    rig.database = rig.open();
  });
});
