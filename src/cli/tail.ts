// holdfast tail: a room's last messages, then everything live, until Control-C.
import type { Command } from "commander";
import type { Client, HeldMessage, Item, SetAsideMessage, Timeline } from "../client/index.ts";
import { usageFailure } from "./exit.ts";
import {
  formatHeld,
  formatItem,
  formatSetAside,
  heldJson,
  itemJson,
  setAsideJson,
} from "./item-text.ts";
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
  while (timeline.items().length < options.count && timeline.hasOlder) {
    await timeline.loadOlder(Math.min(500, options.count - timeline.items().length));
  }
  const printer = new Printer(timeline, options.json === true);
  printer.showPast(options.count);
  if (!options.follow) return;
  const stop = timeline.subscribe((change) => {
    if (change.kind !== "older") printer.showNew();
  });
  await untilSignal();
  stop();
}

/** Prints each item once, and what is held once as such before it comes as an item. */
class Printer {
  readonly #timeline: Timeline;
  readonly #asJson: boolean;
  #lastShown = 0;
  /** What was printed as held or set aside; bounded by what the timeline keeps. */
  #shown = new Set<HeldMessage | SetAsideMessage>();

  constructor(timeline: Timeline, asJson: boolean) {
    this.#timeline = timeline;
    this.#asJson = asJson;
  }

  showPast(count: number): void {
    const past = this.#timeline.items();
    this.#lastShown = past.at(-1)?.number ?? 0;
    for (const item of count === 0 ? [] : past.slice(-count)) this.#print(item);
    this.#shown = new Set(this.#timeline.setAside());
    this.#showHeld();
  }

  /** After `replaced`, those beyond the last shown one are new. */
  showNew(): void {
    for (const item of this.#timeline.items()) {
      if (item.number <= this.#lastShown) continue;
      this.#print(item);
      this.#lastShown = item.number;
    }
    this.#showHeld();
  }

  #showHeld(): void {
    const { name } = this.#timeline.room;
    const [held, setAside] = [this.#timeline.held(), this.#timeline.setAside()];
    for (const message of held) {
      if (!this.#shown.has(message))
        this.#write(this.#asJson ? heldJson(message, name) : formatHeld(message));
    }
    for (const message of setAside) {
      if (!this.#shown.has(message))
        this.#write(this.#asJson ? setAsideJson(message, name) : formatSetAside(message));
    }
    this.#shown = new Set([...held, ...setAside]);
  }

  #print(item: Item): void {
    const { name } = this.#timeline.room;
    this.#write(this.#asJson ? itemJson(item, name) : formatItem(item));
  }

  #write(line: string): void {
    process.stdout.write(`${line}\n`);
  }
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, resolve);
  });
}
