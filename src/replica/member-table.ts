// Who the ids of a configuration are (docs/decisions/0011): the context that every configuration
// carries, as values and as bytes, and the tables that follow from a change. Pure; whether a change
// may be is members.ts's matter.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Member,
  type MemberTable,
  MemberTableSchema,
} from "../proto/gen/cluster/v1/peer_pb.js";
import { type Configuration, decodeConfiguration } from "../raft/index.ts";
import type { Founder, MemberInfo } from "./admin-service.ts";
import type { ReplicaIdentity } from "./identity.ts";
import { removedMembersMax } from "./limits.ts";

/** Somebody who was a member. */
export interface RemovedInfo {
  readonly replicaId: number;
  readonly birthNonce: bigint;
  readonly tokenNonce: bigint;
  /** The same server with a new data folder, to be added next; undefined for none. */
  readonly successor: MemberInfo | undefined;
}

/** The members of a configuration, by id, and who was removed. */
export interface Members {
  readonly members: readonly MemberInfo[];
  /** Newest last, at most removedMembersMax. */
  readonly removed: readonly RemovedInfo[];
  /** The id that the next member gets unless it names one. */
  readonly nextId: number;
}

/** The table of the configuration before the first entry. */
export function foundingMembers(founders: readonly Founder[]): Members {
  const members = founders.map((founder) => ({
    ...founder,
    tokenNonce: 0n,
    reader: false,
    away: false,
  }));
  return sorted({ members, removed: [], nextId: nextIdAfter(members, 1) });
}

/** The configuration before the first entry; all founders vote. */
export function foundingConfiguration(founders: readonly Founder[]): Configuration {
  const voters = founders.map(({ replicaId }) => replicaId).sort((a, b) => a - b);
  const context = encodeMembers(foundingMembers(founders));
  return { voters, votersOutgoing: [], learners: [], context };
}

/** With one more; it takes the place of nobody. */
export function withMember(table: Members, member: MemberInfo): Members {
  const members = [...table.members, member];
  const { removed } = withoutSuccessor(table, member.replicaId);
  return sorted({ members, removed, nextId: nextIdAfter(members, table.nextId) });
}

/** Nobody is to be added next under this id: somebody was, or is not to be any more. */
export function withoutSuccessor(table: Members, replicaId: number): Members {
  const removed = table.removed.map((gone) =>
    gone.successor?.replicaId === replicaId ? { ...gone, successor: undefined } : gone,
  );
  return { ...table, removed };
}

/** Without this one. `successor`: its new data folder, which is to be added next. */
export function withoutMember(
  table: Members,
  replicaId: number,
  successor: MemberInfo | undefined,
): Members {
  const gone = table.members.filter((member) => member.replicaId === replicaId);
  const removed = gone.map(({ birthNonce, tokenNonce }) => ({
    replicaId,
    birthNonce,
    tokenNonce,
    successor,
  }));
  return {
    members: table.members.filter((member) => member.replicaId !== replicaId),
    removed: [...table.removed, ...removed].slice(-removedMembersMax),
    nextId: table.nextId,
  };
}

/** With some members' fields changed. */
export function withChanged(
  table: Members,
  replicaIds: readonly number[],
  change: Partial<Pick<MemberInfo, "reader" | "away" | "peerAddress" | "clientAddress">>,
): Members {
  const members = table.members.map((member) =>
    replicaIds.includes(member.replicaId) ? { ...member, ...change } : member,
  );
  return { ...table, members };
}

function sorted(table: Members): Members {
  return { ...table, members: [...table.members].sort((a, b) => a.replicaId - b.replicaId) };
}

function nextIdAfter(members: readonly Founder[], nextId: number): number {
  return members.reduce((next, { replicaId }) => Math.max(next, replicaId + 1), nextId);
}

/** The member with this id. */
export function memberOf(table: Members, replicaId: number): MemberInfo | undefined {
  return table.members.find((member) => member.replicaId === replicaId);
}

/** The table as a message, for hellos. */
export function membersToWire(table: Members): MemberTable {
  return create(MemberTableSchema, {
    members: table.members.map((member) => ({ ...member })),
    removed: table.removed.map(({ successor, ...gone }) => ({
      ...gone,
      ...(successor === undefined ? {} : { successor: { ...successor } }),
    })),
    nextId: table.nextId,
  });
}

/** The table that a message holds. */
export function membersFromWire(wire: MemberTable): Members {
  return {
    members: wire.members.map(memberFromWire),
    removed: wire.removed.map((gone) => ({
      replicaId: gone.replicaId,
      birthNonce: gone.birthNonce,
      tokenNonce: gone.tokenNonce,
      successor: gone.successor === undefined ? undefined : memberFromWire(gone.successor),
    })),
    nextId: wire.nextId,
  };
}

/** One member of such a message. */
export function memberFromWire(wire: Member): MemberInfo {
  const { replicaId, birthNonce, peerAddress, clientAddress, tokenNonce, reader, away } = wire;
  return { replicaId, birthNonce, peerAddress, clientAddress, tokenNonce, reader, away };
}

/** The context of a configuration. */
export function encodeMembers(table: Members): Uint8Array {
  return toBinary(MemberTableSchema, membersToWire(table));
}

/** Asked for on every tick: contexts are never changed in place, so each is decoded once. */
const decoded = new WeakMap<Uint8Array, Members>();

/**
 * The table of a configuration; throws on bytes that are none: a leader of this cluster made it.
 */
export function membersOf({ context }: Pick<Configuration, "context">): Members {
  let table = decoded.get(context);
  if (table === undefined) {
    table = membersFromWire(fromBinary(MemberTableSchema, context));
    decoded.set(context, table);
  }
  return table;
}

/** The newest configuration that a folder can tell of without its log. */
function configurationKnownTo(identity: Identified): Configuration | undefined {
  const { formed, configuration } = identity;
  if (configuration.index > 0) return decodeConfiguration(configuration.bytes);
  return formed === undefined ? undefined : foundingConfiguration(formed.founders);
}

type Identified = Pick<ReplicaIdentity, "formed" | "configuration">;

/** Who has a vote, by what a folder can tell without its log; nobody where it belongs nowhere. */
export function votersKnownTo(identity: Identified): readonly number[] {
  return configurationKnownTo(identity)?.voters ?? [];
}

/** Who the members are, by the same. */
export function membersKnownTo(identity: Identified): Members | undefined {
  const configuration = configurationKnownTo(identity);
  return configuration && membersOf(configuration);
}
