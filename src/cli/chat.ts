// holdfast chat: opens the screen and the log-in, and hands both to the chat session.
import type { Command } from "commander";
import type { Client } from "../client/index.ts";
import { CommandFailure } from "./exit.ts";
import { askPassword } from "./password.ts";
import { readSession, sessionFilePath } from "./session-file.ts";
import {
  addServerOptions,
  chooseServers,
  connect,
  type KnownServers,
  type ServerOptions,
  withinReach,
} from "./shared-options.ts";

interface Options extends ServerOptions {
  readonly user?: string;
}

/** Options and action of `chat`. */
export function define(command: Command): void {
  addServerOptions(command)
    .option("-u, --user <username>", "who you are (default: who is logged in)")
    .addHelpText(
      "after",
      "\nAsks for the password, or takes HOLDFAST_PASSWORD, unless this user is logged in already.",
    )
    .action(async (options: Options) => {
      const { client, username, isRemembered } = await open(options);
      const { openScreen } = await import("./chat-screen.ts");
      const { ChatSession } = await import("./chat-session.ts");
      const screen = openScreen(process.stdin, process.stdout);
      try {
        await new ChatSession(client, screen, username).run();
      } finally {
        screen.close();
        // A log-in that nobody remembers is of no further use.
        if (!isRemembered) await withinReach(client.logOut(), []).catch(() => undefined);
        await client.stop();
      }
    });
}

/** Who chats, by which client. */
interface Opened {
  readonly client: Client;
  readonly username: string;
  /** The log-in outlives this command. */
  readonly isRemembered: boolean;
}

/**
 * A connected client: with the remembered log-in where it is this user's and still good, else with
 * a new one. The new one is remembered, too, unless another user's is.
 */
async function open(options: Options): Promise<Opened> {
  const session = readSession(sessionFilePath());
  const username = options.user?.toLowerCase() ?? session?.username;
  if (username === undefined) {
    throw new CommandFailure("say who you are: holdfast chat -u <username>");
  }
  const isOwn = session?.username === username;
  const isGiven = (process.env["HOLDFAST_PASSWORD"] ?? "") !== "";
  if (session !== undefined && isOwn && !isGiven) {
    const client = await connectIfLoggedIn(chooseServers(options, session), session.token);
    if (client !== undefined) return { client, username, isRemembered: true };
  }
  const password = await askPassword({}, "once");
  const { logIn } = await import("./login.ts");
  const isRemembered = session === undefined || isOwn;
  const token = await logIn({ ...options, user: username }, password, { remember: isRemembered });
  const client = await connect(chooseServers(options, readSession(sessionFilePath())), token, {
    subscribe: true,
  });
  return { client, username, isRemembered };
}

async function connectIfLoggedIn(
  servers: KnownServers,
  token: string,
): Promise<Client | undefined> {
  try {
    return await connect(servers, token, { subscribe: true });
  } catch (error) {
    if ((error as { code?: string }).code === "UNAUTHENTICATED") return undefined;
    throw error;
  }
}
