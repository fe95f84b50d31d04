// The door of the server: its configuration, and how to run it. What runs is loaded when it is
// first wanted, so that showing a configuration stays quick.
import type { BackupReader } from "../gateways/index.ts";
import type { ServerConfig } from "./config.ts";
import type { Inspection, InspectOptions } from "./inspect.ts";
import type { JoinOptions } from "./join.ts";
import type { LostFolder } from "./lost-folder.ts";
import type { RecoverOptions, Recovery } from "./recover.ts";
import type { Restored, RestoreOptions } from "./restore.ts";
import type { RunOptions } from "./run.ts";
import type { RunningServer, StartOptions } from "./start.ts";

export type { Member } from "./address.ts";
export {
  type ConfigInput,
  type ConfigRefusal,
  describeConfig,
  isRefusal,
  type LoadedConfig,
  loadConfig,
  refuseUnknownVariables,
  type ServerConfig,
  type Source,
} from "./config.ts";
export type { InspectedMessage, Inspection, InspectOptions } from "./inspect.ts";
export type { JoinOptions } from "./join.ts";
export { configFileBytesMax } from "./limits.ts";
export type { LostFolder, LostMessage } from "./lost-folder.ts";
export type { PresentServer } from "./presence.ts";
export type { RecoverOptions, Recovery, UnsureMessage } from "./recover.ts";
export type { Restored, RestoreOptions } from "./restore.ts";
export type { RunOptions } from "./run.ts";
export type { Setting } from "./setting.ts";
export { environmentKey, fileKey, type SettingKey, settingKeys, settings } from "./settings.ts";
export type { RunningServer, StartOptions } from "./start.ts";
export { RemovedError, StartError } from "./start-error.ts";

/**
 * Starts a server in this process. Rejects with a StartError where something outside is in the way.
 */
export async function startServer(
  config: ServerConfig,
  options: StartOptions,
): Promise<RunningServer> {
  const start = await import("./start.ts");
  return await start.startServer(config, options);
}

/** Makes a data folder that of a new member of a cluster. Rejects with a StartError. */
export async function joinServer(options: JoinOptions): Promise<void> {
  const join = await import("./join.ts");
  await join.joinServer(options);
}

/** Runs a server as the whole business of this process, until it is told to stop. */
export async function runServer(config: ServerConfig, options?: RunOptions): Promise<void> {
  const run = await import("./run.ts");
  await run.runServer(config, options);
}

/** Reads the data folder of a stopped server. Throws a StartError where it cannot be read. */
export async function inspectFolder(options: InspectOptions): Promise<Inspection> {
  const inspect = await import("./inspect.ts");
  return await inspect.inspectFolder(options);
}

/** Reads a backup that comes in pieces, and says at its end whether it is whole. */
export async function openBackupReader(): Promise<BackupReader> {
  const gateways = await import("../gateways/index.ts");
  return new gateways.BackupReader();
}

/** Makes of a backup the data folder of a new cluster of one. Rejects with a StartError. */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const restore = await import("./restore.ts");
  return await restore.restoreBackup(options);
}

/** Makes a surviving folder go on alone, or tells what that would come to; as `restoreBackup`. */
export async function recoverFolder(options: RecoverOptions): Promise<Recovery> {
  const recover = await import("./recover.ts");
  return await recover.recoverFolder(options);
}

/** Opens the disk of a lost server for reading. Rejects with a StartError. */
export async function openLostFolder(folder: string): Promise<LostFolder> {
  const lost = await import("./lost-folder.ts");
  return await lost.openLostFolder(folder);
}

/** Which server's a data folder is, also while it runs. Throws a StartError where it is none's. */
export async function readFolderOwner(folder: string): Promise<number> {
  const owner = await import("./folder-owner.ts");
  return owner.readFolderOwner(folder);
}
