// Many runs in worker threads: a line for each that fails, one now and then that it goes on, and
// the sum at the end. Judges nothing.
import { commandOf, jobOf, type RunWorld, type SimCommand } from "./command-line.ts";
import type { RunResult, Verdict } from "./run.ts";
import type { RunJob } from "./run-job.ts";
import { RunReport } from "./run-report.ts";
import { isGraver, verdictExitCodes } from "./verdicts.ts";
import { type JobEnd, runInWorkers } from "./workers/worker-pool.ts";

/** Which runs. */
export type Series =
  | {
      readonly kind: "many";
      readonly from: number;
      /** So many at most; may be Infinity. */
      readonly runs: number;
      /** None begins later than that, in real minutes; may be Infinity. */
      readonly minutes: number;
    }
  | { readonly kind: "replay"; readonly jobs: readonly RunJob[] };

/** A run that did not pass. */
interface Failure {
  readonly job: RunJob;
  readonly verdict: Verdict;
  readonly checker: string;
  readonly message: string;
}

/** How often a line says that it goes on, in real ms. */
const progressIntervalMs = 10_000;

const runWorker = new URL("workers/run-worker.ts", import.meta.url);

/** Runs them all; answers with the exit code of the gravest failure. */
export function runMany(
  command: SimCommand,
  series: Series,
  world: RunWorld & { readonly worker?: URL },
): Promise<number> {
  return new ManyRuns(command, series, world).run();
}

class ManyRuns {
  readonly #command: SimCommand;
  readonly #series: Series;
  readonly #world: RunWorld & { readonly worker?: URL };
  readonly #report = new RunReport();
  readonly #failures: Failure[] = [];
  readonly #startedMs = performance.now();
  #begun = 0;
  #toldMs = 0;

  constructor(command: SimCommand, series: Series, world: RunWorld & { readonly worker?: URL }) {
    this.#command = command;
    this.#series = series;
    this.#world = world;
  }

  async run(): Promise<number> {
    const { print } = this.#world;
    print(this.#firstLine());
    await runInWorkers<RunJob, RunResult>({
      entry: this.#world.worker ?? runWorker,
      workers: this.#command.workers,
      stuckAfterMs: this.#command.stuckMinutes * 60_000,
      next: () => this.#next(),
      onEnd: (job, end) => this.#handleEnd(job, end),
    });
    for (const line of this.#report.lines()) print(line);
    const gravest = this.#gravest();
    if (this.#command.json) print(this.#jsonLine());
    print(gravest === undefined ? this.#repeatLine() : commandOf(gravest.job));
    return verdictExitCodes[gravest?.verdict ?? "passed"];
  }

  #firstLine(): string {
    const { commit } = this.#world;
    const { workers, simulatedMs, swarm } = this.#command;
    const seeds =
      this.#series.kind === "replay"
        ? `${this.#series.jobs.length} known seeds`
        : `seeds from ${this.#series.from}`;
    const fixed = JSON.stringify({ simulatedMs, swarm });
    return `${seeds}, commit ${commit}, ${workers} workers, fixed for all ${fixed}`;
  }

  #next(): RunJob | undefined {
    if (this.#command.untilFailure && this.#failures.length > 0) return undefined;
    const ordinal = this.#begun;
    if (this.#series.kind === "replay") {
      this.#begun += 1;
      return this.#series.jobs[ordinal];
    }
    const { from, runs, minutes } = this.#series;
    if (ordinal >= runs || performance.now() - this.#startedMs >= minutes * 60_000)
      return undefined;
    this.#begun += 1;
    return jobOf(this.#command, (from + ordinal) >>> 0);
  }

  #handleEnd(job: RunJob, end: JobEnd<RunResult>): void {
    if (end.kind === "died") {
      this.#report.addDead(end.tookMs);
      this.#fail({ job, verdict: "crash", checker: "", message: end.reason });
    } else {
      this.#report.add(end.result, end.tookMs);
      const { verdict, checker, message } = end.result;
      if (verdict !== "passed") this.#fail({ job, verdict, checker, message });
    }
    this.#tellProgress();
  }

  #fail(failure: Failure): void {
    this.#failures.push(failure);
    const { job, verdict, message } = failure;
    this.#world.print(`FAILED seed ${job.seed}: ${verdict}: ${firstLine(message)}`);
  }

  #tellProgress(): void {
    const elapsedMs = performance.now() - this.#startedMs;
    if (elapsedMs - this.#toldMs < progressIntervalMs) return;
    this.#toldMs = elapsedMs;
    const { runs, failed, simulatedHours } = this.#report;
    const seconds = Math.round(elapsedMs / 1_000);
    const hours = simulatedHours.toFixed(1);
    this.#world.print(`after ${seconds} s: ${runs} runs, ${hours} simulated h, ${failed} failed`);
  }

  #gravest(): Failure | undefined {
    let gravest: Failure | undefined;
    for (const failure of this.#failures) {
      if (gravest === undefined || isGraver(failure.verdict, gravest.verdict)) gravest = failure;
    }
    return gravest;
  }

  #jsonLine(): string {
    const failures = this.#failures.map(({ job, ...rest }) => ({ ...job, ...rest }));
    const seconds = Math.round((performance.now() - this.#startedMs) / 1_000);
    const { workers } = this.#command;
    return JSON.stringify({ ...this.#report.figures(), seconds, workers, failures });
  }

  /** What does these runs again, whatever time it takes. */
  #repeatLine(): string {
    if (this.#series.kind === "replay") return "npm run sim -- --replay";
    const { seed: _, ...fixed } = jobOf(this.#command, 0);
    const [, options = ""] = commandOf({ seed: 0, ...fixed }).split("--seed 0");
    return `npm run sim -- --from ${this.#series.from} --seeds ${this.#report.runs}${options}`;
  }
}

function firstLine(message: string): string {
  return message.split("\n", 1)[0] ?? "";
}
