// What commands for operators have in common: which servers to ask, and where the proof that one
// may is found.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import type { Operator } from "../client/index.ts";
import { CommandFailure } from "./exit.ts";
import { readSession, sessionFilePath } from "./session-file.ts";
import { addServerOptions, chooseAddresses, type ServerOptions } from "./shared-options.ts";

/** The options' values as the parser leaves them. */
export interface OperatorCommandOptions extends ServerOptions {
  readonly operatorToken?: string;
  readonly data?: string;
}

const fileName = "operator-token";
/** Folders of one machine's servers under one folder, as `up` makes them. */
const serversOfOneMachine = 9;

/** Adds `--to`, `--operator-token` and `--data`. */
export function addOperatorOptions(command: Command): Command {
  return addServerOptions(command)
    .option(
      "--operator-token <token>",
      "proves that you may (HOLDFAST_OPERATOR_TOKEN; default: read from --data)",
    )
    .option(
      "--data <folder>",
      "a server's data folder, or the folder of several (HOLDFAST_DATA; default data)",
    );
}

/** The operator token: as given, else in the environment, else of a data folder on this machine. */
export function findOperatorToken(
  options: OperatorCommandOptions,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const given = options.operatorToken ?? environment["HOLDFAST_OPERATOR_TOKEN"] ?? "";
  if (given !== "") return given;
  const folder = options.data ?? (environment["HOLDFAST_DATA"] || "data");
  const numbers = Array.from({ length: serversOfOneMachine }, (_, i) => String(i + 1));
  const folders = [folder, ...numbers.map((number) => join(folder, number))];
  const path = folders.map((one) => join(one, fileName)).find((file) => existsSync(file));
  if (path === undefined) {
    throw new CommandFailure(
      `there is no operator token in ${folder}; each server keeps it in the file \`${fileName}\` ` +
        "of its data folder: name that folder with --data, or the token with --operator-token",
    );
  }
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new CommandFailure(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** Which servers to ask. */
export function operatorAddresses(options: ServerOptions): string[] {
  const session = options.to === undefined ? readSession(sessionFilePath()) : undefined;
  return chooseAddresses(options, session);
}

/** An operator of the servers that the options name. */
export async function openOperator(options: OperatorCommandOptions): Promise<Operator> {
  const token = findOperatorToken(options);
  const { createOperator } = await import("../client/index.ts");
  return createOperator({ addresses: operatorAddresses(options), token });
}
