// A worker thread: runs one job after the other, each asked for by a message and answered by one.
// What it throws ends it, and its owner knows which job that was.
import { parentPort } from "node:worker_threads";
import { assertDefined } from "../../base/assert.ts";
import { runSimulation } from "../run.ts";
import { type RunJob, toRunOptions } from "../run-job.ts";

const port = assertDefined(parentPort ?? undefined, "the port of a worker thread");

port.on("message", (job: RunJob) => {
  void runSimulation(toRunOptions(job)).then((result) => port.postMessage(result));
});
