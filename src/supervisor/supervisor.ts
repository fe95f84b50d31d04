// Keeps several processes of one machine running until it is told to stop. `holdfast up` is its
// only user.
import { type ProcessPlan, type ProcessWatcher, SupervisedProcess } from "./supervised-process.ts";

/** Runs processes; start it once, stop it once. */
export class Supervisor {
  readonly #processes: ReadonlyMap<string, SupervisedProcess>;

  constructor(plans: readonly ProcessPlan[], watcher: ProcessWatcher) {
    this.#processes = new Map(
      plans.map((plan) => [plan.name, new SupervisedProcess(plan, watcher)]),
    );
  }

  /**
   * Starts all and waits until each has been ready once. Where one does not get so far, all are
   * stopped and the answer is its name and why.
   */
  async start(): Promise<{ readonly name: string; readonly reason: string } | undefined> {
    for (const process of this.#processes.values()) process.start();
    const failures = [...this.#processes].map(async ([name, process]) => {
      const reason = await process.waitReady();
      return reason === undefined ? undefined : { name, reason };
    });
    const first = await firstDefined(failures);
    if (first !== undefined) await this.stop();
    return first;
  }

  /** Process ids by name, of those that run now. */
  pids(): Map<string, number> {
    const pids = new Map<string, number>();
    for (const [name, process] of this.#processes) {
      if (process.pid !== undefined) pids.set(name, process.pid);
    }
    return pids;
  }

  /** Stops all, at the same time, and waits for it. */
  async stop(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.stop()));
  }
}

/** The first answer that is not undefined, as soon as it is there; undefined when all are. */
function firstDefined<T>(answers: readonly Promise<T | undefined>[]): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    for (const answer of answers) {
      answer.then((value) => {
        if (value !== undefined) resolve(value);
      }, reject);
    }
    Promise.all(answers).then(() => resolve(undefined), reject);
  });
}
