// Runs ./holdfast as a person or a script would: as a process with arguments, input and output.
// Knows no cluster.
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The program at the root of the project. */
export const programPath: string = fileURLToPath(new URL("../holdfast", import.meta.url));

/** How to run it. */
export interface RunOptions {
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  /** Added to an environment without any HOLDFAST_ variable. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Working folder; default this process's. */
  readonly folder?: string;
  /** A command that replaces itself by the one that follows it, such as `ip netns exec name`. */
  readonly wrapper?: readonly string[];
  /** The run fails after this long, in ms; default 30,000. */
  readonly timeoutMs?: number;
}

/** What a run came to. */
export interface RunResult {
  /** Exit code; -1 where a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** This process's environment without HOLDFAST_ variables, and with `added`. */
export function cleanEnvironment(added: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("HOLDFAST_"));
  return { ...Object.fromEntries(kept), ...added };
}

/** A process that is under way, and all that it has written. */
export class RunningProgram {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  /** Resolves when the process has ended and all its output is here. */
  readonly ended: Promise<RunResult>;
  #hasEnded = false;

  constructor(args: readonly string[], options: RunOptions = {}) {
    const [program = programPath, ...rest] = [...(options.wrapper ?? []), programPath, ...args];
    this.child = spawn(program, rest, {
      stdio: ["pipe", "pipe", "pipe"],
      env: cleanEnvironment(options.environment),
      ...(options.folder === undefined ? {} : { cwd: options.folder }),
    });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    // A process that ends early breaks the pipe; what it says then is in its exit code.
    this.child.stdin?.on("error", () => undefined);
    this.ended = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code) => {
        this.#hasEnded = true;
        resolve({ code: code ?? -1, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Types into standard input. */
  write(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Sends a signal; harmless when the process has ended. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Runs the program to its end. */
export async function runProgram(
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const program = new RunningProgram(args, options);
  program.child.stdin?.end(options.input ?? "");
  const timeoutMs = options.timeoutMs ?? 30_000;
  const timer = setTimeout(() => program.signal("SIGKILL"), timeoutMs);
  const result = await program.ended;
  clearTimeout(timer);
  if (result.code !== -1) return result;
  throw new Error(
    `holdfast ${args.join(" ")} was ended by a signal, perhaps after ${timeoutMs} ms:\n` +
      result.stdout +
      result.stderr,
  );
}
