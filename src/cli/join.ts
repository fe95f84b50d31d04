// holdfast join: two things of one name. With a room: makes one its member, or a person's follower.
// With a join token: makes this machine's server a member of a cluster, then serves.
import type { Command } from "commander";
import { CommandFailure, usageFailure } from "./exit.ts";
import { serve } from "./serve.ts";
import { addConfigOptions, loadServerConfig } from "./server-options.ts";
import { addServerOptions, openClient, parseAddresses } from "./shared-options.ts";

/** Options and action of `join`. */
export async function define(command: Command): Promise<void> {
  addServerOptions(command)
    .argument("[room]", "name of the room, such as team or @ada")
    .option("--token <token>", "run a new server: the token that `holdfast member add` printed")
    .option("--exit-with-parent", "as for `serve`");
  await addConfigOptions(command);
  command
    .addHelpText(
      "after",
      "\nWith a room you become its member. With --token this machine gets a server that joins" +
        "\nthe cluster of the servers in --to, and runs from then on as with `serve`, whose" +
        "\nsettings it takes. The same command line may be repeated: a server that has joined" +
        "\njust runs.",
    )
    .action(async (room: string | undefined, options: Record<string, string | boolean>) => {
      if (room !== undefined) await joinRoom(room, options);
      else await joinCluster(options);
    });
}

async function joinRoom(room: string, options: Record<string, string | boolean>): Promise<void> {
  const { to, ...others } = options;
  const foreign = Object.keys(others)[0];
  if (foreign !== undefined) {
    throw usageFailure("a room takes only --to; to run a new server, name no room");
  }
  const client = await openClient(typeof to === "string" ? { to } : {});
  try {
    await client.joinRoom(room);
    process.stdout.write(`Joined ${room}.\n`);
  } finally {
    await client.stop();
  }
}

async function joinCluster(options: Record<string, string | boolean>): Promise<void> {
  const { to = process.env["HOLDFAST_SERVERS"], token, exitWithParent, ...flags } = options;
  if (typeof token !== "string") {
    throw usageFailure("name a room to become its member, or --token and --to to run a new server");
  }
  if (typeof to !== "string" || to === "") {
    throw usageFailure("--token needs --to, the addresses of servers of the cluster");
  }
  const members = parseAddresses(to);
  const { config } = await loadServerConfig(flags as Record<string, string>);
  const { joinServer, StartError } = await import("../server/index.ts");
  const onProgress = (line: string) => void process.stderr.write(`${line}\n`);
  try {
    await joinServer({ config, to: members, token, onProgress });
  } catch (error) {
    if (error instanceof StartError) throw new CommandFailure(error.message);
    throw error;
  }
  const parent = exitWithParent === true ? { exitWithParent } : {};
  await serve({ ...flags, ...parent });
}
