// holdfast up: three servers on this machine, kept running until this command ends.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { CommandFailure, exitCodes, usageFailure } from "./exit.ts";
import { addConfigOptions, loadServerConfig } from "./server-options.ts";
import { defaultAddresses } from "./shared-options.ts";

/** Client ports are base-port and the next ones, peer ports a hundred higher. */
const peerPortOffset = 100;
const serverCount = 3;
const host = "127.0.0.1";
/** Settings that `up` gives each server itself. */
const ownSettings = [
  "id",
  "members",
  "data",
  "clientHost",
  "clientPort",
  "clientAddress",
  "peerHost",
  "peerPort",
];

/** One server of `up`. */
interface Place {
  readonly id: number;
  readonly clientAddress: string;
  readonly dataFolder: string;
  readonly flags: Readonly<Record<string, string>>;
}

/** Options and action of `up`. */
export async function define(command: Command): Promise<void> {
  command
    .option("--data <folder>", "folder for the three data folders (HOLDFAST_DATA; default data)")
    .option(
      "--base-port <port>",
      "first of three client ports; peers 100 higher (HOLDFAST_BASE_PORT)",
    );
  await addConfigOptions(command, ownSettings);
  command.action(async (options: Record<string, string>) => {
    await up(options);
  });
}

async function up(options: Record<string, string>): Promise<void> {
  const { basePort, data: folder, ...shared } = options;
  const data = folder ?? (process.env["HOLDFAST_DATA"] || "data");
  const places = planServers(data, parseBasePort(basePort));
  // Checked here, so that a mistake is told once and not by each server.
  const [first] = places;
  const { config } = await loadServerConfig({ ...shared, ...first!.flags });
  const { Supervisor } = await import("../supervisor/index.ts");
  const { fileKey } = await import("../server/index.ts");
  const toArguments = (flags: Readonly<Record<string, string>>) =>
    Object.entries(flags).flatMap(([key, value]) => [`--${fileKey(key)}`, value]);
  const isJson = config.logFormat === "json";
  const tell = (line: string) => process.stdout.write(`${line}\n`);
  const supervisor = new Supervisor(
    places.map((place) => ({
      name: String(place.id),
      command: process.execPath,
      args: [
        "--disable-warning=ExperimentalWarning",
        fileURLToPath(new URL("./main.ts", import.meta.url)),
        "serve",
        "--exit-with-parent",
        ...toArguments({ ...shared, ...place.flags }),
      ],
      readyUrl: `${place.clientAddress}/readyz`,
      finalExitCodes: [exitCodes.removed],
    })),
    {
      // JSON lines stay JSON; they carry the server's id anyway.
      handleLine: (name, line) => tell(isJson ? line : `${name} | ${line}`),
      handleFinalEnd: (name) => tell(`${name} | ended for good`),
      handleDeath: (name, how, delayMs) =>
        tell(`${name} | ended ${how}; started again in ${Math.round(delayMs)} ms`),
    },
  );
  const stopped = stopOnSignal(() => supervisor.stop());
  const failure = await Promise.race([supervisor.start(), stopped.requested]);
  if (failure !== undefined) {
    throw new CommandFailure(`server ${failure.name} did not start: ${failure.reason}`);
  }
  if (!stopped.isRequested()) for (const line of greeting(places)) tell(line);
  await stopped.done;
}

/**
 * Stops once at the first signal. `requested` resolves when it comes, `done` when all is stopped.
 */
function stopOnSignal(stop: () => Promise<void>): {
  readonly requested: Promise<undefined>;
  readonly done: Promise<void>;
  isRequested(): boolean;
} {
  const requested = Promise.withResolvers<undefined>();
  const done = Promise.withResolvers<void>();
  let isRequested = false;
  const handle = () => {
    if (isRequested) return;
    isRequested = true;
    requested.resolve(undefined);
    stop().then(done.resolve, done.reject);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, handle);
  return { requested: requested.promise, done: done.promise, isRequested: () => isRequested };
}

function parseBasePort(flag: string | undefined): number {
  const text = flag ?? (process.env["HOLDFAST_BASE_PORT"] || "4801");
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  const portMax = 65_535 - peerPortOffset - serverCount;
  if (port < 1 || port > portMax) {
    throw usageFailure(`--base-port must be a whole number from 1 to ${portMax}`);
  }
  return port;
}

function planServers(data: string, basePort: number): Place[] {
  const ids = Array.from({ length: serverCount }, (_, i) => i + 1);
  const peerPort = (id: number) => basePort + peerPortOffset + id - 1;
  const members = ids.map((id) => `${id}=${host}:${peerPort(id)}`).join(",");
  return ids.map((id) => {
    const clientPort = basePort + id - 1;
    const clientAddress = `http://${host}:${clientPort}`;
    const dataFolder = join(data, String(id));
    const flags = {
      id: String(id),
      members,
      data: dataFolder,
      clientHost: host,
      clientPort: String(clientPort),
      clientAddress,
      peerHost: host,
      peerPort: String(peerPort(id)),
    };
    return { id, clientAddress, dataFolder, flags };
  });
}

function greeting(places: readonly Place[]): string[] {
  const addresses = places.map((place) => place.clientAddress);
  const isUsual = addresses.every((address, i) => address === defaultAddresses[i]);
  const to = isUsual ? "" : ` --to ${addresses.map((a) => a.replace("http://", "")).join(",")}`;
  return [
    "",
    "Three servers are running. Any of them may be killed; it comes back.",
    ...places.map((place) => `  server ${place.id}  ${place.clientAddress}  ${place.dataFolder}`),
    "",
    "In another terminal:",
    `  ./holdfast register -u ada${to}`,
    `  ./holdfast chat -u ada${to}`,
    `  ./holdfast status --watch${to}`,
    "",
    "Control-C stops them.",
    "",
  ];
}
