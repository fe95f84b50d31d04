// Brings the WAL of one database into its file, in a worker thread on a connection of its own, so
// that the thread that writes does not wait for the platter. Not here: any reading or writing of
// rows.
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import type { WriteGate } from "./write-gate.ts";
import { gateAt, holdGate, openGate } from "./write-gate.ts";

/** What the thread is started with. */
export interface CheckpointSettings {
  readonly path: string;
  readonly checkpointIntervalMs: number;
  readonly walBytesLarge: number;
  readonly gateMemory: SharedArrayBuffer;
}

/** What it can be asked for: a checkpoint now, or a last one and its end. */
export type CheckpointRequest = "checkpoint" | "close";

/** What it says: only that it failed. It does nothing afterwards. */
export interface CheckpointReport {
  readonly failure: string;
}

/** Passes that try to reach the WAL's end while writers append to it. */
const passesMax = 6;
/** So few frames are brought over in a few milliseconds. */
const framesFew = 512;
/**
 * How long a checkpoint that needs the writers' lock waits for it, and writers for the checkpoint.
 */
const restartTimeoutMs = 1_000;

const settings = workerData as CheckpointSettings;
const gate: WriteGate = gateAt(settings.gateMemory);
const database = new DatabaseSync(settings.path, { timeout: restartTimeoutMs });
// This connection's syncs are those of the checkpoints: the WAL before, the file after.
database.exec("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
const { page_size: pageBytes } = database.prepare("PRAGMA page_size").get() as {
  page_size: number;
};
const passive = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
const restart = database.prepare("PRAGMA wal_checkpoint(RESTART)");
const timer = setInterval(checkpoint, settings.checkpointIntervalMs);

parentPort?.on("message", (request: CheckpointRequest) => {
  if (request === "checkpoint") checkpoint();
  else close();
});

/**
 * Brings over what is there. The WAL begins anew, in place, when a pass finds nothing left; a large
 * one is brought so far by several passes. Where writers are too quick for that, they are held for
 * the last few frames.
 */
function checkpoint(): void {
  try {
    let framesBefore = 0;
    for (let pass = 0; pass < passesMax; pass++) {
      // `log` counts the frames that were there when the pass began.
      const { log, checkpointed } = passive.get() as { log: number; checkpointed: number };
      const readersHinder = checkpointed < log;
      if (readersHinder || log === framesBefore || log * pageBytes < settings.walBytesLarge) return;
      if (pass > 0 && log - framesBefore < framesFew) break;
      framesBefore = log;
    }
    if (holdGate(gate, restartTimeoutMs)) restart.get();
  } catch (error) {
    fail(error);
  } finally {
    openGate(gate);
  }
}

/**
 * What has failed is not tried again: after a failed fsync a second one may succeed without the
 * bytes.
 */
function fail(error: unknown): void {
  clearInterval(timer);
  const report: CheckpointReport = {
    failure: error instanceof Error ? error.message : String(error),
  };
  parentPort?.postMessage(report);
}

/** The last connection that closes makes the last checkpoint. */
function close(): void {
  clearInterval(timer);
  try {
    database.close();
  } catch (error) {
    fail(error);
  }
  parentPort?.close();
}
