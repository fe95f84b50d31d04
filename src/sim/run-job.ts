// One run as it is asked for: by the command line, by seeds.txt, of a worker. Plain JSON.
import type { RunOptions } from "./run.ts";
import type { Swarm } from "./swarm.ts";

/** Everything that decides what happens in a run. */
export interface RunJob {
  readonly seed: number;
  /** Length of the safety phase; by default the swarm's. */
  readonly simulatedMs?: number;
  /** Fixes what would be drawn from the seed. */
  readonly swarm?: Partial<Swarm>;
}

/** The options of a job besides its seed. */
export type JobOptions = Omit<RunJob, "seed">;

/** A job as `runSimulation` takes it; who listens is added there. */
export function toRunOptions(job: RunJob): RunOptions {
  const { seed, simulatedMs, swarm } = job;
  return {
    seed,
    ...(simulatedMs === undefined ? {} : { simulatedMs }),
    ...(swarm === undefined ? {} : { swarm }),
  };
}
