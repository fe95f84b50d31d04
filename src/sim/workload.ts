// People at work: makes those who were drawn, lets every device loose, and ends them. The history
// is the result. It knows clients and a world (workload-world.ts), and
// judges nothing.
import { Random } from "../base/random.ts";
import type { WorkloadOptions } from "./draw-workload.ts";
import type { FinalReading } from "./final-timelines.ts";
import { GivenCommands } from "./given-commands.ts";
import type { HistoryRecord } from "./history.ts";
import { HistoryRecorder } from "./history-recorder.ts";
import { Town } from "./town.ts";
import { UnaryCalls } from "./unary-calls.ts";
import { WorkloadDevice } from "./workload-device.ts";
import type { WorkloadWorld } from "./workload-world.ts";

export { drawWorkload, type WorkloadOptions } from "./draw-workload.ts";
export { FinalReadError, type FinalReading, readFinalTimelines } from "./final-timelines.ts";
export { historyLine } from "./history-recorder.ts";
export { operationsByCommand } from "./workload-operations.ts";
export type { WorkloadWorld } from "./workload-world.ts";

/** A workload: `start`, then `finish` once, then `readFinalTimelines` for its `auditor`. */
export class Workload {
  readonly #world: WorkloadWorld;
  readonly #recorder: HistoryRecorder;
  readonly #options: WorkloadOptions;
  readonly #devices: WorkloadDevice[] = [];
  #runs: Promise<void>[] = [];
  /** A bug of the workload itself; told by `finish`. */
  #bug: { readonly error: unknown } | undefined;

  constructor(world: WorkloadWorld, options: WorkloadOptions) {
    this.#world = world;
    this.#options = options;
    this.#recorder = new HistoryRecorder({
      nowNs: () => world.nowNs(),
      onRecord: world.onRecord,
    });
    this.#makeDevices();
  }

  /** Everything that was written so far: an operation stands in it when it is over. */
  get history(): readonly HistoryRecord[] {
    return this.#recorder.history;
  }

  /** How many devices there are. */
  get devices(): number {
    return this.#devices.length;
  }

  start(): void {
    this.#runs = this.#devices.map((device) =>
      device.run().catch((error: unknown) => {
        this.#bug ??= { error };
      }),
    );
  }

  /**
   * Begins nothing new, and resolves when all that is open is over or `withinMs` has passed; all
   * clients have stopped then, and what is still open is written as unknown. Rejects only for a bug
   * of the workload itself.
   */
  async finish(withinMs: number): Promise<void> {
    for (const device of this.#devices) device.finish();
    await new Promise<void>((resolve) => {
      const timer = this.#world.clock.setTimer(withinMs, resolve);
      void Promise.all(this.#runs).then(() => {
        timer.cancel();
        resolve();
      });
    });
    await Promise.all(this.#devices.map((device) => device.end()));
    this.#recorder.abandonAll();
    if (this.#bug !== undefined) throw this.#bug.error;
  }

  /** The account under which `readFinalTimelines` reads; its joins come into this history. */
  get auditor(): FinalReading {
    return {
      username: `${this.#options.name}auditor`,
      password: "password of the auditor",
      recorder: this.#recorder,
    };
  }

  #makeDevices(): void {
    const { name, devices, rooms } = this.#options;
    const { random } = this.#world;
    const town = new Town({ name, people: devices.length, rooms });
    const calls = new UnaryCalls(this.#world);
    for (const [i, person] of town.people.entries()) {
      for (let device = 1; device <= (devices[i] ?? 1); device++) {
        const context = {
          name: `${person.username}-${device}`,
          world: this.#world,
          options: this.#options,
          recorder: this.#recorder,
          calls,
          commands: new GivenCommands(this.#recorder),
          town,
          person,
          random: new Random(random.nextUint32()),
        };
        this.#devices.push(new WorkloadDevice(context));
      }
    }
  }
}
