// Every limit of the client port, with its unit, default and sensible range. What is not here is
// not bounded by the gateways: message sizes, names and pages have their limits in the chat floor.

/** The limits of one gateway. All can be overridden when the gateway is made. */
export interface GatewayLimits {
  /**
   * Open sockets; further ones get a 503 and are closed. Default 10,000; each costs about 50 KiB.
   */
  readonly connectionsMax: number;
  /** Open sockets from one address (IPv6: from one /64). Default 4,096. */
  readonly connectionsPerAddressMax: number;
  /** From accepting a socket to its first bytes. Default 10,000; 1,000–60,000. */
  readonly firstByteTimeoutMs: number;
  /** From the first byte of an HTTP/1.1 request to the end of its headers. Default 10,000. */
  readonly headersTimeoutMs: number;
  /**
   * From the first byte of a request to the end of its body; session streams are exempt. Default
   * 30,000.
   */
  readonly requestTimeoutMs: number;
  /** How long a connection without a request stays open. Default 60,000. */
  readonly idleTimeoutMs: number;
  /** Bytes of one request's headers. Default 16,384. */
  readonly headerBytesMax: number;
  /** Streams that one HTTP/2 connection may have open. Default 128. */
  readonly http2StreamsMax: number;
  /** Bytes of one frame or request body. Default 1 MiB, which clients rely on. */
  readonly frameBytesMax: number;
  /** Size at which a joined frame to a client is closed and the next one begun. Default 256 KiB. */
  readonly frameBytesTarget: number;
  /** From opening a session stream to its hello. Default 10,000. */
  readonly helloTimeoutMs: number;
  /**
   * Requests of one session that wait for an answer, and requests in one frame. Default 1,024; over
   * it: OVERLOADED.
   */
  readonly requestsInFlightMax: number;
  /**
   * Bytes that wait for one session's client to read. Default 4 MiB; over it the session is cut
   * off.
   */
  readonly sessionQueueBytesMax: number;
  /** How long a session that has been said goodbye to may take to read it. Default 5,000. */
  readonly lingerMs: number;
  /**
   * Between two pings to a session's client; one that misses a whole interval is cut off. Default
   * 20,000.
   */
  readonly pingIntervalMs: number;
  /**
   * Missed events that are replayed to a returning client; over it: recovered = false. Default
   * 10,000.
   */
  readonly replayEventsTotalMax: number;
  /** Bytes of missed events that are replayed. Default 2 MiB; below sessionQueueBytesMax. */
  readonly replayBytesMax: number;
  /**
   * Missed events that are read in one turn. Default 256; at most the chat floor's replayEventsMax.
   */
  readonly replayPageEvents: number;
  /**
   * Replays that run at once. Default 8: bounds memory at 8 × replayBytesMax when everybody comes
   * back.
   */
  readonly replaysMax: number;
  /** Time that queries may take of one turn, so that nothing else waits longer. Default 4. */
  readonly queryTurnMs: number;
  /** Queries of all clients that wait for their turn. Default 20,000. */
  readonly queriesWaitingMax: number;
  /**
   * How long a read with `at_least_position`, a token or a cursor waits for this server. Default
   * 2,000.
   */
  readonly positionWaitMs: number;
  /**
   * How long a log-in, or a room that is not known here, waits for a linearizable read. Default
   * 1,000.
   */
  readonly readWaitMs: number;
  /**
   * Password hashes that are computed at once; the thread pool has four threads, the disk needs
   * some. Default 2.
   */
  readonly hashesMax: number;
  /** Register and LogIn calls that wait for a hash. Default 64, about a second of work. */
  readonly hashesWaitingMax: number;
  /**
   * Register and LogIn calls that one address may make at once, and how many it regains a second.
   * Default 200, 10.
   */
  readonly accountBurstPerAddress: number;
  readonly accountPerSecondPerAddress: number;
  /**
   * Register and LogIn calls for one username at once, and how many it regains a second. Default
   * 20, 0.5.
   */
  readonly accountBurstPerUsername: number;
  readonly accountPerSecondPerUsername: number;
  /**
   * Addresses and usernames whose rate is remembered; the one longest unused is forgotten. Default
   * 10,000.
   */
  readonly rateKeysMax: number;
  /**
   * Verified tokens that are remembered, so that a unary call costs no signature check. Default
   * 10,000.
   */
  readonly tokensRememberedMax: number;
  /** Backups that are taken from this server at once; each holds a snapshot open. Default 2. */
  readonly backupsMax: number;
  /** How long a backup waits for its caller to take a piece before it ends. Default 60,000. */
  readonly backupStallMs: number;
  /** How often the list of servers is looked at, to tell clients of changes. Default 1,000. */
  readonly serversPollMs: number;
  /** Milliseconds that an overloaded or unavailable server asks a client to wait. Default 200. */
  readonly retryAfterMs: number;
}

/** The limits that hold unless overridden. */
export const defaultGatewayLimits: GatewayLimits = {
  connectionsMax: 10_000,
  connectionsPerAddressMax: 4_096,
  firstByteTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
  headerBytesMax: 16_384,
  http2StreamsMax: 128,
  frameBytesMax: 1_048_576,
  frameBytesTarget: 262_144,
  helloTimeoutMs: 10_000,
  requestsInFlightMax: 1_024,
  sessionQueueBytesMax: 4_194_304,
  lingerMs: 5_000,
  pingIntervalMs: 20_000,
  replayEventsTotalMax: 10_000,
  replayBytesMax: 2_097_152,
  replayPageEvents: 256,
  replaysMax: 8,
  queryTurnMs: 4,
  queriesWaitingMax: 20_000,
  positionWaitMs: 2_000,
  readWaitMs: 1_000,
  hashesMax: 2,
  hashesWaitingMax: 64,
  accountBurstPerAddress: 200,
  accountPerSecondPerAddress: 10,
  accountBurstPerUsername: 20,
  accountPerSecondPerUsername: 0.5,
  rateKeysMax: 10_000,
  tokensRememberedMax: 10_000,
  backupsMax: 2,
  backupStallMs: 60_000,
  serversPollMs: 1_000,
  retryAfterMs: 200,
};
