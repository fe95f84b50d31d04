// What a replica keeps on a disk, opened in the order in which each part is needed to judge the
// next: the identity, the vote, the log. Refuses what does not fit together, in one sentence. Not
// here: whose process may use the folder, and the state machine's own file.
import type { Clock } from "../io/clock.ts";
import type { Disk } from "../io/disk.ts";
import {
  IdentityStore,
  type LogStore,
  type LogStoreOptions,
  openLogStore,
  VoteStore,
} from "../storage/index.ts";
import { decodeIdentity, encodeIdentity, type ReplicaIdentity } from "./formation.ts";
import { logFilePollMs, logFileTimeoutMs } from "./limits.ts";

/** Where the log's segments are, in the folder. */
const logFolder = "log";

/** A folder that must not be used as asked; the message is a sentence for the operator. */
export class FolderRefusedError extends Error {
  override name = "FolderRefusedError";
}

/** Who a folder should belong to. */
export interface FolderOptions {
  /** What messages call the folder. */
  readonly path: string;
  readonly replicaId: number;
  readonly clusterName: string;
  /** Ids of all servers of the cluster, this one's included. */
  readonly memberIds: readonly number[];
  /** A number that no other data folder has ever drawn; used where the folder is new. */
  readonly drawBirthNonce: () => bigint;
  readonly log?: LogStoreOptions;
}

/** The open stores of one folder, one process's until `close`. */
export interface ReplicaFolder {
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
 * Opens a folder or makes it. Throws a FolderRefusedError where it is somebody else's or parts of
 * it are gone, a DamageError where bytes are not what they were, and the disk's errors.
 */
export function openFolder(disk: Disk, options: FolderOptions): ReplicaFolder {
  return open(disk, options, (store) => {
    const identity = readIdentity(store, options.path) ?? makeIdentity(store, options);
    checkOwner(identity, options);
    return identity;
  });
}

/** Opens a folder that is there, whoever's it is. Throws as `openFolder`. */
export function openExistingFolder(disk: Disk, options: { readonly path: string }): ReplicaFolder {
  return open(disk, options, (store) => {
    const identity = readIdentity(store, options.path);
    if (identity !== undefined) return identity;
    throw new FolderRefusedError(`the data folder ${options.path} was never taken into use`);
  });
}

function open(
  disk: Disk,
  { path, log: logOptions }: { readonly path: string; readonly log?: LogStoreOptions },
  findIdentity: (store: IdentityStore) => ReplicaIdentity,
): ReplicaFolder {
  const closers: (() => void)[] = [];
  const close = () => {
    for (const closer of closers.splice(0).reverse()) closer();
  };
  try {
    const identityStore = new IdentityStore(disk);
    closers.push(() => identityStore.close());
    const identity = findIdentity(identityStore);
    const isFormed = identity.formed !== undefined;
    // Both were durable before the cluster could form (`whenLogExists`): a server without them has
    // forgotten what it promised.
    if (isFormed && !hasLog(disk)) {
      throw new FolderRefusedError(
        `the data folder ${path} is damaged and must not be used: its log is gone`,
      );
    }
    const votes = new VoteStore(disk, { required: isFormed });
    closers.push(() => votes.close());
    const log = openLogStore(disk, { folder: logFolder, ...logOptions });
    closers.push(() => log.close());
    const saveIdentity = (next: ReplicaIdentity) => identityStore.save(encodeIdentity(next));
    return { path, disk, identity, log, votes, saveIdentity, close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Calls back when the log has its first file, durably, or with why that cannot be. Before that a
 * server must not take part in forming a cluster, so that a formed server without a log is always
 * one that has lost it.
 */
export function whenLogExists(
  folder: ReplicaFolder,
  clock: Clock,
  done: (error?: Error) => void,
): void {
  const deadlineMs = clock.monotonicMs() + logFileTimeoutMs;
  let failure: Error | undefined;
  const look = (): void => {
    if (hasLog(folder.disk)) {
      done();
      return;
    }
    // Appending nothing writes nothing, but tells of a log that has failed.
    folder.log.append([], (error) => {
      failure = error;
    });
    if (failure !== undefined) {
      done(failure);
    } else if (clock.monotonicMs() > deadlineMs) {
      const problem = `the disk under ${folder.path} is too slow to make a log there`;
      done(new FolderRefusedError(problem));
    } else {
      clock.setTimer(logFilePollMs, look);
    }
  };
  look();
}

function hasLog(disk: Disk): boolean {
  return disk.list(logFolder).length > 0;
}

function readIdentity(store: IdentityStore, path: string): ReplicaIdentity | undefined {
  const bytes = store.current();
  if (bytes === undefined) return undefined;
  try {
    return decodeIdentity(bytes);
  } catch (error) {
    throw new FolderRefusedError(
      `the data folder ${path} cannot be read: ${(error as Error).message}`,
    );
  }
}

function makeIdentity(store: IdentityStore, options: FolderOptions): ReplicaIdentity {
  const identity: ReplicaIdentity = {
    replicaId: options.replicaId,
    birthNonce: options.drawBirthNonce(),
    clusterName: options.clusterName,
    formed: undefined,
  };
  store.save(encodeIdentity(identity));
  return identity;
}

function checkOwner(identity: ReplicaIdentity, options: FolderOptions): void {
  const { path } = options;
  if (identity.clusterName !== options.clusterName) {
    throw new FolderRefusedError(
      `the data folder ${path} belongs to the cluster \`${identity.clusterName}\`, ` +
        `but \`cluster-name\` is \`${options.clusterName}\``,
    );
  }
  if (identity.replicaId !== options.replicaId) {
    throw new FolderRefusedError(
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
    throw new FolderRefusedError(
      `the data folder ${path} belongs to a cluster of servers ${formedOf}, ` +
        `but \`members\` names ${named}`,
    );
  }
}

function idList(ids: readonly number[]): string {
  return [...ids].sort((a, b) => a - b).join(", ");
}
