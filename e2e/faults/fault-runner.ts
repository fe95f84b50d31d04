// Carries a plan of faults out on a cluster, strike by strike, says what it does, counts what
// really struck, and ends all of it when it is told to. Plans nothing.
import { Random } from "../../src/base/random.ts";
import type { FaultCluster } from "./fault-cluster.ts";
import { type FaultName, faultKind, type StruckFault } from "./fault-kinds.ts";
import type { FaultPlan, Strike } from "./fault-plan.ts";
import type { Violation } from "./judgement.ts";

/** What a runner works with. */
export interface FaultRunnerOptions {
  readonly cluster: FaultCluster;
  readonly plan: FaultPlan;
  /** Hears a line for each fault. */
  readonly say: (line: string) => void;
}

/** Carries out one plan: `start`, then `stop`. */
export class FaultRunner {
  readonly #options: FaultRunnerOptions;
  readonly #counts: Partial<Record<FaultName, number>> = {};
  readonly #complaints: Violation[] = [];
  /** Faults that could not be made, or not be ended. */
  readonly #failures: unknown[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  /** What has struck and is not over. */
  readonly #ongoing = new Set<() => Promise<void>>();
  /** Strikes and ends that are under way. */
  readonly #moves = new Set<Promise<void>>();
  #startedAtMs = 0;
  #strikes = 0;
  #isStopped = false;

  constructor(options: FaultRunnerOptions) {
    this.#options = options;
  }

  /** How often each fault has really struck. */
  get counts(): Readonly<Partial<Record<FaultName, number>>> {
    return this.#counts;
  }

  /** What was wrong with the servers beyond the faults. */
  get complaints(): readonly Violation[] {
    return this.#complaints;
  }

  start(): void {
    this.#startedAtMs = performance.now();
    for (const strike of this.#options.plan.strikes) {
      this.#after(strike.atMs, () => this.#move(() => this.#strike(strike)));
    }
  }

  /**
   * Ends all faults; every server that should run has been started when it resolves. Rejects where
   * a fault could not be made as planned: the run is worth nothing then.
   */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    while (this.#moves.size > 0 || this.#ongoing.size > 0) {
      for (const end of [...this.#ongoing]) this.#move(end);
      await Promise.all(this.#moves);
    }
    const { cluster } = this.#options;
    for (const id of cluster.ids) {
      // One that ended by itself stays down: that is a finding, not a fault.
      const hasCrashed = cluster.crashes.some(({ server }) => server === id);
      if (!cluster.isRunning(id) && !hasCrashed) cluster.start(id);
    }
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async #strike(strike: Strike): Promise<void> {
    if (this.#isStopped) return;
    const { fault, durationMs, seed } = strike;
    this.#strikes += 1;
    const name = `${fault} ${this.#strikes}`;
    const struck = await faultKind(fault).strike({
      cluster: this.#options.cluster,
      random: new Random(seed),
      name,
      durationMs,
      complain: (problem) => this.#complaints.push(problem),
    });
    if (struck === undefined) return;
    this.#counts[fault] = (this.#counts[fault] ?? 0) + 1;
    const lasting = durationMs > 0 ? `, for ${seconds(durationMs)} s` : "";
    this.#say(`${fault}: ${struck.text}${lasting}`);
    this.#keep(struck, durationMs);
  }

  #keep(struck: StruckFault, durationMs: number): void {
    const end = async () => {
      if (this.#ongoing.delete(end)) await struck.end();
    };
    this.#ongoing.add(end);
    this.#after(durationMs, () => this.#move(end));
  }

  #after(delayMs: number, then: () => void): void {
    if (this.#isStopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, delayMs);
    this.#timers.add(timer);
  }

  #move(action: () => Promise<void>): void {
    const move = action()
      .catch((error: unknown) => {
        this.#failures.push(error);
      })
      .finally(() => this.#moves.delete(move));
    this.#moves.add(move);
  }

  #say(text: string): void {
    const at = seconds(performance.now() - this.#startedAtMs);
    this.#options.say(`${at.padStart(7)} s  ${text}`);
  }
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
