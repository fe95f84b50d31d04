// holdfast create: makes a group room that all may join; one is its owner and first member.
import type { Command } from "commander";
import { addServerOptions, openClient, type ServerOptions } from "./shared-options.ts";

/** Options and action of `create`. */
export function define(command: Command): void {
  addServerOptions(command)
    .argument("<room>", "1 to 64 of a–z, 0–9, `.`, `_`, `-`")
    .action(async (room: string, options: ServerOptions) => {
      const client = await openClient(options);
      try {
        await client.createRoom(room);
        process.stdout.write(`Made ${room}.\n`);
      } finally {
        await client.stop();
      }
    });
}
