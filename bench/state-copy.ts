// `node bench/state-copy.ts [--mib 300]`: what a copy of a live chat state costs: how long the
// writer stands still, how long copy and digest take, how much the WAL grows, and what is left of
// the writer's rate meanwhile. SQLite alone: no server, no consensus.
import { mkdtempSync, rmSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { HostDatabase } from "../src/host/index.ts";
import { percentile, printResult, round } from "./measure.ts";

const rowsPerTransaction = 64;
const bodyBytes = 200;
/** Measured: a row of timeline_items with its two index entries. */
const bytesPerRow = 300;
const mib = 1024 * 1024;

const mibAt = process.argv.indexOf("--mib");
const sizeMib = mibAt < 0 ? 300 : Number(process.argv[mibAt + 1]);
if (!(sizeMib >= 1 && sizeMib <= 16_384)) {
  process.stderr.write("usage: node bench/state-copy.ts [--mib 1…16384]\n");
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "holdfast-state-copy-"));
const { bavail, bsize } = statfsSync(folder);
if (bavail * bsize < 4 * sizeMib * mib) throw new Error(`${folder} needs ${4 * sizeMib} MiB free`);

/** The tables that grow with each message (src/chat/schema.ts), written as applying does. */
class Writer {
  readonly database: HostDatabase;
  readonly #insert;
  #rows = 0;
  /** Transactions may begin. */
  mayWrite = true;

  constructor(path: string) {
    const onFailure = (error: Error) => {
      throw error;
    };
    this.database = new HostDatabase({ path, onFailure, commitDelayMs: 10 });
    this.database.exec(`
      CREATE TABLE timeline_items (
        item_id INTEGER PRIMARY KEY, room_id INTEGER NOT NULL, number INTEGER NOT NULL,
        position INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL, author_id INTEGER NOT NULL,
        kind INTEGER NOT NULL, command_id BLOB NOT NULL, body TEXT
      ) STRICT;
      CREATE UNIQUE INDEX timeline_items_by_number ON timeline_items (room_id, number);
      CREATE UNIQUE INDEX messages_by_command ON timeline_items (command_id, author_id)
        WHERE kind = 1;`);
    this.#insert = this.database.prepare(
      "INSERT INTO timeline_items VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)",
    );
  }

  writeOnce(): void {
    this.database.transaction(() => {
      for (let count = 0; count < rowsPerTransaction; count++) this.#insertRow();
    });
  }

  #insertRow(): void {
    const row = ++this.#rows;
    const id = new Uint8Array(16);
    new DataView(id.buffer).setUint32(0, row);
    new DataView(id.buffer).setUint32(8, Math.imul(row, 2_654_435_761));
    const body = String(row).padEnd(bodyBytes, "x");
    this.#insert.run(row, row % 10, Math.ceil(row / 10), row * 64, row, row % 50, id, body);
  }

  /** Rows a second, and the longest that one turn took, until the promise is settled. */
  async run(until: Promise<unknown>, pauseMs: number) {
    let isOver = false;
    void until.finally(() => {
      isOver = true;
    });
    const turnsMs: number[] = [];
    const [rows, beganMs] = [this.#rows, performance.now()];
    while (!isOver) {
      const turnMs = performance.now();
      if (this.mayWrite) this.writeOnce();
      await (pauseMs > 0 ? sleep(pauseMs) : nextTurn());
      turnsMs.push(performance.now() - turnMs);
    }
    turnsMs.sort((a, b) => a - b);
    const seconds = (performance.now() - beganMs) / 1_000;
    return {
      rowsPerSecond: Math.round((this.#rows - rows) / seconds),
      turnP99Ms: round(percentile(turnsMs, 0.99), 1),
      turnMaxMs: round(turnsMs.at(-1) ?? 0, 1),
    };
  }

  fill(): void {
    const rows = (sizeMib * mib) / bytesPerRow;
    while (this.#rows < rows) this.writeOnce();
  }
}

/** One copy while the writer goes on: `pauseMs` between transactions; 0: as fast as it can. */
async function measure(writer: Writer, pauseMs: number): Promise<void> {
  const calm = await writer.run(sleep(4_000), pauseMs);
  const askedMs = performance.now();
  let heldMs = Number.NaN;
  let walBytes = 0;
  const path = join(folder, "chat.db");
  const watch = setInterval(() => {
    walBytes = Math.max(walBytes, statSync(`${path}-wal`).size);
  }, 100);
  writer.mayWrite = false;
  const copied = new Promise<number>((resolve, reject) => {
    writer.database.copyTo("copy.snap", {
      held: () => {
        heldMs = performance.now() - askedMs;
        writer.mayWrite = true;
      },
      done: (result) => {
        if (result instanceof Error) reject(result);
        else resolve(result.size);
      },
    });
  });
  const during = await writer.run(copied, pauseMs);
  clearInterval(watch);
  printResult({
    bench: "state-copy",
    copyMib: Math.round((await copied) / mib),
    pauseMs,
    heldMs: round(heldMs, 2),
    doneS: round((performance.now() - askedMs) / 1_000, 1),
    walMaxMib: Math.round(walBytes / mib),
    calmRowsPerSecond: calm.rowsPerSecond,
    duringRowsPerSecond: during.rowsPerSecond,
    share: round(during.rowsPerSecond / calm.rowsPerSecond, 2),
    calmTurnMaxMs: calm.turnMaxMs,
    turnP99Ms: during.turnP99Ms,
    turnMaxMs: during.turnMaxMs,
  });
}

const writer = new Writer(join(folder, "chat.db"));
try {
  writer.fill();
  await sleep(2_000);
  for (const pauseMs of [4, 0]) await measure(writer, pauseMs);
} finally {
  writer.database.close();
  await writer.database.whenClosed();
  rmSync(folder, { recursive: true });
}
