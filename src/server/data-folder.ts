// Opens one data folder: takes its lock, finds out whose it is, and opens the log and the vote, in
// the order in which each is needed to judge the next. Refuses what does not fit together, in one
// sentence. Not here: chat.db.
import { resolve } from "node:path";
import { FolderInUseError, FolderLock, HostDisk } from "../host/index.ts";
import type { Disk } from "../io/disk.ts";
import { decodeIdentity, encodeIdentity, type ReplicaIdentity } from "../replica/index.ts";
import {
  DamageError,
  IdentityStore,
  type LogStore,
  openLogStore,
  VoteStore,
} from "../storage/index.ts";
import { logFilePollMs, logFileTimeoutMs } from "./limits.ts";
import { StartError } from "./start-error.ts";

/** Who the folder should belong to. */
export interface DataFolderOptions {
  readonly folder: string;
  readonly replicaId: number;
  readonly clusterName: string;
  /** Ids of all servers of the cluster, this one's included. */
  readonly memberIds: readonly number[];
  /** A number that no other data folder has ever drawn; used where the folder is new. */
  readonly drawBirthNonce: () => bigint;
}

/** A data folder that is this process's until `close`. */
export interface DataFolder {
  /** Absolute. */
  readonly path: string;
  readonly disk: Disk;
  readonly identity: ReplicaIdentity;
  readonly log: LogStore;
  readonly votes: VoteStore;
  /** Makes a changed identity durable. Throws where it cannot. */
  saveIdentity(identity: ReplicaIdentity): void;
  close(): void;
}

/**
 * Opens the folder or makes it. Throws a StartError where it is taken, damaged or somebody else's.
 */
export function openDataFolder(options: DataFolderOptions): DataFolder {
  return open(resolve(options.folder), (store, path) => {
    const identity = readIdentity(store, path) ?? makeIdentity(store, options);
    checkOwner(identity, path, options);
    return identity;
  });
}

/**
 * Opens a folder that is there, whoever's it is. Throws a StartError where it is taken or damaged.
 */
export function openExistingDataFolder(path: string): DataFolder {
  return open(path, (store) => {
    const identity = readIdentity(store, path);
    if (identity !== undefined) return identity;
    throw new StartError(`the data folder ${path} was never taken into use`);
  });
}

function open(
  path: string,
  findIdentity: (store: IdentityStore, path: string) => ReplicaIdentity,
): DataFolder {
  const closers: (() => void)[] = [];
  const close = () => {
    for (const closer of closers.splice(0).reverse()) closer();
  };
  try {
    const lock = FolderLock.acquire(path);
    closers.push(() => lock.release());
    const disk = new HostDisk(path);
    const identityStore = new IdentityStore(disk);
    closers.push(() => identityStore.close());
    const identity = findIdentity(identityStore, path);
    const isFormed = identity.formed !== undefined;
    // Both were durable before the cluster could form (`whenLogExists`): a server without them has
    // forgotten what it promised.
    if (isFormed && disk.list("log").length === 0) {
      throw new StartError(
        `the data folder ${path} is damaged and must not be used: its log is gone`,
      );
    }
    const votes = new VoteStore(disk, { required: isFormed });
    closers.push(() => votes.close());
    const log = openLogStore(disk);
    closers.push(() => log.close());
    const saveIdentity = (next: ReplicaIdentity) => identityStore.save(encodeIdentity(next));
    return { path, disk, identity, log, votes, saveIdentity, close };
  } catch (error) {
    close();
    throw asStartError(error, path);
  }
}

/**
 * Resolves when the log has its first file, durably. Before that a server must not take part in
 * forming a cluster, so that a formed server without a log is always one that has lost it. Rejects
 * with a StartError where the disk is full.
 */
export async function whenLogExists(folder: DataFolder): Promise<void> {
  const deadlineMs = performance.now() + logFileTimeoutMs;
  let failure: Error | undefined;
  while (folder.disk.list("log").length === 0) {
    // Appending nothing writes nothing, but tells of a log that has failed.
    folder.log.append([], (error) => {
      failure = error;
    });
    if (failure !== undefined) throw asStartError(failure, folder.path);
    if (performance.now() > deadlineMs) {
      throw new StartError(`the disk under ${folder.path} is too slow to make a log there`);
    }
    await new Promise((resolve) => setTimeout(resolve, logFilePollMs));
  }
}

function readIdentity(store: IdentityStore, path: string): ReplicaIdentity | undefined {
  const bytes = store.current();
  if (bytes === undefined) return undefined;
  try {
    return decodeIdentity(bytes);
  } catch (error) {
    throw new StartError(`the data folder ${path} cannot be read: ${(error as Error).message}`);
  }
}

function makeIdentity(store: IdentityStore, options: DataFolderOptions): ReplicaIdentity {
  const identity: ReplicaIdentity = {
    replicaId: options.replicaId,
    birthNonce: options.drawBirthNonce(),
    clusterName: options.clusterName,
    formed: undefined,
  };
  store.save(encodeIdentity(identity));
  return identity;
}

function checkOwner(identity: ReplicaIdentity, path: string, options: DataFolderOptions): void {
  if (identity.clusterName !== options.clusterName) {
    throw new StartError(
      `the data folder ${path} belongs to the cluster \`${identity.clusterName}\`, ` +
        `but \`cluster-name\` is \`${options.clusterName}\``,
    );
  }
  if (identity.replicaId !== options.replicaId) {
    throw new StartError(
      `the data folder ${path} belongs to server ${identity.replicaId}, ` +
        `but \`id\` is ${options.replicaId}`,
    );
  }
  if (identity.formed === undefined) return;
  // With another list this server might take a part of its cluster for the majority, or itself
  // alone for all of it.
  const formedOf = idList(identity.formed.births.map((birth) => birth.replicaId));
  const named = idList(options.memberIds);
  if (formedOf !== named) {
    throw new StartError(
      `the data folder ${path} belongs to a cluster of servers ${formedOf}, ` +
        `but \`members\` names ${named}`,
    );
  }
}

function idList(ids: readonly number[]): string {
  return [...ids].sort((a, b) => a - b).join(", ");
}

/** Damage and failures of the disk as one sentence; bugs as they are. */
export function asStartError(error: unknown, path: string): unknown {
  if (error instanceof FolderInUseError) return new StartError(error.message);
  if (error instanceof DamageError) {
    return new StartError(
      `the data folder ${path} is damaged and must not be used: ${error.message}`,
    );
  }
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof Error && typeof code === "string" && /^E[A-Z]+$/.test(code)) {
    return new StartError(`the data folder ${path} cannot be used: ${error.message}`);
  }
  return error;
}
