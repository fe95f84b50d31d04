// holdfast leave: two things of one name. With a room: gives up its membership; what one wrote
// stays. With a data folder or an id: takes that server out of its cluster for good.
import type { Command } from "commander";
import { CommandFailure, usageFailure } from "./exit.ts";
import { parseReplicaId, removeMember } from "./member-changes.ts";
import { addOperatorOptions, type OperatorCommandOptions } from "./operator-options.ts";
import { openClient } from "./shared-options.ts";

interface Options extends OperatorCommandOptions {
  readonly id?: string;
}

/** Options and action of `leave`. */
export function define(command: Command): void {
  addOperatorOptions(command)
    .argument("[room]", "name of the room, such as team or @ada")
    .option("--id <id>", "id of the server that leaves (default: whose --data is)")
    .addHelpText(
      "after",
      "\nWith a room you give up its membership. With --data or --id that server leaves its" +
        "\ncluster for good: it stops by itself, and its folder is of no further use.",
    )
    .action(async (room: string | undefined, options: Options) => {
      if (room === undefined) await leaveCluster(options);
      else await leaveRoom(room, options);
    });
}

async function leaveRoom(room: string, options: Options): Promise<void> {
  if (options.id !== undefined || options.data !== undefined) {
    throw usageFailure("name either a room, or a server by --data or --id");
  }
  const client = await openClient(options);
  try {
    await client.leaveRoom(room);
    process.stdout.write(`Left ${room}.\n`);
  } finally {
    await client.stop();
  }
}

async function leaveCluster(options: Options): Promise<void> {
  // Not from the environment: nobody takes a server out for having forgotten the room's name.
  if (options.id === undefined && options.data === undefined) {
    throw usageFailure("name a room, or the server that leaves the cluster by --data or --id");
  }
  await removeMember(await ownerOf(options), options);
}

async function ownerOf({ id, data = "" }: Options): Promise<number> {
  if (id !== undefined) return parseReplicaId(id);
  const { readFolderOwner, StartError } = await import("../server/index.ts");
  try {
    return await readFolderOwner(data);
  } catch (error) {
    if (error instanceof StartError) throw new CommandFailure(error.message);
    throw error;
  }
}
