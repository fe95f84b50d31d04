// holdfast login: logs in and remembers the token for the other commands.
import { hostname } from "node:os";
import type { Command } from "commander";
import { addPasswordOption, askPassword, type PasswordOptions } from "./password.ts";
import { sessionFilePath, writeSession } from "./session-file.ts";
import {
  addServerOptions,
  chooseAddresses,
  openAnonymousClient,
  type ServerOptions,
  withinReach,
} from "./shared-options.ts";

interface Options extends ServerOptions, PasswordOptions {
  readonly user: string;
}

/** Options and action of `login`. */
export function define(command: Command): void {
  addServerOptions(addPasswordOption(command))
    .requiredOption("-u, --user <username>", "who you are")
    .action(async (options: Options) => {
      const password = await askPassword(options, "once");
      await logIn(options, password, { remember: true });
      process.stdout.write(`Logged in as ${options.user.toLowerCase()}.\n`);
    });
}

/** Logs in and, if wanted, remembers it; answers the token. */
export async function logIn(
  options: ServerOptions & { readonly user: string },
  password: string,
  wish: { readonly remember: boolean },
): Promise<string> {
  const addresses = chooseAddresses(options);
  const client = await openAnonymousClient(options);
  try {
    const device = `holdfast on ${hostname()}`.slice(0, 64);
    const { person, token } = await withinReach(
      client.logIn({ username: options.user, password, device }),
      addresses,
    );
    if (!wish.remember) return token;
    const servers = await client.servers().catch(() => []);
    const { username } = person;
    writeSession(sessionFilePath(), { username, token, addresses, servers });
    return token;
  } finally {
    await client.stop();
  }
}
