// Remembers a log-in between commands: one small JSON file that only its owner may read. Holds no
// password.
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CommandFailure } from "./exit.ts";

/** A log-in as it is remembered. */
export interface SavedSession {
  readonly username: string;
  readonly token: string;
  /** Servers that were named at the log-in, as `http://host:port`. */
  readonly addresses: readonly string[];
  /** All servers of the cluster as it told them last; they change while the cluster lives. */
  readonly servers?: readonly string[];
}

/** $HOLDFAST_SESSION, or session.json in the person's configuration folder. */
export function sessionFilePath(environment: NodeJS.ProcessEnv = process.env): string {
  const given = environment["HOLDFAST_SESSION"];
  if (given !== undefined && given !== "") return given;
  const base = environment["XDG_CONFIG_HOME"] || join(homedir(), ".config");
  return join(base, "holdfast", "session.json");
}

/**
 * The remembered log-in; undefined where there is none. Throws a CommandFailure where the file
 * cannot be read.
 */
export function readSession(path: string): SavedSession | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CommandFailure(`${path} cannot be read: ${(error as Error).message}`);
  }
  const session = parseSession(text);
  if (session === undefined) {
    throw new CommandFailure(`${path} does not hold a log-in; log in again with: ./holdfast login`);
  }
  return session;
}

function parseSession(text: string): SavedSession | undefined {
  let value: Partial<SavedSession> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isWhole =
    typeof value?.username === "string" &&
    typeof value.token === "string" &&
    isTexts(value.addresses) &&
    (value.servers === undefined || isTexts(value.servers));
  return isWhole ? (value as SavedSession) : undefined;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

/**
 * Remembers the servers of a cluster, where the log-in with this token is the remembered one. So
 * the next command finds them, also when all that were named at the log-in are gone.
 */
export function rememberServers(path: string, token: string, servers: readonly string[]): void {
  try {
    const session = readSession(path);
    if (session?.token !== token || servers.length === 0) return;
    if (session.servers?.join() !== servers.join()) writeSession(path, { ...session, servers });
  } catch {
    // What the person has asked for does not depend on it.
  }
}

/** Remembers a log-in with mode 0600, whole or not at all. */
export function writeSession(path: string, session: SavedSession): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, `${JSON.stringify(session, undefined, 2)}\n`, { mode: 0o600 });
    // The mode above is narrowed by the umask only, but a left-over file would keep its own.
    chmodSync(temporary, 0o600);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new CommandFailure(`the log-in cannot be remembered: ${(error as Error).message}`);
  }
}

/** Forgets the log-in; harmless when there is none. */
export function removeSession(path: string): void {
  rmSync(path, { force: true });
}
