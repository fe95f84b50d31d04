// The options that all commands with a server at the other end share, and how a command gets at a
// client.
import type { Command } from "commander";
import type { Client } from "../client/index.ts";
import { CommandFailure, exitCodes, usageFailure } from "./exit.ts";
import {
  readSession,
  rememberServers,
  type SavedSession,
  sessionFilePath,
} from "./session-file.ts";

/** Where `holdfast up` puts its servers. */
export const defaultAddresses: readonly string[] = [
  "http://127.0.0.1:4801",
  "http://127.0.0.1:4802",
  "http://127.0.0.1:4803",
];

/** How long a command looks for a server that answers, in ms. */
export const reachTimeoutMs = 10_000;

/** The options' values as the parser leaves them. */
export interface ServerOptions {
  readonly to?: string;
}

/** Adds `--to`. */
export function addServerOptions(command: Command): Command {
  return command.option(
    "--to <addresses>",
    "servers, comma-separated, any of which may be down " +
      "(HOLDFAST_SERVERS; default: those of the log-in, or 127.0.0.1:4801 to 4803)",
  );
}

/** Parses a comma-separated list of `host:port` or `http://host:port`. Throws a usage failure. */
export function parseAddresses(text: string): string[] {
  const addresses = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(parseAddress);
  if (addresses.length === 0) throw usageFailure("the list of servers is empty");
  return addresses;
}

function parseAddress(text: string): string {
  const full = /^https?:\/\//.test(text) ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  const isPlain = url !== undefined && url.pathname === "/" && url.search + url.hash === "";
  if (!isPlain || url.hostname === "") {
    throw usageFailure(`\`${text}\` is not a server address; write host:port`);
  }
  return url.origin;
}

/** Which servers a command knows. */
export interface KnownServers {
  /** Named by the person, now or at the log-in. */
  readonly addresses: readonly string[];
  /** As the cluster told last; tried first. */
  readonly knownServers: readonly string[];
}

/**
 * Which servers to ask: `--to`, else HOLDFAST_SERVERS, else those of the log-in, else the three of
 * `up`. Who names servers means these, and not those that are remembered.
 */
export function chooseServers(options: ServerOptions, session?: SavedSession): KnownServers {
  const given = options.to ?? process.env["HOLDFAST_SERVERS"];
  if (given !== undefined && given !== "") {
    return { addresses: parseAddresses(given), knownServers: [] };
  }
  const addresses = session?.addresses ?? defaultAddresses;
  return { addresses, knownServers: session?.servers ?? [] };
}

/** The same in one list. */
export function chooseAddresses(options: ServerOptions, session?: SavedSession): string[] {
  const { addresses, knownServers } = chooseServers(options, session);
  return [...new Set([...knownServers, ...addresses])];
}

/** A client without a log-in: for registering, logging in, status. */
export async function openAnonymousClient(options: ServerOptions): Promise<Client> {
  const { createClient } = await import("../client/index.ts");
  return createClient({ addresses: chooseAddresses(options) });
}

/** What a command wants of its client. */
export interface ClientWish {
  /** False: only replies, no events. */
  readonly subscribe: boolean;
}

/** A client with the remembered log-in, connected. The caller stops it. */
export async function openClient(
  options: ServerOptions,
  wish: ClientWish = { subscribe: false },
): Promise<Client> {
  const session = readSession(sessionFilePath());
  const servers = chooseServers(options, session);
  if (session === undefined) {
    throw new CommandFailure("you are not logged in; log in with: holdfast login -u <username>");
  }
  return await connect(servers, session.token, wish);
}

/**
 * A connected client for a token, which remembers its servers for the next command. Fails with exit
 * code 3 when no server answers in time.
 */
export async function connect(
  servers: KnownServers,
  token: string,
  wish: ClientWish,
): Promise<Client> {
  const { createClient } = await import("../client/index.ts");
  const client = createClient({ ...servers, token, subscribe: wish.subscribe });
  const remember = (list: readonly string[]) => rememberServers(sessionFilePath(), token, list);
  client.on("servers", remember);
  client.start();
  try {
    const { addresses, knownServers } = servers;
    await withinReach(client.ready(), [...new Set([...knownServers, ...addresses])]);
    remember(client.store.getState().servers);
    return client;
  } catch (error) {
    await client.stop();
    throw error;
  }
}

/** The answer, or exit code 3 when there is none in time. */
export async function withinReach<T>(answer: Promise<T>, addresses: readonly string[]): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unreachable(addresses)), reachTimeoutMs);
  });
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** What to say when nobody answers. */
export function unreachable(addresses: readonly string[]): CommandFailure {
  return new CommandFailure(`no server answers at ${addresses.join(", ")}`, exitCodes.unreachable);
}
