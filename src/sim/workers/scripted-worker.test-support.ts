// A worker for tests: what a job comes to is decided by its seed alone.
//   3: a broken promise · 4: the thread throws · 5: it never answers · 6: liveness · 7: it exits
import { parentPort } from "node:worker_threads";
import type { RunJob } from "../run-job.ts";
import { runResult } from "../run-result.test-support.ts";

parentPort?.on("message", ({ seed }: RunJob) => {
  if (seed === 4) throw new Error("a worker's own bug");
  if (seed === 7) process.exit(9);
  if (seed === 5) for (;;);
  if (seed === 3) {
    const failed = {
      verdict: "safety",
      checker: "dense-numbers",
      message: "a hole\nmore",
    } as const;
    parentPort?.postMessage(runResult({ seed, ...failed }));
  } else if (seed === 6) {
    parentPort?.postMessage(runResult({ seed, verdict: "liveness", message: "no leader" }));
  } else {
    parentPort?.postMessage(runResult({ seed }));
  }
});
