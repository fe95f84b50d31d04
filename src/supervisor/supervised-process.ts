// One process that is kept running: started, watched, started again. It ends by itself when this
// process is killed, since its standard input closes then (`serve --exit-with-parent`). Not here:
// what the processes are for.
import { type ChildProcess, spawn } from "node:child_process";
import { failureLinesMax, readyAnswerTimeoutMs, readyPollMs, stopTimeoutMs } from "./limits.ts";
import { LineSplitter } from "./line-splitter.ts";
import { RestartPolicy } from "./restart-policy.ts";

/**
 * What to run and how to tell whether it serves. The process sends one message to its parent when
 * it listens.
 */
export interface ProcessPlan {
  /** Stands before its lines. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Answers 200 when the process is ready. */
  readonly readyUrl: string;
  /** Ended with one of these, it is not started again: it has nothing to do any more. */
  readonly finalExitCodes: readonly number[];
}

/** Hears what becomes of a process. */
export interface ProcessWatcher {
  handleLine(name: string, line: string): void;
  /** It ended unasked and comes back after `delayMs`. `how` completes "the process ended". */
  handleDeath(name: string, how: string, delayMs: number): void;
  /** It ended for good; its last lines said why. */
  handleFinalEnd(name: string): void;
}

/** A process under supervision. */
export class SupervisedProcess {
  readonly #plan: ProcessPlan;
  readonly #watcher: ProcessWatcher;
  readonly #policy = new RestartPolicy();
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | undefined;
  #stopping = false;
  /**
   * The process has said that it listens: what answers at its port is itself and not a stranger.
   */
  #hasStarted = false;
  #hasBeenReady = false;
  /** Why it did not start; set when it ends before it was ever ready. */
  #failure: string | undefined;

  constructor(plan: ProcessPlan, watcher: ProcessWatcher) {
    this.#plan = plan;
    this.#watcher = watcher;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process; from now on it is kept running. */
  start(): void {
    const { name, command, args } = this.#plan;
    const startedAtMs = performance.now();
    // In a process group of its own, so that Control-C reaches this process alone, which then stops
    // it in order.
    const child = spawn(command, [...args], {
      stdio: ["pipe", "pipe", "pipe", "ipc"],
      detached: true,
    });
    this.#child = child;
    child.once("message", () => {
      this.#hasStarted = true;
    });
    const failureLines: string[] = [];
    const output = new LineSplitter((line) => this.#watcher.handleLine(name, line));
    const errors = new LineSplitter((line) => {
      failureLines.push(line);
      if (failureLines.length > failureLinesMax) failureLines.shift();
      if (this.#hasBeenReady) this.#watcher.handleLine(name, line);
    });
    child.stdin?.on("error", () => undefined);
    child.stdout?.setEncoding("utf8").on("data", (text: string) => output.add(text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => errors.add(text));
    this.#ended = new Promise((resolve) => {
      const finish = (how: string, isFinal = false) => {
        output.end();
        errors.end();
        resolve();
        const ranMs = performance.now() - startedAtMs;
        this.#handleEnd({ how, ranMs, failureLines, isFinal });
      };
      child.once("error", (error) => finish(`could not be started: ${error.message}`));
      child.once("close", (code, signal) => {
        const isFinal = code !== null && this.#plan.finalExitCodes.includes(code);
        finish(signal === null ? `with exit code ${code}` : `by ${signal}`, isFinal);
      });
    });
  }

  #handleEnd(end: {
    readonly how: string;
    readonly ranMs: number;
    readonly failureLines: readonly string[];
    readonly isFinal: boolean;
  }): void {
    if (this.#stopping || this.#failure !== undefined) return;
    if (!this.#hasBeenReady) {
      this.#failure = end.failureLines.join(" ").replace(/^holdfast: /, "") || `ended ${end.how}`;
      return;
    }
    if (end.isFinal) {
      this.#stopping = true;
      this.#watcher.handleFinalEnd(this.#plan.name);
      return;
    }
    const delayMs = this.#policy.nextDelayMs(end.ranMs, Math.random());
    this.#watcher.handleDeath(this.#plan.name, end.how, delayMs);
    this.#restart = setTimeout(() => this.start(), delayMs);
  }

  /**
   * Waits until the process has been ready once; the sentence that says why it will not be,
   * otherwise.
   */
  async waitReady(): Promise<string | undefined> {
    while (!this.#hasBeenReady) {
      if (this.#failure !== undefined) return this.#failure;
      if (this.#stopping) return "it was stopped before it was ready";
      this.#hasBeenReady = this.#hasStarted && (await answersReady(this.#plan.readyUrl));
      if (!this.#hasBeenReady) await new Promise((resolve) => setTimeout(resolve, readyPollMs));
    }
    return undefined;
  }

  /** Ends the process for good: asks first, kills after a while. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child === undefined) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await this.#ended;
    clearTimeout(timer);
  }
}

async function answersReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(readyAnswerTimeoutMs) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
