// holdfast config: the effective configuration of a server, with the source of each value. Starts
// nothing.
import type { Command } from "commander";
import { addConfigOptions, loadServerConfig } from "./server-options.ts";
import { formatTable } from "./table.ts";

/** Options and action of `config`. */
export async function define(command: Command): Promise<void> {
  await addConfigOptions(command);
  command
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nTakes what `serve` takes: flags before environment before file before defaults.",
    )
    .action(async (options: Record<string, string | boolean>) => {
      const { json, ...flags } = options;
      const loaded = await loadServerConfig(flags as Record<string, string>);
      const { describeConfig } = await import("../server/index.ts");
      const lines = describeConfig(loaded);
      process.stdout.write(`${json === true ? asJson(lines) : asTable(lines)}\n`);
    });
}

type Line = { key: string; value: string; source: string; unit: string };

function asJson(lines: readonly Line[]): string {
  const entries = lines.map(({ key, ...line }) => [key, line]);
  return JSON.stringify(Object.fromEntries(entries), undefined, 2);
}

function asTable(lines: readonly Line[]): string {
  return formatTable(
    [
      { head: "setting", align: "left" },
      { head: "value", align: "left" },
      { head: "from", align: "left" },
    ],
    lines.map(({ key, value, source, unit }) => [
      key,
      unit === "" ? value : `${value} ${unit}`,
      source,
    ]),
  );
}
