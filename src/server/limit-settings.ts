// The limits of the client port that an operator may set; the names are those of the gateways'
// limits.
import { integer, number } from "./setting.ts";

/** Sockets and requests. */
const connectionLimits = {
  connectionsMax: integer({
    description: "Open client connections; further ones are answered 503.",
    default: 10_000,
    min: 1,
    max: 1_000_000,
  }),
  connectionsPerAddressMax: integer({
    description: "Open client connections from one address (IPv6: one /64).",
    default: 4_096,
    min: 1,
    max: 1_000_000,
  }),
  firstByteTimeoutMs: integer({
    description: "How long a new connection may be silent.",
    unit: "ms",
    default: 10_000,
    min: 100,
    max: 600_000,
  }),
  headersTimeoutMs: integer({
    description: "How long the headers of a request may take.",
    unit: "ms",
    default: 10_000,
    min: 100,
    max: 600_000,
  }),
  requestTimeoutMs: integer({
    description: "How long a whole request may take to arrive; sessions are exempt.",
    unit: "ms",
    default: 30_000,
    min: 100,
    max: 3_600_000,
  }),
  idleTimeoutMs: integer({
    description: "How long a connection without a request stays open.",
    unit: "ms",
    default: 60_000,
    min: 1_000,
    max: 3_600_000,
  }),
  helloTimeoutMs: integer({
    description: "How long a session may take to say who it is.",
    unit: "ms",
    default: 10_000,
    min: 100,
    max: 600_000,
  }),
  pingIntervalMs: integer({
    description: "Between two pings to a session; one that misses a whole interval is cut off.",
    unit: "ms",
    default: 20_000,
    min: 100,
    max: 600_000,
  }),
} as const;

/** Sessions and what waits for them. */
const sessionLimits = {
  requestsInFlightMax: integer({
    description: "Requests of one session that wait for an answer.",
    default: 1_024,
    min: 1,
    max: 65_536,
  }),
  sessionQueueBytesMax: integer({
    description: "What may wait for one session's client to read; over it the session is cut off.",
    unit: "bytes",
    default: 4_194_304,
    min: 1_310_720,
    max: 1_073_741_824,
  }),
  replayBytesMax: integer({
    description:
      "Missed events that are replayed to a session. Less than `session-queue-bytes-max`.",
    unit: "bytes",
    default: 2_097_152,
    min: 0,
    max: 1_073_741_823,
  }),
  replayEventsTotalMax: integer({
    description: "The same as a number of events.",
    default: 10_000,
    min: 0,
    max: 1_000_000,
  }),
  positionWaitMs: integer({
    description: "How long a read waits for this server to reach the position it asks for.",
    unit: "ms",
    default: 2_000,
    min: 0,
    max: 60_000,
  }),
  readWaitMs: integer({
    description: "How long a log-in waits for the leader to confirm what this server knows.",
    unit: "ms",
    default: 1_000,
    min: 0,
    max: 60_000,
  }),
} as const;

/** Registering and logging in, which cost a password hash each. */
const accountLimits = {
  hashesMax: integer({
    description: "Password hashes that are computed at once.",
    default: 2,
    min: 1,
    max: 64,
  }),
  hashesWaitingMax: integer({
    description: "Registrations and log-ins that wait for their turn.",
    default: 64,
    min: 1,
    max: 10_000,
  }),
  accountBurstPerAddress: integer({
    description: "Registrations and log-ins that one address may make at once.",
    default: 200,
    min: 1,
    max: 1_000_000,
  }),
  accountPerSecondPerAddress: number({
    description: "How many of them it regains a second.",
    default: 10,
    min: 0.001,
    max: 1_000_000,
  }),
  accountBurstPerUsername: integer({
    description: "Registrations and log-ins for one username at once.",
    default: 20,
    min: 1,
    max: 1_000_000,
  }),
  accountPerSecondPerUsername: number({
    description: "How many of them it regains a second.",
    default: 0.5,
    min: 0.001,
    max: 1_000_000,
  }),
} as const;

/** All of them, in the order in which they are shown. */
export const limitSettings = { ...connectionLimits, ...sessionLimits, ...accountLimits } as const;
