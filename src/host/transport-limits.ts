// The bounds of the transport between replicas. All are per transport or per peer.

/**
 * Bounds and intervals of the transport. All have defaults that suit three servers in one or
 * several places.
 */
export interface TransportLimits {
  /**
   * Largest frame, in bytes. A larger one is never sent, and ends the stream that it arrives on.
   */
  readonly frameBytesMax: number;
  /** Largest hello, in bytes: all that a stranger can make this replica read. */
  readonly helloBytesMax: number;
  /** Bytes that may wait for one peer; what would make it more is dropped. */
  readonly peerBufferBytesMax: number;
  /** From the beginning of a call to the callee's hello, in milliseconds. */
  readonly helloDeadlineMs: number;
  /**
   * Pause after the first failed call, in milliseconds; doubles with each one up to
   * `reconnectMaxMs`.
   */
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /**
   * A connection that breaks before this counts as a failed call; after it the next call goes out
   * at once.
   */
  readonly stableAfterMs: number;
  /** Between two HTTP/2 pings on one connection, in milliseconds. */
  readonly pingIntervalMs: number;
  /**
   * A connection whose ping is not answered within this is given up: a peer that vanished without a
   * word.
   */
  readonly pingTimeoutMs: number;
  /** Open sockets from callers, accepted or not. Others wait in vain and call again. */
  readonly callersMax: number;
  /** The same complaint is logged at most once in this many milliseconds. */
  readonly logIntervalMs: number;
}

/** The limits that a server runs with. */
export const defaultTransportLimits: TransportLimits = {
  frameBytesMax: 4 * 1024 * 1024,
  helloBytesMax: 64 * 1024,
  peerBufferBytesMax: 16 * 1024 * 1024,
  helloDeadlineMs: 2000,
  reconnectMinMs: 20,
  reconnectMaxMs: 500,
  stableAfterMs: 1000,
  pingIntervalMs: 1000,
  pingTimeoutMs: 3000,
  callersMax: 64,
  logIntervalMs: 10_000,
};
