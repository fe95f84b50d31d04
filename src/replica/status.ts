// The cluster as one replica knows it (product row R14): what it knows of itself, and what the
// others have told.
import { create } from "@bufbuild/protobuf";
import {
  type ServerStatus,
  ServerStatusSchema,
  type StatusResponse,
  StatusResponseSchema,
  Membership as WireMembership,
  Role as WireRole,
} from "../proto/gen/cluster/v1/admin_pb.js";
import type { Configuration, Role } from "../raft/index.ts";
import type { Consensus } from "./consensus.ts";
import type { ReplicaIdentity } from "./identity.ts";
import { readyLagMax } from "./limits.ts";
import { memberOf, membersOf } from "./member-table.ts";
import type { ReplicaLog } from "./options.ts";
import type { Peer } from "./peers.ts";
import type { SnapshotFacts } from "./snapshot-port.ts";

const wireRoles: Record<Role, WireRole> = {
  follower: WireRole.FOLLOWER,
  preCandidate: WireRole.PRE_CANDIDATE,
  candidate: WireRole.CANDIDATE,
  leader: WireRole.LEADER,
};

/** This replica's own line. */
export function ownStatus(own: {
  readonly replicaId: number;
  readonly clientAddress: string;
  readonly peerAddress: string;
  readonly consensus:
    | Pick<Consensus, "role" | "term" | "leader" | "commitIndex" | "configuration">
    | undefined;
  readonly appliedIndex: number;
  readonly log: Pick<ReplicaLog, "firstIndex" | "lastIndex" | "bytes">;
  readonly snapshot: SnapshotFacts | undefined;
  readonly live: boolean;
  readonly diskFreeBytes: number;
  readonly condition: string;
  readonly damages: number;
  readonly island: boolean;
  readonly heldItems: number;
  readonly version: string;
  readonly uptimeMs: number;
}): ServerStatus {
  const { consensus } = own;
  const commitIndex = consensus?.commitIndex ?? 0;
  return create(ServerStatusSchema, {
    replicaId: own.replicaId,
    clientAddress: own.clientAddress,
    peerAddress: own.peerAddress,
    role: consensus === undefined ? WireRole.NONE : wireRoles[consensus.role],
    term: BigInt(consensus?.term ?? 0),
    leaderId: consensus?.leader ?? 0,
    commitIndex: BigInt(commitIndex),
    appliedIndex: BigInt(own.appliedIndex),
    lastLogIndex: BigInt(own.log.lastIndex()),
    live: own.live,
    connected: true,
    diskFreeBytes: BigInt(Math.floor(own.diskFreeBytes)),
    logBytes: BigInt(own.log.bytes()),
    condition: own.condition,
    version: own.version,
    uptimeS: Math.floor(own.uptimeMs / 1000),
    lag: BigInt(Math.max(0, commitIndex - own.appliedIndex)),
    membership: membershipOf(consensus?.configuration, own.replicaId),
    snapshotIndex: BigInt(own.snapshot?.index ?? 0),
    snapshotDigest: own.snapshot?.digest ?? noBytes,
    firstLogIndex: BigInt(own.log.firstIndex()),
    island: own.island,
    heldItems: own.heldItems,
    damagesFound: own.damages,
  });
}

const noBytes = new Uint8Array(0);

function membershipOf(configuration: Configuration | undefined, replicaId: number): WireMembership {
  if (configuration === undefined) return WireMembership.UNSPECIFIED;
  if (configuration.voters.includes(replicaId)) return WireMembership.VOTER;
  if (!configuration.learners.includes(replicaId)) return WireMembership.UNSPECIFIED;
  const isReader = memberOf(membersOf(configuration), replicaId)?.reader === true;
  return isReader ? WireMembership.READER : WireMembership.LEARNER;
}

/** A peer's line: what it said last, with what this replica sees of it now. */
function peerStatus(
  peer: Peer,
  now: {
    readonly monotonicMs: number;
    readonly live: boolean;
    readonly configuration: Configuration | undefined;
  },
): ServerStatus {
  const told = peer.status ?? create(ServerStatusSchema, { role: WireRole.NONE });
  const silentMs = now.monotonicMs - peer.lastHeardMs;
  return create(ServerStatusSchema, {
    ...told,
    $typeName: ServerStatusSchema.typeName,
    replicaId: peer.peerId,
    peerAddress: peer.peerAddress,
    clientAddress: peer.clientAddress,
    connected: peer.connected,
    live: now.live,
    membership: membershipOf(now.configuration, peer.peerId),
    role: peer.connected ? told.role : WireRole.NONE,
    lastContactMs: Math.min(0xffff_ffff, Math.max(0, Math.round(silentMs))),
    condition: peer.connected ? told.condition : unreachable(peer),
  });
}

function unreachable(peer: Peer): string {
  return peer.lastHeardMs === Number.NEGATIVE_INFINITY
    ? "not heard from since this server started"
    : "not reachable; the figures are the last known";
}

/**
 * The whole cluster. `liveByLeader` is the leader's own knowledge; the others go by what each was
 * told.
 */
export function clusterStatus(known: {
  readonly identity: ReplicaIdentity;
  readonly own: ServerStatus;
  readonly peers: Iterable<Peer>;
  readonly consensus:
    | Pick<Consensus, "configuration" | "configurationIndex" | "isConfigurationChanging">
    | undefined;
  readonly monotonicMs: number;
  readonly liveByLeader: ((peer: number) => boolean) | undefined;
}): StatusResponse {
  const servers = [known.own];
  for (const peer of known.peers) {
    const told = known.liveByLeader?.(peer.peerId) ?? peer.status?.live ?? false;
    const live = peer.connected && told;
    const { monotonicMs } = known;
    const configuration = known.consensus?.configuration;
    servers.push(peerStatus(peer, { monotonicMs, live, configuration }));
  }
  servers.sort((a, b) => a.replicaId - b.replicaId);
  return create(StatusResponseSchema, {
    clusterName: known.identity.clusterName,
    clusterId: known.identity.formed?.clusterId ?? 0n,
    answeredBy: known.own.replicaId,
    servers,
    configurationIndex: BigInt(known.consensus?.configurationIndex ?? 0),
    configurationChanging: known.consensus?.isConfigurationChanging ?? false,
  });
}

/** Whether a replica can serve people: it takes part, knows a leader, and is not far behind. */
export function readinessOf(
  consensus: Pick<Consensus, "leader" | "commitIndex"> | undefined,
  own: { readonly condition: string; readonly appliedIndex: number },
): { readonly ready: boolean; readonly reason: string } {
  if (consensus === undefined) return { ready: false, reason: own.condition };
  if (consensus.leader === 0) return { ready: false, reason: "no leader is known" };
  const lag = consensus.commitIndex - own.appliedIndex;
  if (lag <= readyLagMax) return { ready: true, reason: "" };
  return { ready: false, reason: `catching up: ${lag} entries to apply` };
}
