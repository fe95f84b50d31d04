// The server's own log: pino, as JSON or as one readable line an event. Writes to standard output
// and never waits for it: a stalled reader must not stop consensus, and loses lines instead.
import { type Logger, pino } from "pino";
import { logBufferBytesMax } from "./limits.ts";

export type { Logger } from "pino";

/** How the log looks and what it leaves out; as the settings `log-level` and `log-format`. */
export interface LoggerOptions {
  readonly level: string;
  readonly format: "pretty" | "json";
  /** Stands in every line. */
  readonly serverId: number;
  /** Takes finished lines instead of standard output; for tests. */
  readonly write?: (line: string) => void;
}

/** A logger and how to get its last lines out before the process ends. */
export interface OpenLogger {
  readonly logger: Logger;
  /** Writes all that is buffered, waiting for it. */
  flush(): void;
}

/** Opens the log. */
export function openLogger(options: LoggerOptions): OpenLogger {
  const buffered =
    options.write === undefined
      ? pino.destination({ dest: 1, sync: false, maxLength: logBufferBytesMax })
      : undefined;
  const write = options.write ?? ((line: string) => void buffered?.write(line));
  const sink =
    options.format === "json"
      ? { write }
      : { write: (line: string) => write(`${formatLine(JSON.parse(line))}\n`) };
  const logger = pino(
    {
      level: options.level,
      base: { server: options.serverId },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    sink,
  );
  return {
    logger,
    flush: () => {
      try {
        buffered?.flushSync();
      } catch {
        // Not open yet or gone: there is nobody left to tell.
      }
    },
  };
}

/** One event as `12:31:07.215 warn  server 2: text  key=value …`. */
export function formatLine(event: Record<string, unknown>): string {
  const { time, level, server, msg, err, ...fields } = event;
  const clock = String(time).slice(11, 23);
  const shown = Object.entries(fields).map(([key, value]) => `${key}=${formatValue(value)}`);
  if (isErrorRecord(err)) shown.push(`error=${formatValue(err.message)}`);
  const tail = shown.length === 0 ? "" : `  ${shown.join(" ")}`;
  const stack = isErrorRecord(err) && level === "fatal" ? `\n${err.stack ?? ""}` : "";
  const head = `${clock} ${String(level).padEnd(5)} server ${String(server)}`;
  return `${head}: ${String(msg)}${tail}${stack}`;
}

function isErrorRecord(value: unknown): value is { message: string; stack?: string } {
  return typeof value === "object" && value !== null && "message" in value;
}

function formatValue(value: unknown): string {
  // Plain words stand as they are; what peers and clients sent may hold anything.
  if (typeof value === "string") {
    return /^[\x21\x23-\x3c\x3e-\x7e]+$/.test(value) ? value : JSON.stringify(value);
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
