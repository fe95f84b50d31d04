// holdfast import-lost: the disk of a lost server has turned up after a recovery; what only it has
// is brought to the running cluster, batch by batch. Again is harmless.
import type { Command } from "commander";
import { toHex64 } from "../base/bytes.ts";
import type { ImportReport, LostItem, Operator } from "../client/index.ts";
import type { LostFolder, LostMessage } from "../server/index.ts";
import { CommandFailure } from "./exit.ts";
import { printable } from "./item-text.ts";
import {
  addOperatorOptions,
  findOperatorToken,
  type OperatorCommandOptions,
  openOperator,
} from "./operator-options.ts";
import { oneLine } from "./report-text.ts";

const batchItemsMax = 256;
/** Below what a request may have, with names and numbers. */
const batchBytesMax = 512 * 1024;
const itemOverheadBytes = 512;
/** Refusals and messages set aside that are printed one by one. */
const remarksMax = 100;

/** Options and action of `import-lost`. */
export function define(command: Command): void {
  addOperatorOptions(command)
    .argument("<folder>", "data folder of the lost server, which is stopped; a copy will do")
    .addHelpText(
      "after",
      "\nTakes every message of that folder that the cluster does not have to the end of its" +
        "\nroom, with its author and the time at which it was written. --data names the folder" +
        "\nof a server of the running cluster, for the operator token.",
    )
    .action(async (folder: string, options: OperatorCommandOptions) => {
      const token = findOperatorToken(options);
      const operator = await openOperator(options);
      const lost = await openFolder(folder);
      try {
        await refuseUnrelated(lost, operator, token);
        for (const finding of lost.findings) {
          process.stderr.write(`damaged: ${printable(finding)}\n`);
        }
        const totals = await importAll(lost, operator);
        process.stdout.write(`${describeImport(lost.serverId, totals)}\n`);
        if (totals.refused > 0) {
          throw new CommandFailure(
            `${totals.refused} messages were refused, for the reasons above; all others are safe`,
          );
        }
      } finally {
        await lost.close();
      }
    });
}

async function openFolder(folder: string): Promise<LostFolder> {
  const { openLostFolder, StartError } = await import("../server/index.ts");
  try {
    return await openLostFolder(folder);
  } catch (error) {
    if (error instanceof StartError) throw new CommandFailure(error.message);
    throw error;
  }
}

/** Ids mean the same people and rooms only in clusters that descend from one another. */
async function refuseUnrelated(lost: LostFolder, operator: Operator, token: string): Promise<void> {
  const { clusterName, clusterId, servers } = await operator.status();
  const target = `${printable(clusterName)} (${toHex64(clusterId)})`;
  if (lost.operatorToken !== token) {
    throw new CommandFailure(
      `${lost.folder} is of cluster ${printable(lost.clusterName)} (${lost.clusterId}), from ` +
        `which ${target} does not descend: its people are others, or the operator token is not ` +
        "that of the cluster in --to",
    );
  }
  const isSame = toHex64(clusterId) === lost.clusterId;
  if (!isSame || !servers.some(({ replicaId }) => replicaId === lost.serverId)) return;
  throw new CommandFailure(
    `${lost.folder} belongs to server ${lost.serverId}, which is a member of ${target}: ` +
      "start it, and it brings what it has by itself",
  );
}

/** What an import came to. */
export interface ImportTotals {
  readonly read: number;
  readonly accepted: number;
  readonly already: number;
  readonly setAside: number;
  readonly refused: number;
}

/** Sends everything, one batch after the other. */
async function importAll(lost: LostFolder, operator: Operator): Promise<ImportTotals> {
  const totals = { read: 0, accepted: 0, already: 0, setAside: 0, refused: 0 };
  let remarks = 0;
  const remark = (kind: string, message: LostMessage | undefined, reason: string) => {
    remarks += 1;
    if (remarks > remarksMax || message === undefined) return;
    const { roomName, authorUsername, body } = message;
    const where = `${printable(roomName)} ${printable(authorUsername)}: ${oneLine(body)}`;
    process.stdout.write(`${kind}: ${where}\n  ${printable(reason)}\n`);
  };
  for (const batch of batchesOf(lost.messages())) {
    const report: ImportReport = await operator.importHeld(batch.map(toItem));
    totals.read += batch.length;
    totals.accepted += report.accepted;
    totals.already += report.already;
    totals.setAside += report.setAside.length;
    totals.refused += report.refused.length;
    for (const { item, reason } of report.setAside) remark("set aside", batch[item], reason);
    for (const { item, reason } of report.refused) remark("refused", batch[item], reason);
  }
  if (remarks > remarksMax) process.stdout.write(`… and ${remarks - remarksMax} more\n`);
  return totals;
}

function toItem(message: LostMessage): LostItem {
  const { command, writtenMs, commitIndex, authorUsername, roomName } = message;
  return { command, writtenMs, commitIndex, authorUsername, roomName };
}

/** As many messages as one request may have. */
export function* batchesOf(messages: Iterable<LostMessage>): Generator<LostMessage[], void> {
  let batch: LostMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = message.command.length + itemOverheadBytes;
    if (batch.length >= batchItemsMax || (batch.length > 0 && bytes + size > batchBytesMax)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** The summary of an import. */
export function describeImport(serverId: number, totals: ImportTotals): string {
  const { read, accepted, already, setAside, refused } = totals;
  return [
    `Read ${read} messages of server ${serverId}'s disk:`,
    `${accepted} were brought into their rooms`,
    `${already} were in the cluster already`,
    `${setAside} were set aside for their authors and the rooms' owners`,
    `${refused} were refused`,
  ].join("\n  ");
}
