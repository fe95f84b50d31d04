// holdfast tail: a room's last messages, then everything live, until Control-C.
import type { Command } from "commander";
import type { Client, Item } from "../client/index.ts";
import { usageFailure } from "./exit.ts";
import { formatItem, itemJson } from "./item-text.ts";
import { addServerOptions, openClient, type ServerOptions } from "./shared-options.ts";

interface Options extends ServerOptions {
  readonly json?: boolean;
  readonly lines: string;
  readonly follow: boolean;
}

/** More lines than this are not read back; the history stays in the servers. */
const linesMax = 5_000;

/** Options and action of `tail`. */
export function define(command: Command): void {
  addServerOptions(command)
    .argument("<room>", "name of the room, such as team or @ada")
    .option("-n, --lines <count>", `lines of the past, 0 to ${linesMax}`, "20")
    .option("--json", "print one JSON object a line")
    .option("--no-follow", "end after the lines of the past")
    .action(async (room: string, options: Options) => {
      const count = parseLineCount(options.lines);
      const client = await openClient(options, { subscribe: true });
      try {
        await tail(client, room, { ...options, count });
      } finally {
        await client.stop();
      }
    });
}

/** Parses `--lines`. Throws a usage failure. */
export function parseLineCount(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(count <= linesMax)) {
    throw usageFailure(`--lines must be a whole number from 0 to ${linesMax}`);
  }
  return count;
}

async function tail(
  client: Client,
  room: string,
  options: Options & { readonly count: number },
): Promise<void> {
  const timeline = await client.openRoom(room);
  const { name } = timeline.room;
  const show = (item: Item) =>
    process.stdout.write(`${options.json === true ? itemJson(item, name) : formatItem(item)}\n`);
  while (timeline.items().length < options.count && timeline.hasOlder) {
    await timeline.loadOlder(Math.min(500, options.count - timeline.items().length));
  }
  const past = timeline.items();
  for (const item of options.count === 0 ? [] : past.slice(-options.count)) show(item);
  if (!options.follow) return;
  // `added` items come in order and only once; after `replaced` those beyond the last shown one are
  // new.
  let lastShown = past.at(-1)?.number ?? 0;
  const stop = timeline.subscribe((change) => {
    if (change.kind === "older") return;
    const items = change.kind === "added" ? change.items : timeline.items();
    for (const item of items) {
      if (item.number <= lastShown) continue;
      show(item);
      lastShown = item.number;
    }
  });
  await untilSignal();
  stop();
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, resolve);
  });
}
