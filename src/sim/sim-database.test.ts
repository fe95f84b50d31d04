// What crashes leave of a simulated database, and that it is else as the real one.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import type { Database } from "../io/database.ts";
import { isDiskFailure } from "./disk-failure.ts";
import { ProcessLife } from "./process-life.ts";
import { MachineDate, SimClock } from "./sim-clock.ts";
import { SimDatabase } from "./sim-database.ts";
import { VirtualTime } from "./virtual-time.ts";

const schema = `
  CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
  CREATE TABLE pairs (b TEXT, a INTEGER, bytes BLOB, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID;`;

class Rig {
  readonly time = new VirtualTime();
  readonly sim: SimDatabase;
  life = new ProcessLife(this.time);
  database: Database;

  constructor(options: { seed?: number; commitDelayMs?: number } = {}) {
    const { seed = 1, ...rest } = options;
    this.sim = new SimDatabase({ time: this.time, random: new Random(seed), ...rest });
    this.database = this.#open();
    this.database.transaction(() => this.database.exec(schema));
    this.pass(1_000);
  }

  /** A new process after the death of the one before. */
  restart(): void {
    this.life.end();
    this.life = new ProcessLife(this.time);
    this.database = this.#open();
  }

  #open(): Database {
    const { time, life } = this;
    return this.sim.openLife(new SimClock({ time, life, date: new MachineDate(time) }));
  }

  pass(ms: number): void {
    const endMs = this.time.nowMs + ms;
    this.time.at(ms, () => {});
    while ((this.time.nextMs ?? Number.POSITIVE_INFINITY) <= endMs) this.time.step();
  }

  add(...ids: number[]): void {
    for (const id of ids) this.database.transaction(() => this.insert(id));
  }

  insert(id: number): void {
    this.database.prepare("INSERT INTO notes VALUES (?, ?)").run(id, `note ${id}`);
  }

  ids(): unknown[] {
    return this.sim.rows("SELECT id FROM notes ORDER BY id").map(({ id }) => id);
  }
}

describe("a process that is killed", () => {
  it("loses what was not committed, and nothing else", () => {
    const rig = new Rig();
    rig.add(1);
    rig.pass(20);
    rig.add(2, 3);
    expect(rig.ids()).toEqual([1, 2, 3]);
    rig.sim.kill();
    expect(rig.ids()).toEqual([1]);
    rig.restart();
    rig.add(4);
    rig.pass(20);
    rig.sim.kill();
    expect(rig.ids()).toEqual([1, 4]);
  });

  it("has committed the sixteenth transaction with the fifteen before", () => {
    const rig = new Rig();
    for (let id = 1; id <= 17; id++) rig.add(id);
    rig.sim.kill();
    expect(rig.ids()).toHaveLength(16);
  });

  it("loses nothing where commits do not wait", () => {
    const rig = new Rig({ commitDelayMs: 0 });
    rig.add(1, 2);
    rig.sim.kill();
    expect(rig.ids()).toEqual([1, 2]);
  });

  it("loses nothing after it has closed the database", () => {
    const rig = new Rig();
    rig.add(1);
    rig.database.close();
    rig.sim.kill();
    rig.sim.losePower();
    expect(rig.ids()).toEqual([1]);
  });

  it("can use its database no more", () => {
    const rig = new Rig();
    const { database } = rig;
    const statement = database.prepare("SELECT id FROM notes ORDER BY id LIMIT 1");
    rig.add(1);
    rig.sim.kill();
    rig.restart();
    expect(() => database.prepare("SELECT 1")).toThrow("dead process");
    expect(() => database.exec("SELECT 1")).toThrow("dead process");
    expect(() => database.transaction(() => 1)).toThrow("dead process");
    expect(() => statement.get()).toThrow("dead process");
    rig.pass(1_000);
    expect(rig.ids()).toEqual([]);
  });

  it("dies in the middle of a transaction without a trace of it", () => {
    const rig = new Rig();
    rig.add(1);
    rig.pass(20);
    rig.add(2);
    const die = () =>
      rig.database.transaction(() => {
        rig.insert(3);
        rig.sim.kill();
        throw new Error("a crash point");
      });
    expect(die).toThrow("a crash point");
    expect(rig.ids()).toEqual([1]);
    rig.restart();
    rig.add(4);
    expect(rig.ids()).toEqual([1, 4]);
  });

  it("does not commit while it is paused", () => {
    const rig = new Rig();
    rig.add(1);
    rig.life.pause();
    rig.pass(5_000);
    rig.sim.kill();
    expect(rig.ids()).toEqual([]);
  });
});

describe("a power failure", () => {
  it("goes back to the last checkpoint, or by chance to the last commit, never in between", () => {
    const found = new Map<string, number>();
    for (let seed = 1; seed <= 200; seed++) {
      const rig = new Rig({ seed });
      rig.add(1);
      rig.pass(600);
      rig.add(2);
      rig.pass(20);
      rig.add(3);
      rig.pass(20);
      rig.add(4);
      rig.sim.losePower();
      const left = rig.ids().join(" ");
      found.set(left, (found.get(left) ?? 0) + 1);
      // It is as it was found from now on.
      rig.sim.losePower();
      expect(rig.ids().join(" ")).toBe(left);
    }
    expect([...found.keys()].sort()).toEqual(["1", "1 2 3"]);
    expect(found.get("1")).toBeGreaterThan(100);
    expect(found.get("1 2 3")).toBeGreaterThan(20);
  });

  it("takes nothing that a checkpoint, 500 ms later at the latest, has made durable", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = new Rig({ seed });
      rig.add(1, 2);
      rig.pass(520);
      rig.sim.losePower();
      expect(rig.ids()).toEqual([1, 2]);
    }
  });

  it("can take what a killed process had committed before the next one ran a checkpoint", () => {
    const left = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const rig = new Rig({ seed });
      rig.add(1);
      rig.pass(20);
      rig.sim.kill();
      rig.restart();
      expect(rig.ids()).toEqual([1]);
      rig.sim.losePower();
      left.add(rig.ids().join(" "));
    }
    expect([...left].sort()).toEqual(["", "1"]);
  });

  it("finds no checkpoint that nobody was there to run, and the one of the next process", () => {
    const left = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const rig = new Rig({ seed });
      rig.add(1);
      rig.pass(20);
      rig.sim.kill();
      rig.pass(5_000);
      rig.sim.losePower();
      left.add(rig.ids().join(" "));

      const other = new Rig({ seed });
      other.add(1);
      other.pass(20);
      other.sim.kill();
      other.restart();
      other.pass(520);
      other.sim.losePower();
      expect(other.ids()).toEqual([1]);
    }
    expect([...left].sort()).toEqual(["", "1"]);
  });

  it("finds that a checkpoint takes nothing in that is not committed", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = new Rig({ seed });
      rig.add(1);
      // Its commit and its checkpoint follow; the process stands still before the second commit.
      rig.pass(20);
      rig.pass(470);
      rig.add(2);
      rig.life.pause();
      rig.pass(1_000);
      rig.sim.losePower();
      expect(["", "1"]).toContain(rig.ids().join(" "));
    }
  });

  it("runs the checkpoint of a busy database too", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rig = new Rig({ seed });
      for (let id = 1; id <= 300; id++) {
        rig.add(id);
        rig.pass(5);
      }
      rig.sim.losePower();
      expect(rig.ids().length).toBeGreaterThan(300 - 110);
    }
  });
});

describe("a log that is replayed", () => {
  /** Entry `index`, from the rows as they are: a function of the state and of nothing else. */
  const apply = (rig: Rig, index: number) =>
    rig.database.transaction(() => {
      rig.insert(index);
      const sum = rig.database.prepare("SELECT sum(length(body)) AS n FROM notes").get()?.["n"];
      const pairs = rig.database.prepare("INSERT OR REPLACE INTO pairs VALUES (?, ?, ?)");
      pairs.run(`sum ${sum}`, index % 7, Uint8Array.of(index % 256));
      if (index % 5 === 0) rig.database.prepare("DELETE FROM pairs WHERE a = ?").run(index % 3);
    });
  const applied = (rig: Rig) => Number(rig.sim.rows("SELECT max(id) AS n FROM notes")[0]?.["n"]);

  it("leads to the same digest after any number of crashes", () => {
    const digests = new Set<string>();
    let lost = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const random = new Random(seed);
      const rig = new Rig({ seed });
      for (let index = 1; index <= 80; index = applied(rig) + 1) {
        apply(rig, index);
        rig.pass(random.nextInteger(0, 40));
        if (seed === 1 || !random.nextBoolean(0.1)) continue;
        if (random.nextBoolean(0.5)) rig.sim.kill();
        else rig.sim.losePower();
        rig.restart();
        lost += index - applied(rig);
      }
      digests.add(rig.sim.digest());
    }
    expect(digests.size).toBe(1);
    expect(lost).toBeGreaterThan(100);
  });
});

describe("a transaction", () => {
  it("that throws leaves those that wait with it alone", () => {
    const rig = new Rig();
    rig.add(1);
    const fail = () =>
      rig.database.transaction(() => {
        rig.insert(2);
        throw new Error("refused");
      });
    expect(fail).toThrow("refused");
    rig.pass(20);
    rig.sim.kill();
    expect(rig.ids()).toEqual([1]);
  });

  it("may be neither asynchronous nor inside another", () => {
    const rig = new Rig();
    const { database } = rig;
    expect(() => database.transaction(() => Promise.resolve() as never)).toThrow("synchronous");
    const nested = () => database.transaction(() => database.transaction(() => 1));
    expect(nested).toThrow("inside a transaction");
    expect(database.transaction(() => 7)).toBe(7);
  });

  it("is each statement outside of one", () => {
    const rig = new Rig();
    rig.insert(1);
    rig.sim.kill();
    expect(rig.ids()).toEqual([1]);
    rig.restart();
    rig.add(2);
    rig.insert(3);
    rig.sim.kill();
    expect(rig.ids(), "it joined one that waits").toEqual([1]);
  });
});

describe("a full disk", () => {
  it("fails the next transaction and takes all that was not committed with it", () => {
    const rig = new Rig();
    rig.add(1);
    rig.pass(20);
    rig.add(2);
    expect(rig.sim.failNext("transaction")).toBe(true);
    let error: unknown;
    try {
      rig.add(3);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ errcode: 13, code: "ERR_SQLITE_ERROR" });
    expect(isDiskFailure(error)).toBe(true);
    expect(rig.ids()).toEqual([1]);
    rig.sim.kill();
    expect(rig.sim.failNext("transaction")).toBe(false);
    rig.restart();
    rig.add(4);
    expect(rig.ids()).toEqual([1, 4]);
  });

  it("fails the next common commit, which is told", () => {
    const rig = new Rig();
    rig.sim.kill();
    const failures: Error[] = [];
    const { time } = rig;
    const clock = new SimClock({ time, life: rig.life, date: new MachineDate(time) });
    rig.database = rig.sim.openLife(clock, (error) => failures.push(error));
    rig.add(1);
    rig.sim.failNext("commit");
    rig.pass(20);
    expect(failures.map(isDiskFailure)).toEqual([true]);
    expect(rig.ids()).toEqual([]);
  });
});

describe("a copy", () => {
  it("brings everything back, into another database too", () => {
    const rig = new Rig();
    rig.add(1, 2);
    rig.pass(20);
    rig.sim.kill();
    const copy = rig.sim.copy();
    const digest = rig.sim.digest();
    rig.restart();
    rig.add(3);
    rig.pass(20);
    rig.sim.kill();
    expect(rig.sim.digest()).not.toBe(digest);
    rig.sim.restore(copy);
    rig.sim.losePower();
    expect(rig.sim.digest()).toBe(digest);
    rig.restart();
    rig.add(3);
    rig.pass(20);
    rig.sim.kill();
    expect(rig.ids()).toEqual([1, 2, 3]);

    const other = new Rig();
    other.sim.kill();
    other.sim.restore(copy);
    expect(other.sim.digest()).toBe(digest);
  });

  it("is empty after a clear", () => {
    const rig = new Rig();
    rig.sim.kill();
    rig.sim.clear();
    expect(rig.sim.rows("SELECT name FROM sqlite_schema ORDER BY name")).toEqual([]);
  });
});

describe("a digest", () => {
  const fill = (rig: Rig, rows: readonly (readonly [string, number, number])[]) => {
    for (const [b, a, byte] of rows) {
      rig.database.transaction(() =>
        rig.database.prepare("INSERT INTO pairs VALUES (?, ?, ?)").run(b, a, Uint8Array.of(byte)),
      );
    }
  };

  it("does not depend on the order in which rows came, nor on what was rolled back", () => {
    const [one, other] = [new Rig(), new Rig({ seed: 2 })];
    fill(one, [
      ["x", 1, 5],
      ["y", 1, 6],
      ["a", 2, 7],
    ]);
    one.add(1, 2);
    other.add(1);
    other.sim.kill();
    other.restart();
    other.add(2, 1);
    fill(other, [
      ["a", 2, 7],
      ["y", 1, 6],
      ["x", 1, 5],
    ]);
    expect(one.sim.digest()).toBe(other.sim.digest());
  });

  it("depends on each value", () => {
    const digests = new Set<string>();
    const variants = [[["x", 1, 5]], [["x", 1, 6]], [["x", 2, 5]], [["z", 1, 5]], []] as const;
    for (const rows of variants) {
      const rig = new Rig();
      fill(rig, rows);
      digests.add(rig.sim.digest());
    }
    const rig = new Rig();
    rig.database.exec("CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT");
    digests.add(rig.sim.digest());
    expect(digests.size).toBe(6);
  });
});
