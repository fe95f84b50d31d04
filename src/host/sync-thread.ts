// A thread of our own for fdatasync. libuv's four threads are shared with password hashing, which
// holds each for tens of milliseconds: with four log-ins under way a sync there was measured at 13
// ms (median), here at 0.15 ms. Not here: writes, which go to the page cache and do not wait.
import { Worker } from "node:worker_threads";
import type { Done } from "../io/disk.ts";
import type { SyncReply, SyncRequest } from "./sync-worker.ts";

/** Syncs file descriptors one after the other, in the order of the calls. */
export class SyncThread {
  #worker: Worker | undefined;
  #waiting = new Map<number, Done>();
  #nextId = 1;
  #failure: Error | undefined;

  /**
   * Makes the descriptor's file durable. It must stay open until `done`, which never comes from
   * inside the call.
   */
  sync(descriptor: number, done: Done): void {
    const failure = this.#failure;
    if (failure !== undefined) {
      setImmediate(() => done(failure));
      return;
    }
    this.#worker ??= this.#start();
    const id = this.#nextId++;
    // The process stays up for a sync that is under way, not for an idle thread.
    if (this.#waiting.size === 0) this.#worker.ref();
    this.#waiting.set(id, done);
    const request: SyncRequest = { id, descriptor };
    this.#worker.postMessage(request);
  }

  /** Ends the thread; every sync from then on fails. */
  async stop(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL("./sync-worker.ts", import.meta.url));
    worker.on("message", (reply: SyncReply) => this.#handleReply(reply));
    worker.on("error", (error) => this.#handleDeath(toError(error)));
    worker.on("exit", (code) => this.#handleDeath(new Error(`the sync thread ended (${code})`)));
    worker.unref();
    return worker;
  }

  #handleReply(reply: SyncReply): void {
    const done = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#worker?.unref();
    if (reply.error === undefined) done?.();
    else done?.(reply.error);
  }

  /** Nothing can be synced any more, which is final like any failed sync. */
  #handleDeath(error: Error): void {
    this.#failure ??= error;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const done of waiting) done(this.#failure);
  }
}

function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}

/** The thread that all disks of this process share; started by the first sync. */
export const syncThread = new SyncThread();
