// Runs the named steps of check and test: a heading, the step's own output as it comes, how long
// it took. Knows nothing of what the steps do.
import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";

/** The folder that the project is in. */
export const projectRoot = join(import.meta.dirname, "..");

/** One step. */
export interface Step {
  readonly name: string;
  /** Resolves with the exit code; 0 is good. */
  run(): Promise<number>;
}

/** What became of a step. */
export interface StepResult {
  readonly name: string;
  readonly exitCode: number;
  /** Milliseconds. */
  readonly tookMs: number;
}

/** Runs a step under its heading. A step that throws has failed. */
export async function runStep(step: Step): Promise<StepResult> {
  console.log(`\n=== ${step.name} ===`);
  const startMs = performance.now();
  let exitCode: number;
  try {
    exitCode = await step.run();
  } catch (error) {
    console.error(error);
    exitCode = 1;
  }
  const tookMs = performance.now() - startMs;
  console.log(`--- ${step.name}: ${exitCode === 0 ? "passed" : "FAILED"}, ${seconds(tookMs)}`);
  return { name: step.name, exitCode, tookMs };
}

/**
 * Runs a program in the project's folder, with what `npm ci` installed before all else, and
 * streams its output. Resolves with its exit code, 128 + 15 or so where a signal ended it.
 */
export function runProgram(program: string, args: readonly string[]): Promise<number> {
  const bin = join(projectRoot, "node_modules", ".bin");
  const path = `${bin}${delimiter}${process.env["PATH"] ?? ""}`;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: projectRoot,
      env: { ...process.env, PATH: path },
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 143)));
  });
}

/** Milliseconds for people. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
