// holdfast restore: a backup becomes the data folder of a new cluster of one server, which then is
// served like any other.
import type { Command } from "commander";
import type { Restored } from "../server/index.ts";
import { CommandFailure } from "./exit.ts";
import { printable } from "./item-text.ts";
import { formatTime } from "./report-text.ts";
import { addConfigOptions, loadServerConfig } from "./server-options.ts";

/** Options and action of `restore`. */
export async function define(command: Command): Promise<void> {
  command.argument("<file>", "the backup, as `holdfast backup` wrote it");
  await addConfigOptions(command, ["members"]);
  command
    .addHelpText(
      "after",
      "\nTakes the settings of `serve`: give --data, a folder that is empty or not there yet, and" +
        "\nthe addresses of this server. The name of the cluster is that of the backup unless" +
        "\n--cluster-name says otherwise.",
    )
    .action(async (file: string, options: Record<string, string>) => {
      const { config, sources } = await loadServerConfig(options);
      const { restoreBackup, StartError } = await import("../server/index.ts");
      const clusterName = sources.clusterName === "default" ? undefined : config.clusterName;
      try {
        const restored = await restoreBackup({ file, config, clusterName });
        process.stdout.write(`${describe(restored)}\n`);
      } catch (error) {
        if (error instanceof StartError) throw new CommandFailure(error.message);
        throw error;
      }
    });
}

function describe(restored: Restored): string {
  const { folder, serverId, index, clusterTimeMs, counts, clusterId, oldClusterId } = restored;
  const { people, rooms, messages } = counts;
  const name = printable(restored.clusterName);
  return `\
Restored the state as of entry ${index}, backed up at ${formatTime(clusterTimeMs)}:
${people} people, ${rooms} rooms, ${messages} messages.

${folder} belongs to server ${serverId} of a new cluster ${name} (${clusterId}).
The backup is of cluster ${oldClusterId}; the two never meet. People who were logged in stay so, in
both: where the old cluster still runs, stop it first, or people write in two places.

Next:
  holdfast serve --data ${folder} --cluster-name ${name} …   with the same addresses
  holdfast member add --data ${folder} …   for each further server`;
}
