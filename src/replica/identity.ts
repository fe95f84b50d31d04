// What a data folder says of its owner, as a value and as bytes. Written when the folder is made,
// when it comes to belong to a cluster, and when that changes what it may do. Not here: who belongs
// to whom (formation.ts).
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Identity,
  IdentitySchema,
  type MemberBirth,
} from "../proto/gen/storage/v1/record_pb.js";
import type { Founder } from "./admin-service.ts";

/** What a formed cluster is: an id, and the founders it was formed from, by replica id. */
export interface Formed {
  readonly clusterId: bigint;
  readonly founders: readonly Founder[];
}

/** What a data folder says of its owner. */
export interface ReplicaIdentity {
  readonly replicaId: number;
  readonly birthNonce: bigint;
  readonly clusterName: string;
  /** Undefined until it belongs to a cluster. */
  readonly formed: Formed | undefined;
  /** It may vote when its log has reached this entry; 0 for a founder. */
  readonly joinedIndex: number;
  /** Grows each time its log has lost entries that it may have acknowledged. */
  readonly logEpoch: number;
  /** New under an id that the cluster knows: it waits to be taken back. */
  readonly returning: boolean;
  /** Entries were lost: no vote until everything that was committed is here again. */
  readonly abstains: boolean;
  /** The cluster has removed it. */
  readonly removed: boolean;
  /** Whom to call while the log does not say yet who the members are. */
  readonly contacts: readonly Founder[];
  /**
   * The newest committed configuration, as in a log entry, and where it stands: should the log lose
   * that entry. Index 0 and no bytes: the founding one.
   */
  readonly configuration: { readonly index: number; readonly bytes: Uint8Array };
}

/** The identity of a folder that was made just now. */
export function newIdentity(
  owner: Pick<ReplicaIdentity, "replicaId" | "birthNonce" | "clusterName">,
): ReplicaIdentity {
  return {
    ...owner,
    formed: undefined,
    joinedIndex: 0,
    logEpoch: 0,
    returning: false,
    abstains: false,
    removed: false,
    contacts: [],
    configuration: { index: 0, bytes: new Uint8Array(0) },
  };
}

/** The durable form of an identity. */
export function encodeIdentity(identity: ReplicaIdentity): Uint8Array {
  const { formed, joinedIndex, contacts, configuration, ...plain } = identity;
  return toBinary(
    IdentitySchema,
    create(IdentitySchema, {
      ...plain,
      formatVersion: 1,
      clusterId: formed?.clusterId ?? 0n,
      births: formed?.founders.map(toBirth) ?? [],
      joinedIndex: BigInt(joinedIndex),
      contacts: contacts.map(toBirth),
      configurationIndex: BigInt(configuration.index),
      configuration: configuration.bytes,
    }),
  );
}

/** The identity that a data folder holds; throws where the bytes are none of this version. */
export function decodeIdentity(bytes: Uint8Array): ReplicaIdentity {
  const identity: Identity = fromBinary(IdentitySchema, bytes);
  if (identity.formatVersion !== 1) {
    throw new Error(
      `the data folder has format ${identity.formatVersion}, this version reads format 1`,
    );
  }
  const { replicaId, birthNonce, clusterName, clusterId, births } = identity;
  return {
    replicaId,
    birthNonce,
    clusterName,
    formed: clusterId === 0n ? undefined : { clusterId, founders: births.map(fromBirth) },
    joinedIndex: Number(identity.joinedIndex),
    logEpoch: identity.logEpoch,
    returning: identity.returning,
    abstains: identity.abstains,
    removed: identity.removed,
    contacts: identity.contacts.map(fromBirth),
    configuration: {
      index: Number(identity.configurationIndex),
      bytes: identity.configuration,
    },
  };
}

function toBirth({ replicaId, birthNonce, peerAddress, clientAddress }: Founder) {
  return { replicaId, nonce: birthNonce, peerAddress, clientAddress };
}

function fromBirth({ replicaId, nonce, peerAddress, clientAddress }: MemberBirth): Founder {
  return { replicaId, birthNonce: nonce, peerAddress, clientAddress };
}

/**
 * The cluster id that follows from its founders: FNV-1a, 64 bit, over ids and birth numbers in the
 * order of the ids; never 0.
 */
export function clusterIdOf(founders: readonly Founder[]): bigint {
  let hash = 0xcbf29ce484222325n;
  const mask = 0xffff_ffff_ffff_ffffn;
  for (const { replicaId, birthNonce } of founders) {
    for (const value of [BigInt(replicaId), birthNonce]) {
      for (let shift = 0n; shift < 64n; shift += 8n) {
        hash = ((hash ^ ((value >> shift) & 0xffn)) * 0x100000001b3n) & mask;
      }
    }
  }
  return hash === 0n ? 1n : hash;
}
