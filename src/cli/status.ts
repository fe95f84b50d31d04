// holdfast status: all servers of the cluster, as any one of them that answers sees it.

import type { Command } from "commander";
import { toHex, toHex64 } from "../base/bytes.ts";
import type { Client } from "../client/index.ts";
import { usageFailure } from "./exit.ts";
import { readSession, sessionFilePath } from "./session-file.ts";
import {
  addServerOptions,
  chooseAddresses,
  openAnonymousClient,
  type ServerOptions,
  unreachable,
  withinReach,
} from "./shared-options.ts";
import { formatStatus } from "./status-table.ts";

interface Options extends ServerOptions {
  readonly json?: boolean;
  readonly watch?: string | true;
}

type StatusResponse = Awaited<ReturnType<Client["status"]>>;

/** Options and action of `status`. */
export function define(command: Command): void {
  addServerOptions(command)
    .option("--watch [seconds]", "show it again and again (default: every second)")
    .option("--json", "print one JSON object, with --watch one a line")
    .action(async (options: Options) => {
      const session = options.to === undefined ? readSession(sessionFilePath()) : undefined;
      const addresses = chooseAddresses(options, session);
      const client = await openAnonymousClient({ to: addresses.join(",") });
      try {
        if (options.watch === undefined) {
          const status = await askAny(client, addresses);
          process.stdout.write(`${describe(status, options)}\n`);
        } else {
          await watch(client, addresses, options);
        }
      } finally {
        await client.stop();
      }
    });
}

/** Asks all at once and takes the first answer: one that hangs holds up nothing. */
async function askAny(client: Client, addresses: readonly string[]): Promise<StatusResponse> {
  try {
    const answers = addresses.map((address) => client.status(address));
    return await withinReach(Promise.any(answers), addresses);
  } catch (error) {
    if (error instanceof AggregateError) throw unreachable(addresses);
    throw error;
  }
}

async function watch(
  client: Client,
  addresses: readonly string[],
  options: Options,
): Promise<never> {
  const intervalMs = parseInterval(options.watch);
  const isScreen = process.stdout.isTTY && options.json !== true;
  for (;;) {
    const text = await askAny(client, addresses).then(
      (status) => describe(status, options),
      (error: Error) => error.message,
    );
    // Home, the text with the rest of each old line cleared, and everything below cleared.
    if (isScreen) process.stdout.write(`\x1b[H${text.replaceAll("\n", "\x1b[K\n")}\x1b[K\n\x1b[J`);
    else process.stdout.write(`${text}\n`);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

function parseInterval(seconds: string | true | undefined): number {
  if (seconds === true || seconds === undefined) return 1_000;
  const value = /^\d{1,4}(\.\d{1,3})?$/.test(seconds) ? Number(seconds) : 0;
  if (value < 0.1 || value > 3_600) throw usageFailure("--watch takes 0.1 to 3600 seconds");
  return value * 1_000;
}

function describe(status: StatusResponse, options: Options): string {
  const servers = status.servers.map(({ $typeName, $unknown, ...server }) => ({
    ...server,
    role: roleNames[server.role] ?? "unknown",
    membership: membershipNames[server.membership] ?? "",
    snapshotDigest: toHex(server.snapshotDigest),
  }));
  if (options.json !== true) return formatStatus({ ...status, servers });
  const { clusterName, clusterId, answeredBy, configurationChanging } = status;
  return JSON.stringify(
    {
      clusterName,
      clusterId: toHex64(BigInt(clusterId)),
      answeredBy,
      configurationIndex: status.configurationIndex,
      configurationChanging,
      servers,
    },
    // Positions fit a double for some thousand years of writing.
    (_, value) => (typeof value === "bigint" ? Number(value) : value),
  );
}

/** Names of the roles as people read them, in the order of cluster.v1.Role. */
const roleNames = ["unknown", "follower", "pre-candidate", "candidate", "leader", "none"];
/** In the order of cluster.v1.Membership. */
const membershipNames = ["", "voter", "learner", "reader"];
