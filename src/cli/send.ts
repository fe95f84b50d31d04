// holdfast send: one message, from an argument or standard input, and where it is stored.
import type { Command } from "commander";
import { usageFailure } from "./exit.ts";
import { addServerOptions, openClient, type ServerOptions } from "./shared-options.ts";

interface Options extends ServerOptions {
  readonly json?: boolean;
}

/** Input longer than this is refused unread; the server's own limit is lower. */
const inputUnitsMax = 1024 * 1024;

/** Options and action of `send`. */
export function define(command: Command): void {
  addServerOptions(command)
    .argument("<room>", "name of the room, such as team or @ada")
    .argument("[body...]", "the message; without it, or with -, standard input is sent")
    .option("--json", "print the receipt as one JSON object")
    .action(async (room: string, words: string[], options: Options) => {
      const isInput = words.length === 0 || (words.length === 1 && words[0] === "-");
      const body = isInput ? await readInput() : words.join(" ");
      if (body === "") throw usageFailure("the message is empty");
      const client = await openClient(options);
      try {
        const receipt = await client.send({ room, body });
        process.stdout.write(
          options.json === true
            ? `${JSON.stringify({ room, ...receipt })}\n`
            : `Stored in ${room} as number ${receipt.number}, ` +
                `at position ${receipt.position}, on ${receipt.disks} disks.\n`,
        );
      } finally {
        await client.stop();
      }
    });
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
