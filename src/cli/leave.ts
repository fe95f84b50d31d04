// holdfast leave: gives up membership of a room; what one wrote stays.
import type { Command } from "commander";
import { addServerOptions, openClient, type ServerOptions } from "./shared-options.ts";

/** Options and action of `leave`. */
export function define(command: Command): void {
  addServerOptions(command)
    .argument("<room>", "name of the room, such as team or @ada")
    .action(async (room: string, options: ServerOptions) => {
      const client = await openClient(options);
      try {
        await client.leaveRoom(room);
        process.stdout.write(`Left ${room}.\n`);
      } finally {
        await client.stop();
      }
    });
}
