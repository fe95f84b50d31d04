// Runs scenario files: commands, their input, and the output that was recorded for them (style.md,
// example 4). With UPDATE=1 in the environment the recorded output is rewritten instead: read the
// diff before it is committed. Knows nothing of what the commands mean; the grammar is in
// datadriven-file.ts.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type CommandArguments, formatOutput, parseBlocks } from "./datadriven-file.ts";
import { formatDiff } from "./line-diff.ts";

export type { CommandArguments } from "./datadriven-file.ts";

/** One command of a scenario file. */
export interface DatadrivenCommand {
  readonly name: string;
  /** By name: `flag` has no values, `arg=a` one, `arg=(a,b)` several. */
  readonly args: CommandArguments;
  /** The lines between the command and `----`, joined with "\n", without a newline at the end. */
  readonly input: string;
  /** Where the command stands in the file, counted from 1. */
  readonly line: number;
}

/** Runs one command and answers with its output; newlines at the end of it do not count. */
export type DatadrivenHandler = (command: DatadrivenCommand) => string;

/** What `checkDatadriven` found. */
export interface DatadrivenResult {
  /** Commands that were run. */
  readonly commands: number;
  /** Each command whose output was not the recorded one, as `file:line` and a diff. */
  readonly mismatches: readonly string[];
  /** The file with the output of this run in the place of the recorded one. */
  readonly rewritten: string;
}

/**
 * Runs the commands of one scenario file in their order and throws at the first one whose output is
 * not the recorded one, with `file:line` and a diff. With UPDATE=1 it rewrites the file instead. A
 * file without commands, a file that breaks the grammar and a handler that throws are errors in
 * both cases.
 */
export function runDatadriven(file: string | URL, handle: DatadrivenHandler): void {
  const path = toPath(file);
  const text = readFileSync(path, "utf8");
  const name = relative(process.cwd(), path);
  const update = process.env["UPDATE"] === "1";
  const result = checkDatadriven({ name, text, handle, stopAtMismatch: !update });
  if (result.commands === 0) throw new Error(`${name}: has no commands`);
  if (update) {
    if (result.rewritten !== text) writeFileSync(path, result.rewritten);
    return;
  }
  const first = result.mismatches[0];
  if (first !== undefined) throw new Error(first);
}

/** The scenario files (`*.txt`) of a folder as paths, sorted; throws where there are none. */
export function listDatadriven(folder: string | URL): string[] {
  const path = toPath(folder);
  const names = readdirSync(path).filter((name) => name.endsWith(".txt"));
  if (names.length === 0) throw new Error(`${path}: holds no scenario files (*.txt)`);
  return names.sort().map((name) => join(path, name));
}

/** As `runDatadriven`, on text: reads and writes no files and answers with what it found. */
export function checkDatadriven(scenario: {
  /** The file's name in messages. */
  readonly name: string;
  readonly text: string;
  readonly handle: DatadrivenHandler;
  /** True: commands after the first mismatch are not run. */
  readonly stopAtMismatch: boolean;
}): DatadrivenResult {
  const { name, text, handle, stopAtMismatch } = scenario;
  const mismatches: string[] = [];
  let rewritten = "";
  let commands = 0;
  for (const block of parseBlocks(name, text)) {
    rewritten += block.verbatim;
    if (block.command === undefined) continue;
    commands += 1;
    const at = `${name}:${block.command.line}`;
    const actual = normalize(runCommand(at, handle, block.command));
    if (actual !== normalize(block.expected)) {
      const diff = formatDiff({ expected: normalize(block.expected), actual });
      mismatches.push(`${at}: output of "${block.command.name}" is not what was recorded\n${diff}`);
      if (stopAtMismatch) break;
    }
    rewritten += formatOutput(at, actual);
  }
  // The file ends with its last line, not with the blank line that ends an output.
  return { commands, mismatches, rewritten: rewritten.replace(/\n+$/, "\n") };
}

function runCommand(at: string, handle: DatadrivenHandler, command: DatadrivenCommand): string {
  try {
    return handle(command);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${at}: "${command.name}" threw: ${reason}`, { cause: error });
  }
}

function normalize(output: string): string {
  const text = output.replace(/\n+$/, "");
  return text === "" ? "" : `${text}\n`;
}

function toPath(file: string | URL): string {
  if (typeof file !== "string") return fileURLToPath(file);
  return file.startsWith("file:") ? fileURLToPath(file) : file;
}
