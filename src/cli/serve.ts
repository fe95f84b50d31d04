// holdfast serve: one server in this process, until a signal or a fatal failure ends it.
import type { Command } from "commander";
import { CommandFailure } from "./exit.ts";
import { addConfigOptions, loadServerConfig } from "./server-options.ts";

/** Options and action of `serve`. */
export async function define(command: Command): Promise<void> {
  await addConfigOptions(command);
  command
    .option("--exit-with-parent", "end when standard input closes, as it does when the parent ends")
    .addHelpText(
      "after",
      "\nStops gracefully on SIGTERM and SIGINT. Ends with 70 when its disk fails, or on a bug.",
    )
    .action(async (options: Record<string, string | boolean>) => {
      await serve(options);
    });
}

async function serve(options: Record<string, string | boolean>): Promise<void> {
  const { exitWithParent, ...flags } = options;
  const { config } = await loadServerConfig(flags as Record<string, string>);
  const { runServer, StartError } = await import("../server/index.ts");
  try {
    await runServer(config, {
      stopWhenClosed: exitWithParent === true ? process.stdin : undefined,
      // For `holdfast up`, which must not take whoever else answers at this port for this server.
      onStarted: () => void process.send?.({ kind: "started" }),
    });
  } catch (error) {
    if (error instanceof StartError) throw new CommandFailure(error.message);
    throw error;
  }
}
