// Gets a password without showing it or leaving it in a process list: from the environment,
// standard input or a prompt without echo. Never from an argument.
import type { Command } from "commander";
import { CommandFailure, usageFailure } from "./exit.ts";

/** Longest password that is read, in UTF-16 units; the server's own limit is lower. */
const passwordUnitsMax = 4_096;

/** The options' values as the parser leaves them. */
export interface PasswordOptions {
  readonly passwordStdin?: boolean;
}

/** Adds `--password-stdin`. */
export function addPasswordOption(command: Command): Command {
  return command.option(
    "--password-stdin",
    "read the password from the first line of standard input (or set HOLDFAST_PASSWORD)",
  );
}

/**
 * The password: `--password-stdin`, else HOLDFAST_PASSWORD, else by prompt where there is a
 * terminal.
 */
export async function askPassword(
  options: PasswordOptions,
  prompt: "once" | "twice",
): Promise<string> {
  if (options.passwordStdin === true) return await firstLineOfInput();
  const given = process.env["HOLDFAST_PASSWORD"];
  if (given !== undefined && given !== "") return given;
  if (!process.stdin.isTTY) {
    throw usageFailure(
      "there is no terminal to ask for the password; use --password-stdin or HOLDFAST_PASSWORD",
    );
  }
  const password = await promptHidden("Password: ");
  if (prompt === "once") return password;
  const again = await promptHidden("Once more: ");
  if (again !== password) throw new CommandFailure("the two passwords differ");
  return password;
}

async function firstLineOfInput(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += chunk;
    if (text.includes("\n")) break;
    if (text.length > passwordUnitsMax) throw usageFailure("the password is too long");
  }
  return (text.split("\n")[0] ?? "").replace(/\r$/, "");
}

/** Asks on the terminal with its echo off. */
function promptHidden(question: string): Promise<string> {
  const input = process.stdin;
  process.stderr.write(question);
  input.setRawMode(true);
  input.setEncoding("utf8");
  input.resume();
  return new Promise((resolve, reject) => {
    let typed = "";
    const finish = (end: () => void) => {
      input.off("data", take);
      input.setRawMode(false);
      input.pause();
      process.stderr.write("\n");
      end();
    };
    const take = (text: string) => {
      for (const letter of text) {
        if (letter === "\r" || letter === "\n") return finish(() => resolve(typed));
        // Control-C and Control-D end the command, as they would with echo.
        if (letter === "\u0003" || letter === "\u0004") {
          return finish(() => reject(new CommandFailure("no password was given")));
        }
        if (letter === "\u007f" || letter === "\b") typed = [...typed].slice(0, -1).join("");
        else if (letter === "\u0015") typed = "";
        else if (letter >= " ") typed += letter;
      }
      if (typed.length > passwordUnitsMax) {
        finish(() => reject(new CommandFailure("the password is too long")));
      }
    };
    input.on("data", take);
  });
}
