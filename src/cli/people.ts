// holdfast people: who has an account.
import type { Command } from "commander";
import type { Person } from "../client/index.ts";
import { printable } from "./item-text.ts";
import { addServerOptions, openClient, type ServerOptions } from "./shared-options.ts";
import { formatTable } from "./table.ts";

interface Options extends ServerOptions {
  readonly json?: boolean;
}

/** Options and action of `people`. */
export function define(command: Command): void {
  addServerOptions(command)
    .argument("[pattern]", "username; * stands for any letters, ? for one", "")
    .option("--json", "print one JSON object a line")
    .action(async (pattern: string, options: Options) => {
      const client = await openClient(options);
      try {
        const people = await client.listPeople(pattern);
        const lines =
          options.json === true
            ? people.map((person) => JSON.stringify(person))
            : [formatPeople(people)];
        if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
      } finally {
        await client.stop();
      }
    });
}

/** People as a table. */
export function formatPeople(people: readonly Person[]): string {
  return formatTable(
    [
      { head: "username", align: "left" },
      { head: "name", align: "left" },
    ],
    people.map((person) => [printable(person.username), printable(person.displayName)]),
  );
}
