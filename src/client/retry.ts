// How long to wait before the next attempt. Pure: attempt in, milliseconds out.
import { backoffMsMax, backoffMsMin, handshakeTimeoutMs, handshakeTimeoutMsMax } from "./limits.ts";

/** What the wait depends on. */
export interface Attempt {
  /** Failures in a row so far. */
  readonly failures: number;
  /** Attempts that follow at once: one for every other server, since each of them may be well. */
  readonly freeAttempts: number;
  /** In [0, 1). */
  readonly chance: number;
}

/**
 * Milliseconds to wait after `failures` failures in a row: none while there are free attempts, then
 * between half and all of a bound that doubles from `backoffMsMin` to `backoffMsMax`. The random
 * half keeps clients that lost the same server from coming back at the same moment.
 */
export function backoffMs({ failures, freeAttempts, chance }: Attempt): number {
  const delayed = failures - freeAttempts;
  if (delayed <= 0) return 0;
  const bound = Math.min(backoffMsMax, backoffMsMin * 2 ** (delayed - 1));
  return Math.round(bound / 2 + (bound / 2) * chance);
}

/**
 * `retryAfterMs` of a server with up to a quarter on top, so that the refused do not all come back
 * together.
 */
export function spreadMs(retryAfterMs: number, chance: number): number {
  return Math.round(retryAfterMs * (1 + chance / 4));
}

/**
 * How long an attempt may take until the welcome. A second while any server may be well, so that a
 * hung one is left soon; twice as long with each round over all servers that failed, for slow
 * networks.
 */
export function handshakeBoundMs(failures: number, servers: number): number {
  const rounds = Math.floor(failures / Math.max(1, servers));
  return Math.min(handshakeTimeoutMsMax, handshakeTimeoutMs * 2 ** Math.min(rounds, 10));
}
