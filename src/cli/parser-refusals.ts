// What the parser of the command line says of what it does not understand: one sentence that ends
// in the nearest thing that it does.
import type { Command } from "commander";
import { closest } from "fastest-levenshtein";
import { usageFailure } from "./exit.ts";

/**
 * Makes the parser throw, and lets what it says of an unknown name end in the nearest known one.
 */
export function refuseWithNearest(command: Command): void {
  command.showSuggestionAfterError(false).configureOutput({ outputError: () => undefined });
  command.exitOverride((error) => {
    // Help was asked for and has been shown.
    if (error.exitCode === 0 || error.code === "commander.help") throw error;
    const message = error.message
      .replace(/^error: /, "")
      .replace(/\.$/, "")
      .replaceAll("'", "`");
    const unknown = /`(.*?)`/.exec(message)?.[1] ?? "";
    const known =
      error.code === "commander.unknownOption"
        ? command.options.map((option) => option.long ?? "").concat("--help")
        : error.code === "commander.unknownCommand"
          ? command.commands.map((other) => other.name())
          : [];
    if (known.length === 0) throw usageFailure(`${message}; see ${pathOf(command)} --help`);
    throw usageFailure(`${message}; the nearest known one is \`${closest(unknown, known)}\``);
  });
}

/** A command as one writes it, with the program's name. */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
