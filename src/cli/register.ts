// holdfast register: makes an account. Does not log in.
import type { Command } from "commander";
import { addPasswordOption, askPassword, type PasswordOptions } from "./password.ts";
import {
  addServerOptions,
  chooseAddresses,
  openAnonymousClient,
  type ServerOptions,
  withinReach,
} from "./shared-options.ts";

interface Options extends ServerOptions, PasswordOptions {
  readonly user: string;
  readonly displayName?: string;
}

/** Options and action of `register`. */
export function define(command: Command): void {
  addServerOptions(addPasswordOption(command))
    .requiredOption("-u, --user <username>", "1 to 32 of a–z, 0–9, `.`, `_`, `-`")
    .option("--display-name <name>", "what others see (default: the username)")
    .action(async (options: Options) => {
      const password = await askPassword(options, "twice");
      const client = await openAnonymousClient(options);
      try {
        const person = await withinReach(
          client.register({
            username: options.user,
            password,
            ...(options.displayName === undefined ? {} : { displayName: options.displayName }),
          }),
          chooseAddresses(options),
        );
        process.stdout.write(
          `Registered ${person.username}. Log in with: ./holdfast login -u ${person.username}\n`,
        );
      } finally {
        await client.stop();
      }
    });
}
