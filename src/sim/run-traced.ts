// One run in this thread, told in full: its first line, its trace, its verdict, the command that
// repeats it. Judges nothing.
import { closeSync, openSync, writeSync } from "node:fs";
import {
  commandOf,
  jobOf,
  type LineTarget,
  type RunWorld,
  type SimCommand,
} from "./command-line.ts";
import { RaftTrace } from "./raft-trace.ts";
import { type RunResult, runSimulation, swarmOf } from "./run.ts";
import { type RunJob, toRunOptions } from "./run-job.ts";
import { RunReport } from "./run-report.ts";
import { Trace } from "./trace.ts";
import { verdictExitCodes } from "./verdicts.ts";

/** Runs one seed; answers with the exit code. */
export async function runTraced(
  command: SimCommand,
  seed: number,
  world: RunWorld,
): Promise<number> {
  const { print, commit } = world;
  const job = jobOf(command, seed);
  print(`seed ${seed}, commit ${commit}, swarm ${JSON.stringify(swarmOf(job))}`);
  const stopCatching = catchStray((error) => {
    print(`crash: ${error instanceof Error ? error.stack : String(error)}`);
    print(commandOf(job));
    process.exit(verdictExitCodes.crash);
  });
  const startedMs = performance.now();
  const result = await runWithTraces(command, job, world);
  stopCatching();
  tell(result, { tookMs: performance.now() - startedMs, command, print });
  print(commandOf(job));
  return verdictExitCodes[result.verdict];
}

async function runWithTraces(
  command: SimCommand,
  job: RunJob,
  { print }: RunWorld,
): Promise<RunResult> {
  const trace = command.trace && openLines(command.trace, print);
  const raftTrace = command.raftTrace && openLines(command.raftTrace, print);
  const columns = new Trace();
  const raftEvents = raftTrace && new RaftTrace({ write: raftTrace.write });
  trace?.write(Trace.header);
  try {
    return await runSimulation({
      ...toRunOptions(job),
      ...(raftEvents && { observerOf: (server) => raftEvents.observerOf(server) }),
      onEvent: (event) => trace?.write(columns.line(event)),
      onRecord: (record) => trace?.write(columns.recordLine(record)),
    });
  } finally {
    trace?.close();
    raftTrace?.close();
  }
}

function tell(
  result: RunResult,
  how: {
    readonly tookMs: number;
    readonly command: SimCommand;
    readonly print: (line: string) => void;
  },
): void {
  const { tookMs, command, print } = how;
  const report = new RunReport();
  report.add(result, tookMs);
  for (const line of report.lines()) print(line);
  if (result.verdict !== "passed") print(`${result.verdict}: ${result.message}`);
  else print(`passed in ${(tookMs / 1_000).toFixed(1)} s`);
  if (command.json) print(JSON.stringify({ ...report.figures(), failures: failuresOf(result) }));
}

function failuresOf({ verdict, seed, checker, message }: RunResult) {
  return verdict === "passed" ? [] : [{ seed, verdict, checker, message }];
}

/** What is thrown where nobody waits for it ends the run too. Answers how to stop it. */
function catchStray(handle: (error: unknown) => void): () => void {
  process.on("uncaughtException", handle);
  process.on("unhandledRejection", handle);
  return () => {
    process.off("uncaughtException", handle);
    process.off("unhandledRejection", handle);
  };
}

/** Lines are written in blocks of about so many characters. */
const blockLength = 64 * 1024;

function openLines(target: LineTarget, print: (line: string) => void) {
  if (target.kind === "output") return { write: print, close: () => {} };
  const file = openSync(target.name, "w");
  let block = "";
  const flush = () => {
    writeSync(file, block);
    block = "";
  };
  return {
    write: (line: string) => {
      block += `${line}\n`;
      if (block.length >= blockLength) flush();
    },
    close: () => {
      flush();
      closeSync(file);
    },
  };
}
