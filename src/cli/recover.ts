// holdfast recover: a cluster whose majority is lost for good goes on from one server's folder.
// First tells what that folder has and what may be missing; does it only when told so.
import type { Command } from "commander";
import type { Recovery, UnsureMessage } from "../server/index.ts";
import { CommandFailure, usageFailure } from "./exit.ts";
import { printable } from "./item-text.ts";
import { describeRecovery } from "./recovery-text.ts";
import { formatTime, oneLine } from "./report-text.ts";

interface Options {
  readonly data?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly show?: boolean;
  readonly force?: boolean;
}

/** Options and action of `recover`. */
export function define(command: Command): void {
  command
    .option("--data <folder>", "data folder of the surviving server, which is stopped")
    .option("--dry-run", "tell what the folder has, and change nothing")
    .option("--yes", "do it: give up all other servers for good")
    .option("--show", "also print the messages that only this folder can vouch for")
    .option("--force", "go on although other servers of the cluster answer")
    .addHelpText(
      "after",
      "\nThe other servers are given up: they can never come back, but what only their disks have" +
        "\ncan be brought in later with `holdfast import-lost`. Where more than one server is" +
        "\nleft, see by --dry-run which has the most, and recover from that one only.",
    )
    .action(async (options: Options) => {
      const { data, dryRun = false, yes = false, show = false, force = false } = options;
      if (data === undefined) throw usageFailure("name the surviving data folder with --data");
      if (dryRun === yes) {
        throw usageFailure("say --dry-run to see what would be, or --yes to give up the others");
      }
      const write = (line: string) => void process.stdout.write(`${line}\n`);
      const recovery = await recover({
        folder: data,
        isMeant: yes,
        isForced: force,
        ...(show ? { onMessage: (message: UnsureMessage) => write(messageLine(message)) } : {}),
      });
      write(describeRecovery(recovery));
    });
}

async function recover(
  options: Parameters<typeof import("../server/index.ts")["recoverFolder"]>[0],
): Promise<Recovery> {
  const { recoverFolder, StartError } = await import("../server/index.ts");
  try {
    return await recoverFolder(options);
  } catch (error) {
    if (error instanceof StartError) throw new CommandFailure(error.message);
    throw error;
  }
}

function messageLine({ standing, room, author, body, writtenMs }: UnsureMessage): string {
  const where = `${printable(room)} ${printable(author)}: ${oneLine(body)}`;
  return `${standing.padEnd(5)} ${formatTime(writtenMs)} ${where}`;
}
