// Runs jobs in worker threads, one at a time in each. A thread that dies or does not come back
// costs its job and nothing else: another one takes its place. Knows nothing of simulations.
import { Worker } from "node:worker_threads";

/** How a job ended. */
export type JobEnd<Result> =
  | { readonly kind: "finished"; readonly result: Result; readonly tookMs: number }
  /** The thread died with it, or did not come back. */
  | { readonly kind: "died"; readonly reason: string; readonly tookMs: number };

/** What a pool works with. */
export interface WorkerPoolOptions<Job, Result> {
  /** The program of each thread: it gets a job as a message and answers with the result. */
  readonly entry: URL;
  /** Threads. 1 to about the number of cores. */
  readonly workers: number;
  /** Real ms after which a job counts as hung. */
  readonly stuckAfterMs: number;
  /** The next job; undefined: no more. */
  readonly next: () => Job | undefined;
  readonly onEnd: (job: Job, end: JobEnd<Result>) => void;
}

/** Resolves when `next` has no more jobs and all that were begun have ended. */
export async function runInWorkers<Job, Result>(
  options: WorkerPoolOptions<Job, Result>,
): Promise<void> {
  const lanes = Array.from({ length: options.workers }, () => runLane(options));
  await Promise.all(lanes);
}

async function runLane<Job, Result>(options: WorkerPoolOptions<Job, Result>): Promise<void> {
  let worker: Worker | undefined;
  for (let job = options.next(); job !== undefined; job = options.next()) {
    worker ??= startWorker(options.entry);
    const end = await runOne<Job, Result>(worker, job, options.stuckAfterMs);
    if (end.kind === "died") {
      await worker.terminate();
      worker = undefined;
    }
    options.onEnd(job, end);
  }
  await worker?.terminate();
}

function startWorker(entry: URL): Worker {
  // What goes wrong between two jobs shows in the next one, and must not end this program.
  return new Worker(entry).on("error", () => {});
}

function runOne<Job, Result>(
  worker: Worker,
  job: Job,
  stuckAfterMs: number,
): Promise<JobEnd<Result>> {
  const startedMs = performance.now();
  return new Promise((resolve) => {
    const settle = (end: Ending<Result>) => {
      clearTimeout(timer);
      worker.off("message", handleMessage).off("error", handleError).off("exit", handleExit);
      resolve({ ...end, tookMs: performance.now() - startedMs });
    };
    const died = (reason: string) => settle({ kind: "died", reason });
    const handleMessage = (result: Result) => settle({ kind: "finished", result });
    const handleError = (error: unknown) => died(reasonOf(error));
    const handleExit = (code: number) => died(`the worker thread ended with code ${code}`);
    const timer = setTimeout(
      () => died(`the run has not ended after ${Math.round(stuckAfterMs / 1_000)} s`),
      stuckAfterMs,
    );
    worker.on("message", handleMessage).on("error", handleError).on("exit", handleExit);
    worker.postMessage(job);
  });
}

type Ending<Result> =
  | { readonly kind: "finished"; readonly result: Result }
  | { readonly kind: "died"; readonly reason: string };

function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
