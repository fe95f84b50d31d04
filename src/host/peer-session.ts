// What calling and accepting have in common: settings of an HTTP/2 connection between replicas, and
// its pings. One connection carries one call. Knows nothing of replicas, hellos or frames.
import type { Http2Session } from "node:http2";
import type { Clock, Timer } from "../io/clock.ts";
import type { TransportLimits } from "./transport-limits.ts";

/**
 * How many bytes a sender may have under way before the receiver has read them: HTTP/2's own 64 KiB
 * would make a large frame wait for one round trip each 64 KiB.
 */
const windowBytes = 4 * 1024 * 1024;

/** For both sides of a connection. */
export const sessionOptions = {
  settings: {
    enablePush: false,
    initialWindowSize: windowBytes,
    maxConcurrentStreams: 1,
  },
  /** For Node, in megabytes: above what may wait for one peer and one window of what came in. */
  maxSessionMemory: 64,
};

/** Raises the window of the connection as a whole to that of its one stream. */
export function widenWindow(session: Http2Session): void {
  if (!session.destroyed) session.setLocalWindowSize(windowBytes);
}

/**
 * Pings the other side and destroys the connection when an answer does not come in time, so that a
 * machine that vanished without FIN or RST is noticed. Ends with the connection.
 */
export function keepAlive(session: Http2Session, clock: Clock, limits: TransportLimits): void {
  let timer: Timer | undefined;
  const pingLater = () => {
    timer = clock.setTimer(limits.pingIntervalMs, ping);
  };
  const ping = () => {
    if (session.destroyed || session.closed) return;
    timer = clock.setTimer(limits.pingTimeoutMs, () => {
      session.destroy(new Error(`no answer to a ping within ${limits.pingTimeoutMs} ms`));
    });
    session.ping(() => {
      timer?.cancel();
      if (!session.destroyed) pingLater();
    });
  };
  session.once("close", () => timer?.cancel());
  pingLater();
}

/** An error in a few words: what caused it, where Node tells; a code where there is no message. */
export function describeError(error: NodeJS.ErrnoException): string {
  if (error.cause instanceof Error) return describeError(error.cause);
  return error.message || error.code || error.name;
}
