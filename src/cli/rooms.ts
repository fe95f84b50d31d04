// holdfast rooms: which rooms there are, and which of them one is in.
import type { Command } from "commander";
import type { Room } from "../client/index.ts";
import { roomCells } from "./item-text.ts";
import { addServerOptions, openClient, type ServerOptions } from "./shared-options.ts";
import { formatTable } from "./table.ts";

interface Options extends ServerOptions {
  readonly json?: boolean;
  readonly joined?: boolean;
}

/** Options and action of `rooms`. */
export function define(command: Command): void {
  addServerOptions(command)
    .option("--joined", "only rooms that you are in")
    .option("--json", "print one JSON object a line")
    .action(async (options: Options) => {
      const client = await openClient(options);
      try {
        const rooms = await client.listRooms({ joinedOnly: options.joined === true });
        const lines =
          options.json === true ? rooms.map((room) => JSON.stringify(room)) : [formatRooms(rooms)];
        if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
      } finally {
        await client.stop();
      }
    });
}

/** Rooms as a table; a star stands before those one is in. */
export function formatRooms(rooms: readonly Room[]): string {
  return formatTable(
    [
      { head: "", align: "left" },
      { head: "room", align: "left" },
      { head: "kind", align: "left" },
      { head: "members", align: "right" },
      { head: "newest", align: "right" },
    ],
    rooms.map(roomCells),
  );
}
