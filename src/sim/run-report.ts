// Adds up what many runs did, and says it: as lines for people and as one JSON object. What was
// never reached is named, since that is where the simulator looks away. Judges nothing.
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import type { CrashPoint } from "../replica/index.ts";
import type { RunResult, Verdict } from "./run.ts";

/** A record and not a list, so that a new crash point that is missing here does not compile. */
const crashPoints: Readonly<Record<CrashPoint, true>> = {
  "before-vote-save": true,
  "after-vote-save": true,
  "before-append": true,
  "after-append": true,
  "after-durable": true,
  "before-send": true,
  "after-send": true,
  "before-apply": true,
  "after-apply": true,
  "before-answer": true,
};

/** All commands of the state machine, by the names of their cases. */
const commandKinds: readonly string[] = CommandSchema.oneofs.flatMap((oneof) =>
  oneof.fields.map((field) => field.localName),
);

const msPerHour = 3_600_000;

type Counts = Record<string, number>;

/** The sum of many runs. */
export class RunReport {
  readonly #verdicts: Record<Verdict, number> = { passed: 0, liveness: 0, crash: 0, safety: 0 };
  readonly #crashPoints: Counts = {};
  readonly #commands: Counts = {};
  readonly #faults: Counts = {};
  #runs = 0;
  #simulatedMs = 0;
  #busyMs = 0;
  #events = 0;
  #operations = 0;
  #acknowledged = 0;
  #elections = 0;

  constructor() {
    for (const point of Object.keys(crashPoints)) this.#crashPoints[point] = 0;
    for (const kind of commandKinds) this.#commands[kind] = 0;
  }

  /** Takes a run in that has come to an end; `tookMs` is how long a core was busy with it. */
  add(result: RunResult, tookMs: number): void {
    this.#runs += 1;
    this.#verdicts[result.verdict] += 1;
    this.#busyMs += tookMs;
    this.#simulatedMs += result.simulatedMs;
    this.#events += result.events;
    this.#operations += result.operations;
    this.#acknowledged += result.acknowledged;
    this.#elections += result.elections;
    addCounts(this.#crashPoints, result.crashPoints);
    addCounts(this.#commands, result.commands);
    addCounts(this.#faults, result.faults);
  }

  /** Takes a run in of which nothing is left but that its thread died. */
  addDead(tookMs: number): void {
    this.#runs += 1;
    this.#verdicts.crash += 1;
    this.#busyMs += tookMs;
  }

  get runs(): number {
    return this.#runs;
  }

  get failed(): number {
    return this.#runs - this.#verdicts.passed;
  }

  get simulatedHours(): number {
    return this.#simulatedMs / msPerHour;
  }

  /** The figures, plain JSON. */
  figures() {
    const busyMinutes = this.#busyMs / 60_000;
    return {
      runs: this.#runs,
      verdicts: this.#verdicts,
      simulatedHours: rounded(this.simulatedHours),
      /** Simulated hours for each real minute that one core was busy. */
      hoursPerMinute: rounded(busyMinutes === 0 ? 0 : this.simulatedHours / busyMinutes),
      events: this.#events,
      operations: this.#operations,
      acknowledged: this.#acknowledged,
      elections: this.#elections,
      faults: this.#faults,
      crashPoints: this.#crashPoints,
      crashPointsNeverReached: namesOfNone(this.#crashPoints),
      commands: this.#commands,
      commandsNeverApplied: namesOfNone(this.#commands),
    };
  }

  /** The figures as lines for people. */
  lines(): string[] {
    const figures = this.figures();
    const never = (names: readonly string[]) => (names.length === 0 ? "none" : names.join(", "));
    return [
      `runs: ${counted(figures.verdicts)}`,
      `simulated: ${figures.simulatedHours} h, ` +
        `${figures.hoursPerMinute} h a minute for each worker`,
      `operations: ${figures.operations}, acknowledged writes: ${figures.acknowledged}, ` +
        `elections: ${figures.elections}, events: ${figures.events}`,
      `faults: ${counted(figures.faults)}`,
      `crash points: ${counted(figures.crashPoints)}`,
      `crash points never reached: ${never(figures.crashPointsNeverReached)}`,
      `commands applied: ${counted(figures.commands)}`,
      `commands never applied: ${never(figures.commandsNeverApplied)}`,
    ];
  }
}

function addCounts(sum: Counts, more: Readonly<Counts>): void {
  for (const [name, count] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + count;
}

function namesOfNone(counts: Readonly<Counts>): string[] {
  return Object.keys(counts).filter((name) => counts[name] === 0);
}

function counted(counts: Readonly<Counts>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
