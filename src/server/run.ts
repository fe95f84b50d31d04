// One server as the whole business of this process: signals stop it in order, a fatal failure ends
// the process.
import type { Readable } from "node:stream";
import type { ServerConfig } from "./config.ts";
import { stopTimeoutMs } from "./limits.ts";
import { openLogger } from "./logger.ts";
import { startServer } from "./start.ts";

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
 * start. Ends the process itself after a fatal failure, and when a stop takes too long.
 */
export async function runServer(config: ServerConfig, options: RunOptions = {}): Promise<void> {
  const { logger, flush } = openLogger({
    level: config.logLevel,
    format: config.logFormat,
    serverId: config.id,
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

  const server = await startServer(config, { logger, onFatal: fail });
  options.onStarted?.();
  logger.info({ reason: await stop.promise }, "stopping");
  const timer = setTimeout(() => {
    logger.error("the stop took too long: this process ends");
    flush();
    process.exit(fatalExitCode);
  }, stopTimeoutMs);
  await server.close();
  clearTimeout(timer);
  logger.info("stopped");
  flush();
}
