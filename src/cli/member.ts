// holdfast member: who the servers of a cluster are, and who is to be one.
import type { Command } from "commander";
import { usageFailure } from "./exit.ts";
import { parseReplicaId, removeMember, unlessDone } from "./member-changes.ts";
import { joinCommandLine, membershipOf, membersTable } from "./member-text.ts";
import {
  addOperatorOptions,
  type OperatorCommandOptions,
  openOperator,
  operatorAddresses,
} from "./operator-options.ts";
import { refuseWithNearest } from "./parser-refusals.ts";
import { addServerOptions, openAnonymousClient, type ServerOptions } from "./shared-options.ts";

interface AddOptions extends OperatorCommandOptions {
  readonly reader?: boolean;
  readonly validFor: string;
  readonly json?: boolean;
}

/** Subcommands of `member`. */
export function define(command: Command): void {
  const sub = (name: string, summary: string): Command => {
    const added = command.command(name).summary(summary).description(`${summary}.`);
    refuseWithNearest(added);
    return added;
  };
  addServerOptions(sub("list", "Show all members"))
    .option("--json", "print one JSON object a line")
    .action(list);
  addOperatorOptions(sub("add", "Make a token for one new server, and print how it joins"))
    .option("--reader", "the new server has all data and no vote")
    .option("--valid-for <time>", "how long the token is good, such as 90s, 30m, 2h, 7d", "1h")
    .option("--json", "print one JSON object")
    .action(add);
  addOperatorOptions(sub("remove", "Take a server out for good"))
    .argument("<id>", "id of the server")
    .action(async (id: string, options: OperatorCommandOptions) => {
      await removeMember(parseReplicaId(id), options);
    });
  addOperatorOptions(sub("promote", "Give a reader a vote"))
    .argument("<id>", "id of the server")
    .action(promote);
}

async function list(options: ServerOptions & { readonly json?: boolean }): Promise<void> {
  const addresses = operatorAddresses(options);
  const client = await openAnonymousClient({ to: addresses.join(",") });
  try {
    const { servers } = await client.status();
    const text = options.json === true ? servers.map(asJson).join("\n") : membersTable(servers);
    process.stdout.write(`${text}\n`);
  } finally {
    await client.stop();
  }
}

function asJson(server: Parameters<typeof membersTable>[0][number]): string {
  const { replicaId, clientAddress, peerAddress, connected } = server;
  const membership = membershipOf(server);
  return JSON.stringify({ replicaId, clientAddress, peerAddress, membership, connected });
}

async function add(options: AddOptions): Promise<void> {
  const validForS = parseSeconds(options.validFor);
  const operator = await openOperator(options);
  const { token, expiresMs } = await operator.createJoinToken({
    validForS,
    reader: options.reader === true,
  });
  const { clusterName, servers } = await operator.status();
  const command = joinCommandLine({ token, clusterName, servers });
  const until = new Date(expiresMs).toISOString().replace(/\.\d+Z$/, "Z");
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify({ token, expiresMs, command })}\n`
      : `One new server may join with this until ${until}. On its machine:\n\n  ${command}\n`,
  );
}

/** Parses `--valid-for`. Throws a usage failure. */
export function parseSeconds(text: string): number {
  const [, count = "", unit = "s"] = /^(\d{1,7})([smhd])?$/.exec(text) ?? [];
  const seconds = Number(count) * ({ s: 1, m: 60, h: 3_600, d: 86_400 }[unit] ?? 1);
  if (count === "" || seconds < 1 || seconds > 30 * 86_400) {
    throw usageFailure("--valid-for takes 1s to 30d, such as 90s, 30m, 2h or 7d");
  }
  return seconds;
}

async function promote(text: string, options: OperatorCommandOptions): Promise<void> {
  const id = parseReplicaId(text);
  const operator = await openOperator(options);
  await unlessDone(operator.promoteMember(id), async () => {
    const { servers } = await operator.status();
    const server = servers.find(({ replicaId }) => replicaId === id);
    return server !== undefined && membershipOf(server) === "voter";
  });
  process.stdout.write(`Server ${id} gets a vote when it has caught up.\n`);
}
