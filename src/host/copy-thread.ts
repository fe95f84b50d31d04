// A thread that copies databases and reads copies (copy-worker.ts), as the thread that owns the
// database sees it: one call, its answers in order, and an answer even when the thread dies. Not
// here: what a name means, and which transactions a copy has.
import { Worker } from "node:worker_threads";
import type { StateCopy } from "../io/state-store.ts";
import type { CopyReport, CopyRequest, CopySettings, ErrorParts } from "./copy-worker.ts";
import { endReading, gateAt } from "./write-gate.ts";

/** What follows a request, in this order; `held` and `released` of a copy only, each once. */
export interface CopyCalls {
  /** The snapshot is held, or there will be none. */
  readonly held: () => void;
  /** The database is not read any more. */
  readonly released: () => void;
  readonly done: (result: StateCopy | Error) => void;
}

interface Waiting {
  readonly request: Exclude<CopyRequest, "close">;
  readonly calls: CopyCalls;
  isHeld: boolean;
  isReleased: boolean;
}

/** One such thread. It does what it is asked for one after the other. */
export class CopyThread {
  readonly #settings: CopySettings;
  readonly #waiting: Waiting[] = [];
  #worker: Worker | undefined;
  #exited = Promise.resolve();

  constructor(settings: CopySettings) {
    this.#settings = settings;
  }

  /** Whether it has something to do. */
  get isBusy(): boolean {
    return this.#waiting.length > 0;
  }

  /** Starts the thread ahead of the first request, which takes some 50 ms. */
  warm(): void {
    this.#worker ??= this.#start();
  }

  /** None of the calls comes from inside. */
  ask(request: Exclude<CopyRequest, "close">, calls: CopyCalls): void {
    this.warm();
    this.#waiting.push({ request, calls, isHeld: false, isReleased: false });
    // The process stays up for a copy, not for an idle thread.
    this.#worker?.ref();
    this.#worker?.postMessage(request);
  }

  /** Gives up what is under way, with an error each, and ends the thread. */
  close(): Promise<void> {
    const request: CopyRequest = "close";
    this.#worker?.ref();
    this.#worker?.postMessage(request);
    return this.#exited;
  }

  #start(): Worker {
    const url = new URL("./copy-worker.ts", import.meta.url);
    const worker = new Worker(url, { workerData: this.#settings });
    let failure = new Error("the copy thread ended");
    worker.on("message", (report: CopyReport) => this.#handleReport(report));
    worker.on("error", (error) => {
      failure = error instanceof Error ? error : new Error(String(error));
    });
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#worker = undefined;
        while (this.#waiting.length > 0) this.#finish(failure);
        resolve();
      });
    });
    worker.unref();
    return worker;
  }

  #handleReport(report: CopyReport): void {
    const waiting = this.#waiting[0];
    if (report.kind === "done") {
      this.#finish({ size: report.size, digest: report.digest });
    } else if (report.kind === "failed") {
      this.#finish(toError(report.error));
    } else if (waiting !== undefined) {
      this.#advance(waiting, report.kind);
    }
  }

  #advance(waiting: Waiting, to: "held" | "released"): void {
    if (waiting.request.kind !== "copy") return;
    const { calls } = waiting;
    if (!waiting.isHeld) {
      waiting.isHeld = true;
      calls.held();
    }
    if (to === "held" || waiting.isReleased) return;
    waiting.isReleased = true;
    // A thread that died could not do it.
    endReading(gateAt(this.#settings.gateMemory));
    calls.released();
  }

  #finish(result: StateCopy | Error): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    if (!this.isBusy) this.#worker?.unref();
    this.#advance(waiting, "released");
    waiting.calls.done(result);
  }
}

function toError({ message, ...codes }: ErrorParts): Error {
  return Object.assign(new Error(message), codes);
}
