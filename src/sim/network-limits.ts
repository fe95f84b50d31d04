// The bounds and times of the simulated network. Those between servers are what
// src/host/transport-limits.ts runs with, those of sessions what the gateways run with; the rest is
// how the machines' own TCP behaves, and how fast the cables are.

/** Times and bounds of the network. All are overridable, so that a run can meet them often. */
export interface NetworkLimits {
  /** Largest frame between servers, in bytes; a larger one is not sent. */
  readonly frameBytesMax: number;
  /** Bytes that may be under way to one peer; what would make it more is dropped. */
  readonly peerBufferBytesMax: number;
  /** From the beginning of a call to the callee's hello, in milliseconds. */
  readonly helloDeadlineMs: number;
  /** Pause after the first failed call; doubles with each one up to `reconnectMsMax`. */
  readonly reconnectMsMin: number;
  readonly reconnectMsMax: number;
  /** A connection that breaks before this counts as a failed call. */
  readonly stableAfterMs: number;
  /** Between two looks whether the other side of each connection still answers. */
  readonly pingIntervalMs: number;
  /** Silence of a peer after which a connection is given up. */
  readonly pingTimeoutMs: number;
  /** Silence of a client after which a server gives a session up: drawn, up to twice as long. */
  readonly sessionPingIntervalMs: number;
  /** How long a session that has been said goodbye to may take to read it. */
  readonly lingerMs: number;
  /** One way between two servers, in milliseconds; each direction draws its own. */
  readonly peerLatencyMsMin: number;
  readonly peerLatencyMsMax: number;
  /** One way between a client and a server, in milliseconds. */
  readonly clientLatencyMsMin: number;
  readonly clientLatencyMsMax: number;
  /** What was sent into a cut comes at most so long after the mend: TCP's waiting to try again. */
  readonly retransmissionMsMax: number;
  /** How far a frame falls behind that others overtake, or that is doubled. */
  readonly overtakenMsMax: number;
}

/** The limits that hold unless overridden. */
export const defaultNetworkLimits: NetworkLimits = {
  frameBytesMax: 4 * 1024 * 1024,
  peerBufferBytesMax: 16 * 1024 * 1024,
  helloDeadlineMs: 2000,
  reconnectMsMin: 20,
  reconnectMsMax: 500,
  stableAfterMs: 1000,
  pingIntervalMs: 1000,
  pingTimeoutMs: 3000,
  sessionPingIntervalMs: 20_000,
  lingerMs: 5000,
  peerLatencyMsMin: 0.2,
  peerLatencyMsMax: 1,
  clientLatencyMsMin: 0.3,
  clientLatencyMsMax: 3,
  retransmissionMsMax: 1000,
  overtakenMsMax: 50,
};
