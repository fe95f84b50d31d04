// holdfast inspect: what the data folder of a stopped server holds, without any server.
import type { Command } from "commander";
import type { Inspection } from "../server/index.ts";
import { CommandFailure } from "./exit.ts";
import { printable } from "./item-text.ts";
import { formatBytes } from "./table.ts";

/** Options and action of `inspect`. */
export function define(command: Command): void {
  command
    .argument("<folder>", "the data folder")
    .option("--json", "print every message as a JSON object a line, not a summary")
    .addHelpText(
      "after",
      "\nA message is `committed` where this server's own state has it, and `tail` where only\n" +
        "its log does: then the other servers decide.",
    )
    .action(async (folder: string, options: { json?: boolean }) => {
      const { inspectFolder, StartError } = await import("../server/index.ts");
      const isJson = options.json === true;
      const write = (line: string) => void process.stdout.write(`${line}\n`);
      try {
        const inspection = await inspectFolder({
          folder,
          ...(isJson ? { onMessage: (message) => write(JSON.stringify(message)) } : {}),
        });
        if (!isJson) write(describe(inspection));
      } catch (error) {
        if (error instanceof StartError) throw new CommandFailure(error.message);
        throw error;
      }
    });
}

function describe(inspection: Inspection): string {
  const { clusterName, clusterId, firstIndex, lastIndex } = inspection;
  const lines: [string, string][] = [
    ["folder", inspection.folder],
    ["server", String(inspection.serverId)],
    ["cluster", `${printable(clusterName)} (${clusterId || "never formed"})`],
    ["term", `${inspection.term}, vote for ${inspection.votedFor || "nobody"}`],
    ["log", `entries ${firstIndex} to ${lastIndex}, ${formatBytes(inspection.logBytes)}`],
    ["applied", `up to entry ${inspection.appliedIndex}`],
    ["rooms", String(inspection.rooms)],
    [
      "messages",
      `${inspection.committedMessages} committed, ${inspection.tailMessages} in the tail`,
    ],
  ];
  return lines.map(([name, value]) => `${name.padEnd(10)}${value}`).join("\n");
}
