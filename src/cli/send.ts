// holdfast send: one message, from an argument or standard input, and where it is stored.
import type { Command } from "commander";
import type { HeldReceipt, SendReceipt } from "../client/index.ts";
import { usageFailure } from "./exit.ts";
import { addServerOptions, openClient, type ServerOptions } from "./shared-options.ts";

interface Options extends ServerOptions {
  readonly json?: boolean;
  readonly stored?: boolean;
}

/** Input longer than this is refused unread; the server's own limit is lower. */
const inputUnitsMax = 1024 * 1024;

/** Options and action of `send`. */
export function define(command: Command): void {
  addServerOptions(command)
    .argument("<room>", "name of the room, such as team or @ada")
    .argument("[body...]", "the message; without it, or with -, standard input is sent")
    .option("--stored", "where the message is held, wait until it is stored")
    .option("--json", "print the receipt as one JSON object")
    .addHelpText(
      "after",
      "\nWithout a majority of servers, a message is held: on the disks of those that are left,\n" +
        "which merge it when a majority is back. That counts as done, exit code 0.",
    )
    .action(async (room: string, words: string[], options: Options) => {
      const isInput = words.length === 0 || (words.length === 1 && words[0] === "-");
      const body = isInput ? await readInput() : words.join(" ");
      if (body === "") throw usageFailure("the message is empty");
      const client = await openClient(options);
      try {
        const first = await client.send({ room, body });
        const waits = options.stored === true && first.status === "held";
        if (waits) process.stderr.write(`${describe(room, first)} Waiting for it.\n`);
        const receipt = waits ? await first.stored : first;
        const text = options.json === true ? asJson(room, receipt) : describe(room, receipt);
        process.stdout.write(`${text}\n`);
      } finally {
        await client.stop();
      }
    });
}

/** Where a message is, as a sentence. */
export function describe(room: string, receipt: SendReceipt | HeldReceipt): string {
  const disks = `on ${receipt.disks} ${receipt.disks === 1 ? "disk" : "disks"}`;
  if (receipt.status === "held") {
    return `Held in ${room} ${disks}; merged when a majority of servers is back.`;
  }
  const { number, position } = receipt;
  return `Stored in ${room} as number ${number}, at position ${position}, ${disks}.`;
}

function asJson(room: string, receipt: SendReceipt | HeldReceipt): string {
  if (receipt.status === "stored") return JSON.stringify({ room, ...receipt });
  const { stored, ...plain } = receipt;
  return JSON.stringify({ room, ...plain });
}

async function readInput(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write("Type the message; end it with Control-D.\n");
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += chunk;
    if (text.length > inputUnitsMax) throw usageFailure("the message is too long");
  }
  return text.replace(/\r?\n$/, "");
}
