// The entry of `holdfast`: finds the subcommand, loads only that one, and turns whatever goes wrong
// into one sentence on standard error and an exit code. Does no work itself.
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import { refuseUnknownEnvironment } from "./environment.ts";
import { CommandFailure, exitCodes, failureLine } from "./exit.ts";
import { refuseWithNearest } from "./parser-refusals.ts";
import { subcommands } from "./subcommands.ts";

const exitCodeHelp = `
Exit codes: 0 done · 1 refused or failed · 2 wrong arguments · 3 no server answered ·
4 the cluster has removed this server`;

/** The whole command line; only the subcommand that `args` names has its options loaded. */
async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command("holdfast")
    .description("Team chat on servers of your own, any of which may die.")
    .addHelpText("after", exitCodeHelp)
    .showSuggestionAfterError(false)
    .configureOutput({ outputError: () => undefined });
  refuseWithNearest(program);
  const wanted = args.find((argument) => !argument.startsWith("-"));
  // `holdfast help send` shows the help of send.
  const named = wanted === "help" ? args[args.indexOf("help") + 1] : wanted;
  for (const subcommand of subcommands) {
    const command = program
      .command(subcommand.name)
      .summary(subcommand.summary)
      .description(`${subcommand.summary[0]?.toUpperCase()}${subcommand.summary.slice(1)}.`);
    refuseWithNearest(command);
    if (subcommand.name === named) await (await subcommand.load()).define(command);
  }
  return program;
}

/** Runs one command line and answers with the exit code. */
async function run(args: readonly string[]): Promise<number> {
  try {
    await refuseUnknownEnvironment(process.env);
    const program = await createProgram(args);
    await program.parseAsync([...args], { from: "user" });
    return exitCodes.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    process.stderr.write(`${failureLine(await describeFailure(error))}\n`);
    return exitCodeOf(error);
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommandFailure) return error.exitCode;
  // The client's refusals carry their code; this one means that it found no server that could do
  // it.
  const isUnavailable = (error as { code?: unknown } | undefined)?.code === "UNAVAILABLE";
  return isUnavailable ? exitCodes.unreachable : exitCodes.failed;
}

/** The sentence for a failure; what nobody expected shows where it came from, when DEBUG is set. */
async function describeFailure(error: unknown): Promise<string> {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof CommandFailure || error.name === "RejectedError") return error.message;
  if (process.env["DEBUG"] !== undefined) process.stderr.write(`${error.stack}\n`);
  return `${error.name === "Error" ? "" : `${error.name}: `}${error.message}`;
}

// Compiled code is kept beside the packages, which halves the time until a subcommand runs. Where
// that folder may not be written, nothing is kept.
enableCompileCache(fileURLToPath(new URL("../../node_modules/.cache/holdfast", import.meta.url)));

// A reader that has seen enough (`| head`) is no failure of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(exitCodes.done);
  throw error;
});

// Output to files, pipes and terminals is written by now; an idle socket must not keep the process.
process.exit(await run(process.argv.slice(2)));
