// What a replica keeps on a disk, opened in the order in which each part is needed to judge the
// next: the identity, the vote, the log, snapshots, what an island holds. Refuses what does not fit
// together, in one sentence; what is damaged comes back as mending.ts says. Not here: whose process
// may use the folder, and the state machine's own file.
import type { Clock } from "../io/clock.ts";
import type { Disk } from "../io/disk.ts";
import {
  DamageError,
  IdentityStore,
  type IslandLog,
  type LogStore,
  type LogStoreOptions,
  openIslandLog,
  openLogStore,
  SnapshotStore,
  VoteStore,
} from "../storage/index.ts";
import type { Founder } from "./admin-service.ts";
import { removedReason } from "./formation.ts";
import { decodeIdentity, encodeIdentity, newIdentity, type ReplicaIdentity } from "./identity.ts";
import { logFilePollMs, logFileTimeoutMs } from "./limits.ts";
import { membersKnownTo, votersKnownTo } from "./member-table.ts";

/** Where the log's segments are, in the folder. */
const logFolder = "log";
/** And where those are of a life that had to be given up. */
const asideFolder = "log-aside";
/** Whose the folder is to be, while it begins anew. */
const nextIdentityFile = "identity.next";
/** What a server must never forget: without one of these it is another server (decision 11). */
const forgetful: readonly string[] = ["identity", "vote"];

/** A folder that must not be used as asked; the message is a sentence for the operator. */
export class FolderRefusedError extends Error {
  override name = "FolderRefusedError";
}

/** A folder whose server the cluster has removed. */
export class FolderRemovedError extends FolderRefusedError {
  override name = "FolderRemovedError";
}

/** Something in a folder was not as it was written, and what was done about it; a sentence. */
export type FolderFinding = string;

/** Who a folder should belong to. */
export interface FolderOptions {
  /** What messages call the folder. */
  readonly path: string;
  readonly replicaId: number;
  readonly clusterName: string;
  /** A number that no other data folder has ever drawn; used where the folder is new. */
  readonly drawBirthNonce: () => bigint;
  /** Runs work soon, from outside of the call: a piece of a checksum at a time. */
  readonly schedule: (work: () => void) => void;
  readonly log?: LogStoreOptions;
}

/** The open stores of one folder, one process's until `close`. */
export interface ReplicaFolder {
  readonly path: string;
  readonly disk: Disk;
  /** As it is on the disk. */
  readonly identity: ReplicaIdentity;
  readonly log: LogStore;
  readonly votes: VoteStore;
  readonly snapshots: SnapshotStore;
  readonly islandLog: IslandLog;
  /** What was found damaged while it was opened. */
  readonly findings: readonly FolderFinding[];
  /**
   * The folder has begun anew, since what it must never forget was damaged: the state in it is
   * nobody's, and is to be set aside.
   */
  readonly hasBegunAnew: boolean;
  /** Makes a changed identity durable. Throws where it cannot. */
  saveIdentity(identity: ReplicaIdentity): void;
  /** One more of `findings`. */
  noteFinding(finding: FolderFinding): void;
  close(): void;
}

/**
 * Opens a folder or makes it. Throws a FolderRefusedError where it is somebody else's or was
 * removed from its cluster, and the disk's errors. Where the identity or the vote is damaged beyond
 * repair the folder begins anew (docs/decisions/0012).
 */
export function openFolder(disk: Disk, options: FolderOptions): ReplicaFolder {
  const log = { ...options.log, damage: "report" as const };
  const own = { ...options, log };
  const isUnderWay = maybeFinishBeginningAnew(disk);
  const findings = isUnderWay ? ["the folder begins anew, as a newcomer"] : [];
  try {
    return openOwn(disk, own, { findings, hasBegunAnew: isUnderWay });
  } catch (error) {
    // Whatever else cannot be read may be of a later version, and is somebody's.
    if (!(error instanceof DamageError) || !forgetful.includes(error.file)) throw error;
    beginAnew(disk, options, error);
    const finding = `${error.message}; the folder begins anew, as a newcomer`;
    return openOwn(disk, own, { findings: [finding], hasBegunAnew: true });
  }
}

function openOwn(
  disk: Disk,
  options: FolderOptions,
  before: { readonly findings: readonly FolderFinding[]; readonly hasBegunAnew: boolean },
): ReplicaFolder {
  return open(disk, { ...options, ...before }, (store) => {
    const identity = readIdentity(store, options.path) ?? makeIdentity(disk, store, options);
    checkOwner(identity, options);
    return identity;
  });
}

/** Opens a folder that is there, whoever's it is, and heals nothing. Throws as `openFolder`. */
export function openExistingFolder(
  disk: Disk,
  options: Pick<FolderOptions, "path" | "log">,
): ReplicaFolder {
  // Nobody reads its snapshots here, so nobody needs their checksums.
  const schedule = () => {};
  return open(disk, { ...options, schedule }, (store) => {
    const identity = readIdentity(store, options.path);
    if (identity !== undefined) return identity;
    throw new FolderRefusedError(`the data folder ${options.path} was never taken into use`);
  });
}

function open(
  disk: Disk,
  options: Pick<FolderOptions, "path" | "log" | "schedule"> & {
    readonly findings?: readonly FolderFinding[];
    readonly hasBegunAnew?: boolean;
  },
  findIdentity: (store: IdentityStore) => ReplicaIdentity,
): ReplicaFolder {
  const { path, log: logOptions, schedule, hasBegunAnew = false } = options;
  const closers: (() => void)[] = [];
  const close = () => {
    for (const closer of closers.splice(0).reverse()) closer();
  };
  try {
    const findings: FolderFinding[] = [...(options.findings ?? [])];
    const onDamage = (damage: DamageError) => void findings.push(damage.message);
    const identityStore = new IdentityStore(disk, { onMended: onDamage });
    closers.push(() => identityStore.close());
    let identity = findIdentity(identityStore);
    const saveIdentity = (next: ReplicaIdentity) => {
      identityStore.save(encodeIdentity(next));
      identity = next;
    };
    const isFormed = identity.formed !== undefined;
    // Both were durable before the cluster could form (`whenReady`).
    const isLogLost = isFormed && !hasLog(disk);
    if (isLogLost && logOptions?.damage !== "report") {
      throw new FolderRefusedError(`the data folder ${path} is damaged: its log is gone`);
    }
    const votes = new VoteStore(disk, { required: isFormed, onMended: onDamage });
    closers.push(() => votes.close());
    if (isLogLost) {
      saveIdentity({ ...identity, abstains: true, logEpoch: identity.logEpoch + 1 });
      findings.push("the log is gone; what was committed is fetched from the others");
    }
    const log = openLogStore(disk, { folder: logFolder, ...logOptions });
    closers.push(() => log.close());
    const snapshots = new SnapshotStore(disk, { schedule, onDamage });
    closers.push(() => snapshots.close());
    const islandLog = openIslandLog(disk, { onDamage });
    closers.push(() => islandLog.close());
    const noteFinding = (finding: FolderFinding) => void findings.push(finding);
    const stores = { log, votes, snapshots, islandLog, findings };
    const calls = { saveIdentity, noteFinding, close };
    return {
      path,
      disk,
      ...stores,
      hasBegunAnew,
      ...calls,
      get identity() {
        return identity;
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Forgets everything but what an island holds, which is whole by itself: the server comes back as a
 * newcomer under its id, and founds nothing. What it is from now on is durable first, so that a
 * crash on the way is no beginning of its own: the next start goes on from there.
 */
function beginAnew(disk: Disk, options: FolderOptions, damage: DamageError): void {
  const old = readOldIdentity(disk);
  if (old !== undefined) refuseOnlyVoter(old, options.path, damage);
  if (disk.exists(nextIdentityFile)) disk.remove(nextIdentityFile);
  const store = new IdentityStore(disk, { name: nextIdentityFile });
  const contacts = old === undefined ? [] : contactsOf(old);
  store.save(encodeIdentity({ ...ownerOf(options), contacts, returning: true }));
  store.close();
  maybeFinishBeginningAnew(disk);
}

/** True where the folder was about to begin anew; it has then, durably. */
function maybeFinishBeginningAnew(disk: Disk): boolean {
  if (!disk.exists(nextIdentityFile)) return false;
  const store = new IdentityStore(disk, { name: nextIdentityFile });
  const isDecided = store.current() !== undefined;
  store.close();
  if (!isDecided) {
    disk.remove(nextIdentityFile);
    disk.syncFolder("");
    return false;
  }
  setLogAside(disk);
  const snapshots = disk.list("snapshots");
  for (const name of snapshots) disk.remove(`snapshots/${name}`);
  if (snapshots.length > 0) disk.syncFolder("snapshots");
  if (disk.exists("vote")) disk.remove("vote");
  disk.syncFolder("");
  disk.rename(nextIdentityFile, "identity");
  disk.syncFolder("");
  return true;
}

/** Should the others be gone too, somebody may want to look at it. One generation is kept. */
function setLogAside(disk: Disk): void {
  const names = disk.list(logFolder);
  if (names.length === 0) return;
  for (const name of disk.list(asideFolder)) {
    if (!names.includes(name)) disk.remove(`${asideFolder}/${name}`);
  }
  for (const name of names) disk.rename(`${logFolder}/${name}`, `${asideFolder}/${name}`);
  disk.syncFolder(asideFolder);
  disk.syncFolder(logFolder);
}

/** Nobody could take in the only server with a vote, and nobody else has what it has. */
function refuseOnlyVoter(old: ReplicaIdentity, path: string, damage: DamageError): void {
  const voters = votersKnownTo(old);
  if (voters.length !== 1 || voters[0] !== old.replicaId) return;
  throw new FolderRefusedError(
    `the data folder ${path} cannot be used: ${damage.message}, and no other server has a vote: ` +
      "restore a backup, or keep what is left with holdfast recover",
  );
}

/** Whom a server that begins anew may ask to be taken in, by the newest word. */
function contactsOf(old: ReplicaIdentity): Founder[] {
  const known = new Map<number, Founder>();
  const founders = old.formed?.founders ?? [];
  const members = membersKnownTo(old)?.members ?? [];
  for (const one of [...old.contacts, ...founders, ...members]) {
    const { replicaId, birthNonce, peerAddress, clientAddress } = one;
    known.set(replicaId, { replicaId, birthNonce, peerAddress, clientAddress });
  }
  return [...known.values()];
}

function readOldIdentity(disk: Disk): ReplicaIdentity | undefined {
  if (!disk.exists("identity")) return undefined;
  try {
    const store = new IdentityStore(disk);
    const bytes = store.current();
    store.close();
    return bytes === undefined ? undefined : decodeIdentity(bytes);
  } catch (error) {
    if (error instanceof DamageError) return undefined;
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

function ownerOf(options: FolderOptions): ReplicaIdentity {
  const { replicaId, clusterName } = options;
  return newIdentity({ replicaId, birthNonce: options.drawBirthNonce(), clusterName });
}

function makeIdentity(disk: Disk, store: IdentityStore, options: FolderOptions): ReplicaIdentity {
  // The identity is made first: a log without one is somebody's who cannot be known any more.
  if (hasLog(disk)) {
    throw new DamageError({
      file: "identity",
      offset: 0,
      reason: "it is gone, but a log is there",
    });
  }
  const identity = ownerOf(options);
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
  if (identity.removed) {
    throw new FolderRemovedError(
      `server ${identity.replicaId}, whose data folder ${path} is, ${removedReason}: ` +
        "to come back it joins with a new data folder and a token (holdfast join)",
    );
  }
}
