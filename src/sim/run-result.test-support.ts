// A run's result for tests of what is done with results.
import type { RunResult } from "./run.ts";

/** A run that passed, but for what is given. */
export function runResult(fields: Partial<RunResult> = {}): RunResult {
  return {
    verdict: "passed",
    seed: 1,
    swarm: {} as RunResult["swarm"],
    message: "",
    checker: "",
    simulatedMs: 3_600_000,
    events: 100,
    operations: 10,
    acknowledged: 5,
    elections: 1,
    commands: { sendMessage: 3 },
    faults: { kill: 2 },
    crashPoints: { "after-append": 1 },
    ...fields,
  };
}
