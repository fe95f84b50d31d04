// A cluster whose majority is lost for good goes on from one surviving folder (design.md §6): what
// that folder has, and then the deed, by which it becomes a new cluster of one. The server is
// stopped. Not here: how the folder is changed (replica/refounding.ts).
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { toHex64 } from "../base/bytes.ts";
import { commandsPerEntryMax } from "../base/position.ts";
import { countStored, type StoredCounts, storedMessages } from "../chat/index.ts";
import { HostStateFiles } from "../host/index.ts";
import { foundAnew, knownMembers, type MemberInfo } from "../replica/index.ts";
import { chatFileName, whenFolderReady } from "./chat-state.ts";
import { asStartError, type DataFolder, openExistingDataFolder } from "./data-folder.ts";
import {
  type FolderContents,
  type LogTail,
  readFolderContents,
  readHeldMessage,
} from "./folder-contents.ts";
import { findPresent, type PresentServer } from "./presence.ts";
import { StartError } from "./start-error.ts";

/** A message that only this folder can vouch for. */
export interface UnsureMessage {
  /** In the log behind the state, or held by an island. */
  readonly standing: "tail" | "held";
  readonly room: string;
  readonly author: string;
  readonly body: string;
  /** Cluster time. */
  readonly writtenMs: number;
}

/** What to recover, and how. */
export interface RecoverOptions {
  readonly folder: string;
  /** False: only tells what would be. */
  readonly isMeant: boolean;
  /** Goes on although other servers of the cluster answer. */
  readonly isForced: boolean;
  /** Called for each message of the tail and of the island. */
  readonly onMessage?: (message: UnsureMessage) => void;
}

/** What a folder has, and what became of it. */
export interface Recovery {
  readonly folder: string;
  readonly serverId: number;
  readonly clusterName: string;
  /** 16 hexadecimal digits: of the cluster that is given up. */
  readonly clusterId: string;
  /** Of the new one; empty where nothing was done. */
  readonly newClusterId: string;
  /** So far the log was committed for sure. */
  readonly appliedIndex: number;
  /** The last entry, and its term: of several folders that with the highest term, then index. */
  readonly lastIndex: number;
  /** 0 where it is not known. */
  readonly lastTerm: number;
  readonly lastStampMs: number;
  readonly tail: LogTail;
  /** Items of an island that are neither in the state nor in the tail. */
  readonly heldItems: number;
  /** Cluster time of the oldest of them; 0 where there is none. */
  readonly heldSinceMs: number;
  /** With the tail. */
  readonly counts: StoredCounts;
  /** All other members. */
  readonly givenUp: readonly MemberInfo[];
  /** It had a vote: whoever acknowledged something may have counted on it. */
  readonly isVoter: boolean;
  /** Where its log ended before the entry that added it, or it was fetching what it had lost. */
  readonly isBehind: boolean;
  /** Entries from here on are lost by damage; 0 where none is. */
  readonly lostFrom: number;
  /** What was found damaged, a sentence each. */
  readonly findings: readonly string[];
  /** Servers of the cluster, or of one of its name, that answer. */
  readonly present: readonly PresentServer[];
  /** It has the only vote and is whole: there is nothing to recover. */
  readonly isAlone: boolean;
}

/**
 * Recovers, or tells what that would come to. Rejects with a StartError where it would destroy
 * something or there is nothing to go on from; nothing has changed then. May be repeated after a
 * crash.
 */
export async function recoverFolder(options: RecoverOptions): Promise<Recovery> {
  const path = resolve(options.folder);
  if (!existsSync(join(path, "identity"))) {
    throw new StartError(`${path} is not the data folder of a server`);
  }
  const folder = openExistingDataFolder(path, { damage: "report" });
  try {
    refuseStrange(folder);
    await whenFolderReady(folder);
    const contents = await readFolderContents(folder);
    try {
      const recovery = await describe(folder, contents);
      if (options.onMessage !== undefined) tellUnsure(contents, options.onMessage);
      if (!options.isMeant || recovery.isAlone) return recovery;
      if (!options.isForced) refusePresent(recovery);
      const newClusterId = await change(folder, contents);
      return { ...recovery, newClusterId };
    } finally {
      await contents.close();
    }
  } catch (error) {
    throw asStartError(error, path);
  } finally {
    folder.close();
  }
}

function refuseStrange({ identity, path }: DataFolder): void {
  const name = `server ${identity.replicaId}, whose data folder ${path} is,`;
  if (identity.formed === undefined) {
    throw new StartError(`the data folder ${path} belongs to no cluster yet: it holds nothing`);
  }
  if (!identity.removed) return;
  throw new StartError(
    `${name} was removed from its cluster: others went on without it. What only it has goes to ` +
      "their cluster with holdfast import-lost",
  );
}

async function describe(folder: DataFolder, contents: FolderContents): Promise<Recovery> {
  const { identity, log, path } = folder;
  const { appliedIndex, stateProblem, lastIndex, lostFrom, findings, held } = contents;
  const { members, voters } = knownMembers(folder);
  const givenUp = members.filter(({ birthNonce }) => birthNonce !== identity.birthNonce);
  const clusterId = toHex64(identity.formed?.clusterId ?? 0n);
  const isOnlyVoter = voters.length === 1 && voters[0] === identity.replicaId;
  const isWhole = stateProblem === "" && findings.length === 0 && !identity.abstains;
  return {
    folder: path,
    serverId: identity.replicaId,
    clusterName: identity.clusterName,
    clusterId,
    newClusterId: "",
    appliedIndex,
    lastIndex: Math.max(lastIndex, appliedIndex),
    lastTerm: log.term(lastIndex) ?? 0,
    lastStampMs: contents.lastStampMs,
    tail: contents.tail,
    heldItems: held.length,
    heldSinceMs: Number(held.map(({ timestampMs }) => timestampMs).sort(byTime)[0] ?? 0n),
    counts: countStored(contents.database),
    givenUp,
    isVoter: voters.includes(identity.replicaId),
    isBehind: identity.abstains || log.lastIndex() < identity.joinedIndex,
    lostFrom: lostFrom ?? 0,
    findings: [...(stateProblem === "" ? [] : [stateProblem]), ...findings, ...folder.findings],
    present: await findRelatives(folder, givenUp),
    isAlone: isOnlyVoter && isWhole,
  };
}

/** Of this cluster, or of its name: somebody may have recovered it from another folder. */
async function findRelatives(
  { identity }: DataFolder,
  givenUp: readonly MemberInfo[],
): Promise<PresentServer[]> {
  const { contacts, formed, birthNonce, clusterName } = identity;
  const known = [...givenUp, ...contacts, ...(formed?.founders ?? [])];
  const others = known.filter((server) => server.birthNonce !== birthNonce);
  const found = await findPresent(others.map(({ clientAddress }) => clientAddress));
  const clusterId = toHex64(formed?.clusterId ?? 0n);
  return found.filter((one) => one.clusterId === clusterId || one.clusterName === clusterName);
}

function refusePresent({ present, clusterId }: Recovery): void {
  const [first] = present;
  if (first === undefined) return;
  const where = `server ${first.replicaId} at ${first.address} answers`;
  if (first.clusterId === clusterId) {
    throw new StartError(
      `${where}: the cluster is not lost, or not all of it. Start this server, and the others; ` +
        "a recovery would split it in two. Only if that server must be given up, too: stop it, " +
        "or say --force",
    );
  }
  throw new StartError(
    `${where} for another cluster of this name (${first.clusterId}): it was recovered from ` +
      "another folder, it seems. What only this folder has goes there with holdfast import-lost; " +
      "--force makes a second cluster all the same",
  );
}

function tellUnsure(
  { database, chat, appliedIndex, held }: FolderContents,
  tell: (message: UnsureMessage) => void,
): void {
  for (const message of storedMessages(database)) {
    if (entryOf(message.position) <= appliedIndex) continue;
    const { roomName: room, authorUsername: author, body, writtenMs } = message;
    tell({ standing: "tail", room, author, body, writtenMs });
  }
  for (const item of held) {
    const message = readHeldMessage(chat, item);
    if (message === undefined) continue;
    const { roomName: room, authorUsername: author, body, writtenMs } = message;
    tell({ standing: "held", room, author, body, writtenMs });
  }
}

function byTime(a: bigint, b: bigint): number {
  return Number(a - b);
}

/** Of a position in the log. */
function entryOf(position: number): number {
  return Math.floor(position / commandsPerEntryMax);
}

/** A snapshot on its way into the place of chat.db. */
const passingFile = "recovered.snap";

/** The state is put in order first, since the folder must be whole when its identity says so. */
async function change(folder: DataFolder, contents: FolderContents): Promise<string> {
  const { appliedIndex, stateProblem, snapshot } = contents;
  const files = new HostStateFiles(join(folder.path, chatFileName));
  if (snapshot !== undefined) {
    copyFileSync(snapshot, join(folder.path, passingFile));
    files.replaceWith(passingFile);
  } else if (stateProblem !== "") {
    files.setAside();
  }
  // 0 would stand for none.
  const clusterId = randomBytes(8).readBigUInt64LE() || 1n;
  const { promise, resolve: succeed, reject } = Promise.withResolvers<void>();
  foundAnew(folder, { clusterId, appliedIndex }, (error) => {
    if (error === undefined) succeed();
    else reject(error);
  });
  await promise;
  return toHex64(clusterId);
}
