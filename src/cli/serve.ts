// holdfast serve: one server in this process, until a signal or a fatal failure ends it.
import type { Command } from "commander";
import { CommandFailure, exitCodes } from "./exit.ts";
import { addConfigOptions, loadServerConfig } from "./server-options.ts";

/** Options and action of `serve`. */
export async function define(command: Command): Promise<void> {
  await addConfigOptions(command);
  command
    .option("--exit-with-parent", "end when standard input closes, as it does when the parent ends")
    .addHelpText(
      "after",
      "\nStops gracefully on SIGTERM and SIGINT. Ends with 70 when its disk fails, or on a bug," +
        "\nand with 4 when the cluster has removed it: then it must not be started again.",
    )
    .action(async (options: Record<string, string | boolean>) => {
      await serve(options);
    });
}

/** Runs one server until it is told to stop. */
export async function serve(options: Record<string, string | boolean>): Promise<void> {
  const { exitWithParent, ...flags } = options;
  const { config } = await loadServerConfig(flags as Record<string, string>);
  const { RemovedError, runServer, StartError } = await import("../server/index.ts");
  try {
    await runServer(config, {
      stopWhenClosed: exitWithParent === true ? process.stdin : undefined,
      // For `holdfast up`, which must not take whoever else answers at this port for this server.
      onStarted: () => void process.send?.({ kind: "started" }),
    });
  } catch (error) {
    if (error instanceof RemovedError) {
      throw new CommandFailure(error.message, exitCodes.removed);
    }
    if (error instanceof StartError) throw new CommandFailure(error.message);
    throw error;
  }
}
