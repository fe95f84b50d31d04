// holdfast join: makes one a member of a room, or a follower of a person.
import type { Command } from "commander";
import { addServerOptions, openClient, type ServerOptions } from "./shared-options.ts";

/** Options and action of `join`. */
export function define(command: Command): void {
  addServerOptions(command)
    .argument("<room>", "name of the room, such as team or @ada")
    .action(async (room: string, options: ServerOptions) => {
      const client = await openClient(options);
      try {
        await client.joinRoom(room);
        process.stdout.write(`Joined ${room}.\n`);
      } finally {
        await client.stop();
      }
    });
}
