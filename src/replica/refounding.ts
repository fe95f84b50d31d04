// A data folder becomes that of a new cluster of one server, with the state that it has: when a
// backup is restored, and when a majority is lost for good (design.md §6). The new cluster has an
// id of its own, so that it never meets the one that it comes from. Each step may be repeated after
// a crash, and none leaves a folder that could vote in either cluster. Not here: whether that
// should be done, and the state machine's own file.
import {
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
  type LogIndex,
} from "../raft/index.ts";
import type { Founder, MemberInfo } from "./admin-service.ts";
import { FolderRefusedError, type ReplicaFolder } from "./folder.ts";
import {
  encodeMembers,
  foundingConfiguration,
  type Members,
  memberOf,
  membersOf,
  withMember,
  withoutMember,
} from "./member-table.ts";
import { contextAt } from "./mending.ts";

/** The members by the newest configuration of a folder's log, committed or not. */
export interface KnownMembers {
  readonly members: readonly MemberInfo[];
  /** Whose votes count; in a joint configuration those of both sides. */
  readonly voters: readonly number[];
}

/** The members that a folder knows of, as far as its log can be read. */
export function knownMembers(folder: ReplicaFolder): KnownMembers {
  const { voters, votersOutgoing, ...rest } = newestConfiguration(folder);
  const { members } = membersOf(rest);
  return { members, voters: [...new Set([...voters, ...votersOutgoing])] };
}

function newestConfiguration(folder: ReplicaFolder): Configuration {
  const { log, identity } = folder;
  const found = decodeConfiguration(contextAt(folder, log.lastIndex()));
  return found ?? foundingConfiguration(identity.formed?.founders ?? []);
}

/** What a new cluster begins with. */
export interface RestoredState {
  /** Drawn for it; not 0. */
  readonly clusterId: bigint;
  readonly self: Founder;
  /** The last entry in the state, and its term. */
  readonly index: LogIndex;
  readonly term: number;
}

/**
 * Makes a new folder, whose state machine has a state from elsewhere already, that of a cluster of
 * its own. Its log goes on behind that state. The caller has saved it as `returning`, so that it
 * could not found an empty cluster meanwhile.
 */
export function foundWithState(
  folder: ReplicaFolder,
  { clusterId, self, index, term }: RestoredState,
  done: (error?: Error) => void,
): void {
  const bytes = encodeConfiguration(foundingConfiguration([self]));
  folder.votes.save({ term, votedFor: 0 });
  folder.log.restart({ index, term, context: bytes }, (error) =>
    attempt(done, error, () =>
      folder.saveIdentity({
        ...folder.identity,
        formed: { clusterId, founders: [self] },
        returning: false,
        configuration: { index, bytes },
      }),
    ),
  );
}

/**
 * Makes a member's folder that of a cluster of its own. Everything in its log counts as committed
 * from then on; the other members are given up and remembered as removed. `appliedIndex`: what its
 * state has. Where the log is damaged or ends before that, it goes on behind what is sure.
 *
 * The identity goes first, with a vote that does not count: a folder that is half done belongs to
 * nobody. The configuration follows as an entry, which counts from the moment that it is in the log
 * (Raft §6); this server is the only one whom it gives a vote, so it commits all before it.
 */
export function foundAnew(
  folder: ReplicaFolder,
  { clusterId, appliedIndex }: { readonly clusterId: bigint; readonly appliedIndex: LogIndex },
  done: (error?: Error) => void,
): void {
  const { identity, log, votes } = folder;
  const self = ownMember(folder);
  const context = encodeMembers(aloneTable(folder, self));
  const { replicaId } = identity;
  const alone = { voters: [replicaId], votersOutgoing: [], learners: [], context };
  const bytes = encodeConfiguration(alone);
  const unfinished = {
    ...identity,
    formed: { clusterId, founders: [self] },
    returning: false,
    abstains: true,
    contacts: [],
  };
  folder.saveIdentity(unfinished);
  log.damage()?.resolve({ index: appliedIndex }, () => bytes);
  const lastIndex = log.lastIndex();
  const term = Math.max(votes.current().term, log.term(lastIndex) ?? 0) + 1;
  votes.save({ term, votedFor: 0 });
  const finish = (index: LogIndex) => (error?: Error) =>
    attempt(done, error, () =>
      folder.saveIdentity({
        ...unfinished,
        abstains: false,
        // Older configurations, which the log still has, say nothing of this cluster.
        joinedIndex: index,
        configuration: { index, bytes },
      }),
    );
  if (appliedIndex > lastIndex) {
    log.restart({ index: appliedIndex, term, context: bytes }, finish(appliedIndex));
  } else {
    const index = lastIndex + 1;
    log.append([{ index, term, kind: "configuration", payload: bytes }], finish(index));
  }
}

function ownMember(folder: ReplicaFolder): Founder {
  const { identity, path } = folder;
  const { members } = membersOf(newestConfiguration(folder));
  const places: readonly Founder[] = [
    ...members,
    ...identity.contacts,
    ...(identity.formed?.founders ?? []),
  ];
  const found = places.find(({ birthNonce }) => birthNonce === identity.birthNonce);
  if (found === undefined) {
    throw new FolderRefusedError(
      `the data folder ${path} does not say where its server is reached`,
    );
  }
  const { replicaId, birthNonce } = identity;
  const { peerAddress, clientAddress } = found;
  return { replicaId, birthNonce, peerAddress, clientAddress };
}

/** This server alone; all others were removed, so that their tokens and ids stay used. */
function aloneTable(folder: ReplicaFolder, self: Founder): Members {
  const table = membersOf(newestConfiguration(folder));
  const known = memberOf(table, self.replicaId);
  const isOwn = known?.birthNonce === self.birthNonce;
  const tokenNonce = isOwn ? known.tokenNonce : 0n;
  let alone: Members = table;
  for (const { replicaId, birthNonce } of table.members) {
    if (birthNonce !== self.birthNonce) alone = withoutMember(alone, replicaId, undefined);
  }
  // Nobody who waits to come back with a new folder is awaited here.
  const removed = alone.removed.map((gone) => ({ ...gone, successor: undefined }));
  const member: MemberInfo = { ...self, tokenNonce, reader: false, away: false };
  return withMember({ ...alone, members: [], removed }, member);
}

/** The last step, where the one before it went well. */
function attempt(done: (error?: Error) => void, error: Error | undefined, step: () => void): void {
  if (error !== undefined) {
    done(error);
    return;
  }
  try {
    step();
  } catch (problem) {
    done(problem instanceof Error ? problem : new Error(String(problem)));
    return;
  }
  done();
}
