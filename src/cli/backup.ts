// holdfast backup: the whole state of a running cluster as one file, checked before it gets its
// name. Restoring is another command's part.
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { CommandFailure } from "./exit.ts";
import {
  addOperatorOptions,
  type OperatorCommandOptions,
  openOperator,
} from "./operator-options.ts";
import { formatBytes } from "./table.ts";

/** Options and action of `backup`. */
export function define(command: Command): void {
  addOperatorOptions(command)
    .argument("<file>", "where to; must not exist yet")
    .addHelpText(
      "after",
      "\nThe file holds all conversations, and the keys of the cluster: keep it as safe as a data" +
        "\nfolder. It is written beside itself as `<file>.part` until it is whole and on the disk.",
    )
    .action(async (file: string, options: OperatorCommandOptions) => {
      refuseExisting(file);
      const operator = await openOperator(options);
      const { bytes, index } = await writeBackup(operator.backup(), resolve(file));
      process.stdout.write(
        `Backed up the state as of entry ${index} to ${file}, ${formatBytes(bytes)}.\n`,
      );
    });
}

/** What was written. */
export interface WrittenBackup {
  readonly bytes: number;
  /** The entry of the log after which the state was taken. */
  readonly index: number;
}

/**
 * Writes the pieces of a backup to a file that must not exist, durably and only if they are whole.
 * Whatever goes wrong, no part of it is left.
 */
export async function writeBackup(
  pieces: AsyncIterable<Uint8Array>,
  file: string,
): Promise<WrittenBackup> {
  const part = `${file}.part`;
  const handle = openNew(part);
  let isDone = false;
  try {
    const written = await writePieces(pieces, handle);
    fsyncSync(handle);
    refuseExisting(file);
    renameSync(part, file);
    isDone = true;
    syncFolder(dirname(file));
    return written;
  } catch (error) {
    if ((error as Error).name === "BackupError") throw new CommandFailure((error as Error).message);
    throw error;
  } finally {
    closeSync(handle);
    if (!isDone) rmSync(part, { force: true });
  }
}

async function writePieces(
  pieces: AsyncIterable<Uint8Array>,
  handle: number,
): Promise<WrittenBackup> {
  const { openBackupReader } = await import("../server/index.ts");
  const reader = await openBackupReader();
  let bytes = 0;
  for await (const piece of pieces) {
    reader.take(piece);
    for (let done = 0; done < piece.length; ) done += writeSync(handle, piece, done);
    bytes += piece.length;
  }
  return { bytes, index: reader.end().index };
}

function openNew(part: string): number {
  try {
    // Nobody but its owner may read it, and two backups at once do not share a file.
    return openSync(part, "wx", 0o600);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandFailure(
      code === "EEXIST"
        ? `${part} is there already: another backup is being written, or was cut short; delete it`
        : `${part} cannot be written: ${message}`,
    );
  }
}

function refuseExisting(file: string): void {
  if (existsSync(file)) {
    throw new CommandFailure(`${file} exists already; a backup overwrites nothing, name another`);
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
