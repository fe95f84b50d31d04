// How servers with new data folders become a cluster, once, and how one that lost its folder is
// kept from voting. Pure: hellos in, verdicts out; the caller makes the identity durable before it
// acts on it. Not here: connections.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { toHex64 } from "../base/bytes.ts";
import { type Hello, HelloSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import { type Identity, IdentitySchema } from "../proto/gen/storage/v1/record_pb.js";

/** Version of what peers say to each other; refused when it differs. */
export const protocolVersion = 1;

/**
 * One data folder's birth: the replica that owns it and the number that was drawn when it was made.
 */
export interface Birth {
  readonly replicaId: number;
  readonly nonce: bigint;
}

/** What a formed cluster is: an id, and the births it was formed from, by replica id. */
export interface Formed {
  readonly clusterId: bigint;
  readonly births: readonly Birth[];
}

/** What a data folder says of its owner. */
export interface ReplicaIdentity {
  readonly replicaId: number;
  readonly birthNonce: bigint;
  readonly clusterName: string;
  /** Undefined until the cluster is formed. */
  readonly formed: Formed | undefined;
}

/** The durable form of an identity. */
export function encodeIdentity(identity: ReplicaIdentity): Uint8Array {
  return toBinary(
    IdentitySchema,
    create(IdentitySchema, {
      formatVersion: 1,
      replicaId: identity.replicaId,
      birthNonce: identity.birthNonce,
      clusterName: identity.clusterName,
      clusterId: identity.formed?.clusterId ?? 0n,
      births: identity.formed?.births.map((birth) => ({ ...birth })) ?? [],
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
  return {
    replicaId: identity.replicaId,
    birthNonce: identity.birthNonce,
    clusterName: identity.clusterName,
    formed:
      identity.clusterId === 0n
        ? undefined
        : {
            clusterId: identity.clusterId,
            births: identity.births.map((b) => ({ replicaId: b.replicaId, nonce: b.nonce })),
          },
  };
}

/**
 * The cluster id that follows from its births: FNV-1a, 64 bit, over ids and nonces in the order of
 * the ids; never 0.
 */
export function clusterIdOf(births: readonly Birth[]): bigint {
  let hash = 0xcbf29ce484222325n;
  const mask = 0xffff_ffff_ffff_ffffn;
  for (const birth of births) {
    for (const value of [BigInt(birth.replicaId), birth.nonce]) {
      for (let shift = 0n; shift < 64n; shift += 8n) {
        hash = ((hash ^ ((value >> shift) & 0xffn)) * 0x100000001b3n) & mask;
      }
    }
  }
  return hash === 0n ? 1n : hash;
}

/** What to make of a hello. */
export type FormationVerdict =
  | { readonly kind: "accepted"; readonly peerId: number; readonly clientAddress: string }
  | { readonly kind: "refused"; readonly reason: string };

/** One server's part in forming the cluster. */
export class Formation {
  #identity: ReplicaIdentity;
  readonly #members: readonly number[];
  /** Births of the others as they said in their latest hello while nothing was formed. */
  readonly #heard = new Map<number, bigint>();
  #lostFolder = false;

  /** `members`: the ids of all configured members, this one's included. */
  constructor(identity: ReplicaIdentity, members: readonly number[]) {
    this.#identity = identity;
    this.#members = [...members].sort((a, b) => a - b);
  }

  get identity(): ReplicaIdentity {
    return this.#identity;
  }

  /** Why this server takes no part yet; empty when it does. */
  get condition(): string {
    if (this.#identity.formed !== undefined) return "";
    const { replicaId } = this.#identity;
    if (this.#lostFolder) {
      return (
        `server ${replicaId} is a known member, but its data folder is new: ` +
        "it may have voted before, so it does not vote and holds nothing; " +
        "it must be removed and added again"
      );
    }
    const missing = this.#members.filter((id) => id !== replicaId && !this.#heard.has(id));
    const others = missing.join(" and ");
    return `the cluster is not formed yet: waiting for server ${others}, which must run once`;
  }

  /** What this server says of itself. */
  hello(clientAddress: string): Uint8Array {
    const { replicaId, birthNonce, clusterName, formed } = this.#identity;
    return toBinary(
      HelloSchema,
      create(HelloSchema, {
        protocolVersion,
        replicaId,
        birthNonce,
        clusterId: formed?.clusterId ?? 0n,
        clusterName,
        births: formed?.births.map((birth) => ({ ...birth })) ?? [],
        clientAddress,
      }),
    );
  }

  /** Judges a hello. May form the cluster: compare `identity` before and after. */
  judge(bytes: Uint8Array): FormationVerdict {
    const hello = decodeHello(bytes);
    if (hello === undefined) return refused("the hello is not one of Holdfast's");
    const refusal = this.#refusalByConfiguration(hello) ?? this.#refusalByBirth(hello);
    if (refusal !== undefined) return refused(refusal);
    return { kind: "accepted", peerId: hello.replicaId, clientAddress: hello.clientAddress };
  }

  /**
   * Forms the cluster where everything that it needs is known. A cluster of one needs nothing else.
   */
  maybeForm(): void {
    if (this.#identity.formed !== undefined || this.#lostFolder) return;
    const births: Birth[] = [];
    for (const replicaId of this.#members) {
      const nonce =
        replicaId === this.#identity.replicaId
          ? this.#identity.birthNonce
          : this.#heard.get(replicaId);
      if (nonce === undefined) return;
      births.push({ replicaId, nonce });
    }
    this.#identity = { ...this.#identity, formed: { clusterId: clusterIdOf(births), births } };
  }

  #refusalByConfiguration(hello: Hello): string | undefined {
    const { clusterName, replicaId } = this.#identity;
    if (hello.protocolVersion !== protocolVersion) {
      const { protocolVersion: other } = hello;
      return `peer protocol ${other} is not ${protocolVersion}: run neighbouring versions`;
    }
    if (hello.clusterName !== clusterName) {
      return `this is a server of the cluster "${clusterName}", not of "${hello.clusterName}"`;
    }
    if (hello.replicaId === replicaId) {
      return `server id ${replicaId} is this server's own: give each server its own id`;
    }
    if (!this.#members.includes(hello.replicaId)) {
      const members = this.#members.join(", ");
      return `server ${hello.replicaId} is no member of this cluster (members: ${members})`;
    }
    return undefined;
  }

  #refusalByBirth(hello: Hello): string | undefined {
    const { formed, replicaId, birthNonce } = this.#identity;
    if (formed !== undefined && hello.clusterId !== 0n) {
      if (hello.clusterId === formed.clusterId) return undefined;
      const [own, other] = [toHex64(formed.clusterId), toHex64(hello.clusterId)];
      return `this server is of cluster ${own}, not of ${other}`;
    }
    if (formed !== undefined) {
      const known = formed.births.find((birth) => birth.replicaId === hello.replicaId);
      if (known?.nonce === hello.birthNonce) return undefined;
      const why = "its data folder is new: it may have voted before";
      return `server ${hello.replicaId} is a known member, but ${why}`;
    }
    if (hello.clusterId === 0n) {
      this.#heard.set(hello.replicaId, hello.birthNonce);
      this.maybeForm();
      return undefined;
    }
    const births = hello.births.map((b) => ({ replicaId: b.replicaId, nonce: b.nonce }));
    const own = births.find((birth) => birth.replicaId === replicaId);
    if (own?.nonce !== birthNonce) {
      this.#lostFolder = true;
      return this.condition;
    }
    this.#identity = { ...this.#identity, formed: { clusterId: hello.clusterId, births } };
    return undefined;
  }
}

function decodeHello(bytes: Uint8Array): Hello | undefined {
  try {
    return fromBinary(HelloSchema, bytes);
  } catch {
    return undefined;
  }
}

function refused(reason: string): FormationVerdict {
  return { kind: "refused", reason };
}
