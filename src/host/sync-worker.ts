// The other side of sync-thread.ts: runs in a worker thread and does nothing but fdatasync.
import { fdatasyncSync } from "node:fs";
import { parentPort } from "node:worker_threads";

/** Asks for one descriptor. */
export interface SyncRequest {
  readonly id: number;
  readonly descriptor: number;
}

/** Says what became of it. */
export interface SyncReply {
  readonly id: number;
  readonly error: Error | undefined;
}

parentPort?.on("message", (request: SyncRequest) => {
  let error: Error | undefined;
  try {
    fdatasyncSync(request.descriptor);
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
  }
  const reply: SyncReply = { id: request.id, error };
  parentPort?.postMessage(reply);
});
