// One option for each server setting, and the way from options, environment and file to a checked
// configuration.
import { readFileSync, statSync } from "node:fs";
import type { Command } from "commander";
import type { LoadedConfig } from "../server/index.ts";
import { CommandFailure, exitCodes } from "./exit.ts";

/** Adds `--config` and an option for each setting but those in `except`. */
export async function addConfigOptions(
  command: Command,
  except: readonly string[] = [],
): Promise<void> {
  const { environmentKey, fileKey, settingKeys, settings } = await import("../server/index.ts");
  command.option("--config <file>", "TOML file with settings (HOLDFAST_CONFIG)");
  for (const key of settingKeys) {
    if (except.includes(key)) continue;
    const setting = settings[key];
    const shown = setting.defaultText ?? (String(setting.default) || "none");
    const unit = setting.unit === "" ? "" : ` ${setting.unit}`;
    command.option(
      `--${fileKey(key)} <value>`,
      `${setting.description} [${setting.range}${unit}; default ${shown}; ${environmentKey(key)}]`,
    );
  }
}

/**
 * The configuration, or a CommandFailure with the first thing that is wrong: code 2 for a flag,
 * else 1.
 */
export async function loadServerConfig(
  options: Readonly<Record<string, string>>,
): Promise<LoadedConfig> {
  const { isRefusal, loadConfig } = await import("../server/index.ts");
  const { config: configFlag, ...flags } = options;
  const name = configFlag ?? (process.env["HOLDFAST_CONFIG"] || undefined);
  const file = name === undefined ? undefined : { name, content: await readConfigFile(name) };
  const loaded = loadConfig({ flags, environment: process.env, file });
  if (!isRefusal(loaded)) return loaded;
  const isFlag = loaded.error.startsWith("option --");
  throw new CommandFailure(loaded.error, isFlag ? exitCodes.usage : exitCodes.failed);
}

async function readConfigFile(name: string): Promise<string> {
  const { configFileBytesMax } = await import("../server/index.ts");
  try {
    if (statSync(name).size > configFileBytesMax) {
      throw new Error(`it is larger than ${configFileBytesMax} bytes`);
    }
    return readFileSync(name, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandFailure(
      code === "ENOENT"
        ? `the configuration file ${name} does not exist`
        : `the configuration file ${name} cannot be read: ${message}`,
    );
  }
}
