// One server as the whole business of this process: signals stop it in order, a fatal failure ends
// the process.
import type { Readable } from "node:stream";
import type { ServerConfig } from "./config.ts";
import { findFolderOwner } from "./folder-owner.ts";
import { stopTimeoutMs } from "./limits.ts";
import { openLogger } from "./logger.ts";
import { type RunningServer, startServer } from "./start.ts";
import { RemovedError } from "./start-error.ts";

/** Exit code after a fatal failure of a server that had started: EX_SOFTWARE of sysexits.h. */
export const fatalExitCode = 70;

/** How the process is run. */
export interface RunOptions {
  /** The server stops when this ends, as standard input does when the parent process is gone. */
  readonly stopWhenClosed?: Readable | undefined;
  /** The ports are open. */
  readonly onStarted?: () => void;
}

/**
 * Runs a server until it is told to stop; resolves then. Rejects with a StartError where it cannot
 * start, and with a RemovedError when the cluster has removed it. Ends the process itself after a
 * fatal failure, and when a stop takes too long.
 */
export async function runServer(config: ServerConfig, options: RunOptions = {}): Promise<void> {
  const { logger, flush } = openLogger({
    level: config.logLevel,
    format: config.logFormat,
    serverId: idOf(config),
  });
  const fail = (error: unknown): never => {
    logger.fatal({ err: error }, "fatal failure: this process ends");
    flush();
    process.exit(fatalExitCode);
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  const stop = Promise.withResolvers<string>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => stop.resolve(signal));
  }
  options.stopWhenClosed?.once("close", () => stop.resolve("the parent process ended"));
  options.stopWhenClosed?.on("error", () => stop.resolve("the parent process ended")).resume();

  for (let isFirst = true; ; isFirst = false) {
    const ended = Promise.withResolvers<Ending>();
    const server = await startServer(config, {
      logger,
      onFatal: fail,
      onRestart: (reason) => ended.resolve({ kind: "restart", reason }),
      onRemoved: (reason) => ended.resolve({ kind: "removed", reason }),
    });
    if (isFirst) options.onStarted?.();
    const stopped = stop.promise.then((reason): Ending => ({ kind: "stop", reason }));
    const { kind, reason } = await Promise.race([ended.promise, stopped]);
    if (kind === "restart") logger.warn({ reason }, "this server starts anew in its process");
    else logger.info({ reason }, "stopping");
    await closeInTime(server, () => {
      logger.error("the stop took too long: this process ends");
      flush();
      process.exit(fatalExitCode);
    });
    if (kind === "restart") continue;
    logger.info("stopped");
    flush();
    if (kind === "removed") throw new RemovedError(reason);
    return;
  }
}

/** Whose lines they are: a folder that is there knows better than a default. */
function idOf(config: ServerConfig): number {
  return config.isIdGiven ? config.id : (findFolderOwner(config.data) ?? config.id);
}

/** Why a server is closed. */
interface Ending {
  readonly kind: "stop" | "restart" | "removed";
  readonly reason: string;
}

/** Closes; where that takes too long, gives up. */
async function closeInTime(server: RunningServer, giveUp: () => void): Promise<void> {
  const timer = setTimeout(giveUp, stopTimeoutMs);
  await server.close();
  clearTimeout(timer);
}
