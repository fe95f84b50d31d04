// Runs commands of the system, such as `ip` and `nft`. A command that fails is an error with what
// it said, in one line.
import { execFile, spawnSync } from "node:child_process";

/** A command may take so long; the machine is broken then. */
const commandTimeoutMs = 20_000;

/** Runs a command to its end; answers what it printed. */
export function runCommand(
  command: readonly [string, ...string[]],
  options: { readonly input?: string; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const [file, ...args] = command;
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      { timeout: commandTimeoutMs, ...(options.environment && { env: options.environment }) },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(describeFailure(command, stderr || error.message)));
      },
    );
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.input ?? "");
  });
}

/** The same without leaving the event loop, for the end of the process; failures are ignored. */
export function runCommandAtExit(command: readonly [string, ...string[]]): void {
  const [file, ...args] = command;
  spawnSync(file, args, { timeout: commandTimeoutMs, stdio: "ignore" });
}

/** An error in one line. */
export function describeError(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}

function describeFailure(command: readonly string[], text: string): string {
  return `${command.join(" ")}: ${oneLine(text)}`;
}

function oneLine(text: string): string {
  return text
    .trim()
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .slice(0, 3)
    .join("; ");
}
