// The door of the server: its configuration, and how to run it. What runs is loaded when it is
// first wanted, so that showing a configuration stays quick.
import type { ServerConfig } from "./config.ts";
import type { Inspection, InspectOptions } from "./inspect.ts";
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
export { configFileBytesMax } from "./limits.ts";
export type { RunOptions } from "./run.ts";
export type { Setting } from "./setting.ts";
export { environmentKey, fileKey, type SettingKey, settingKeys, settings } from "./settings.ts";
export type { RunningServer, StartOptions } from "./start.ts";
export { StartError } from "./start-error.ts";

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
