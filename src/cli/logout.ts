// holdfast logout: ends the remembered log-in on the servers and forgets it here.
import type { Command } from "commander";
import { removeSession, sessionFilePath } from "./session-file.ts";
import { addServerOptions, openClient, type ServerOptions } from "./shared-options.ts";

interface Options extends ServerOptions {
  readonly everywhere?: boolean;
}

/** Options and action of `logout`. */
export function define(command: Command): void {
  addServerOptions(command)
    .option("--everywhere", "end all your log-ins, on all devices")
    .action(async (options: Options) => {
      const client = await openClient(options);
      try {
        await client.logOut({ everywhere: options.everywhere === true });
      } finally {
        await client.stop();
      }
      removeSession(sessionFilePath());
      process.stdout.write("Logged out.\n");
    });
}
