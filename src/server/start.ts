// Starts one server: data folder, chat state, replica, gateway, in this order, and closes them in
// the opposite one. The only place that knows all floors. Not here: signals and exit codes
// (run.ts).
import { randomBytes, randomInt } from "node:crypto";
import { join } from "node:path";
import { isCorruption } from "../base/sql-error.ts";
import type { ChatEvent, ChatOutcome } from "../chat/index.ts";
import { createGateway, ensureTokenKey } from "../gateways/index.ts";
import { createHostTransport, HostClock } from "../host/index.ts";
import type { Transport } from "../io/transport.ts";
import { Replica, type ReplicaTimings } from "../replica/index.ts";
import { type MendedChatState, openChatState } from "./chat-state.ts";
import type { ServerConfig } from "./config.ts";
import { type DataFolder, openDataFolder } from "./data-folder.ts";
import { isMachineFailure } from "./fatal.ts";
import { limitSettings } from "./limit-settings.ts";
import { goodbyeGraceMs } from "./limits.ts";
import type { Logger } from "./logger.ts";
import { writeOperatorToken } from "./operator-token.ts";
import { readPoison, removePoison, writePoison } from "./poison.ts";
import { StartError } from "./start-error.ts";
import { version } from "./version.ts";

/** A server that serves, or is on its way to. */
export interface RunningServer {
  readonly id: number;
  /** Where clients reach it, `http://host:port`. */
  readonly clientAddress: string;
  /** Where it listens for the other servers, `host:port`. */
  readonly peerAddress: string;
  /**
   * Says goodbye to clients, hands over leadership, lets go of everything. Harmless a second time.
   */
  close(): Promise<void>;
}

/** What starting needs beside the configuration. */
export interface StartOptions {
  readonly logger: Logger;
  /** The server has stopped for good; called at most once. The process must end. */
  readonly onFatal: (error: Error) => void;
  /** It must be closed and started again: the disk holds another state now. */
  readonly onRestart: (reason: string) => void;
  /** The cluster has removed it: it must be closed, and never be started again. */
  readonly onRemoved: (condition: string) => void;
}

type ChatReplica = Replica<ChatOutcome, ChatEvent>;

/**
 * Starts a server. Rejects with a StartError where something outside is in the way; nothing is left
 * open then.
 */
export async function startServer(
  config: ServerConfig,
  options: StartOptions,
): Promise<RunningServer> {
  const closers: (() => Promise<void> | void)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const id = await openAll(config, options, closers);
    return { id, clientAddress: config.clientAddress, peerAddress: config.peerAddress, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openAll(
  config: ServerConfig,
  options: StartOptions,
  closers: (() => Promise<void> | void)[],
): Promise<number> {
  const { logger, onFatal } = options;
  const clock = new HostClock();
  const folder = openDataFolder({
    folder: config.data,
    replicaId: config.isIdGiven ? config.id : undefined,
    newReplicaId: config.id,
    clusterName: config.clusterName,
    drawBirthNonce: drawNonce,
  });
  closers.push(() => folder.close());
  refusePoison(folder.path, logger);
  const state = await openChatState(folder, onFatal);
  closers.push(() => state.close());
  for (const finding of state.findings) logger.warn({ finding }, "damage was found and mended");
  const { chat } = state;
  const transport = createHostTransport({
    host: config.peerHost,
    port: config.peerPort,
    clock,
    logger,
  });
  closers.push(() => transport.close());
  await listen(() => transport.listen(), {
    what: "servers",
    host: config.peerHost,
    port: config.peerPort,
  });
  const replica = createReplica({ config, options, clock, folder, state, transport });
  closers.push(() => replica.stop());
  const { admin, island } = replica;
  const limits = limitsOf(config);
  const gateway = createGateway({ replica, admin, island, chat, clock, logger, limits });
  closers.push(() => gateway.close({ graceMs: goodbyeGraceMs }));
  const { clientHost, clientPort } = config;
  await listen(() => gateway.listen({ host: clientHost, port: clientPort }), {
    what: "clients",
    host: clientHost,
    port: clientPort,
  });
  replica.start();
  // First of all, while clients are still served: another leads before this one is gone.
  closers.push(() => new Promise<void>((resolve) => replica.depart(resolve)));
  const stopKey = ensureTokenKey({
    clock,
    leads: () => replica.leads,
    hasTokenKey: () => chat.tokenKey() !== undefined,
    propose: (command, done) => replica.propose(command, done),
    randomBytes: (length) => randomBytes(length),
  });
  closers.push(stopKey);
  closers.push(writeOperatorToken(folder.path, { clock, logger, tokenKey: () => chat.tokenKey() }));
  logger.info(
    { clients: config.clientAddress, peers: config.peerAddress, data: folder.path, version },
    "started",
  );
  return folder.identity.replicaId;
}

function drawNonce(): bigint {
  return randomBytes(8).readBigUInt64LE() | 1n;
}

function createReplica(parts: {
  readonly config: ServerConfig;
  readonly options: StartOptions;
  readonly clock: HostClock;
  readonly folder: DataFolder;
  readonly state: MendedChatState;
  readonly transport: Transport;
}): ChatReplica {
  const { config, options, clock, folder, state, transport } = parts;
  const { logger, onFatal } = options;
  return new Replica({
    identity: state.identity,
    members: config.areMembersGiven
      ? config.members
      : [{ replicaId: state.identity.replicaId, peerAddress: config.advertisedPeerAddress }],
    peerAddress: config.advertisedPeerAddress,
    clientAddress: config.clientAddress,
    version,
    timings: timingsOf(config),
    sizes: { checkpointBytes: config.checkpointBytes, logKeepBytes: config.logKeepBytes },
    seed: randomInt(2 ** 32),
    clock,
    transport,
    log: folder.log,
    votes: { load: () => folder.votes.current(), save: (vote) => folder.votes.save(vote) },
    stateMachine: state.chat,
    state: state.store,
    snapshots: folder.snapshots,
    islandLog: folder.islandLog,
    drawNonce,
    saveIdentity: (identity) => folder.saveIdentity(identity),
    freeBytes: () => folder.disk.freeBytes(),
    onNote: ({ level, message, fields }) => logger[level](fields, message),
    onRestart: options.onRestart,
    onRemoved: options.onRemoved,
    onFatal: ({ error, poisonIndex }) => {
      // A damaged state is mended by the next start.
      if (isCorruption(error)) options.onRestart(`the chat state is damaged: ${error.message}`);
      else if (poisonIndex !== undefined && !isMachineFailure(error)) {
        const stack = error.stack ?? "";
        writePoison(folder.path, { index: poisonIndex, error: error.message, stack, version });
      }
      if (!isCorruption(error)) onFatal(error);
    },
  });
}

/**
 * The settings in milliseconds as the replica counts them, in ticks; a part of a tick counts as
 * one.
 */
function timingsOf(config: ServerConfig): ReplicaTimings {
  const ticks = (ms: number) => Math.ceil(ms / config.tickMs);
  return {
    tickMs: config.tickMs,
    heartbeatIntervalTicks: ticks(config.heartbeatMs),
    electionTimeoutTicksMin: ticks(config.electionMinMs),
    electionTimeoutTicksMax: ticks(config.electionMaxMs),
    liveTimeoutMs: config.liveTimeoutMs,
    islandAfterMs: config.islandAfterMs,
    survival: config.survival,
    proposalTimeoutMs: config.proposalTimeoutMs,
    acks: config.acks,
  };
}

/** The gateway's limits among the settings. */
function limitsOf(config: ServerConfig) {
  const keys = Object.keys(limitSettings) as (keyof typeof limitSettings)[];
  return Object.fromEntries(keys.map((key) => [key, config[key]]));
}

/** Opens a port; a StartError where it cannot be had. */
async function listen(
  open: () => Promise<unknown>,
  place: { readonly what: string; readonly host: string; readonly port: number },
): Promise<void> {
  try {
    await open();
  } catch (error) {
    throw new StartError(listenFailure(error as NodeJS.ErrnoException, place));
  }
}

function listenFailure(
  error: NodeJS.ErrnoException,
  { what, host, port }: { what: string; host: string; port: number },
): string {
  const where = `port ${port} at ${host}, where this server listens for ${what},`;
  const code = error.code ?? (error.cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === "EADDRINUSE") return `${where} is in use by another process`;
  if (code === "EACCES") return `${where} may not be opened by this user`;
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") return `${where} is not of this machine`;
  return `${where} cannot be opened: ${error.message}`;
}

function refusePoison(folder: string, logger: Logger): void {
  const poison = readPoison(folder);
  if (poison === undefined) return;
  if (poison.version === version) {
    throw new StartError(
      `entry ${poison.index} broke this build (${version}) before: ${poison.error}; ` +
        `start a mended build, or remove ${join(folder, "poison.json")} to try again`,
    );
  }
  logger.warn({ index: poison.index, broke: poison.version }, "an entry broke another build");
  removePoison(folder);
}
