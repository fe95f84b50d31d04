// Who belongs to the cluster, as servers tell each other when they connect: how servers with new
// data folders become a cluster, once; how one that comes back with a new folder waits to be taken
// in; how one that was removed learns it. Pure: hellos in, verdicts out; the caller makes a changed
// identity durable before it acts on it. Not here: connections, and changes of members.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { toHex64 } from "../base/bytes.ts";
import { type Hello, HelloSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import type { Founder, MemberInfo } from "./admin-service.ts";
import { clusterIdOf, type ReplicaIdentity } from "./identity.ts";
import {
  foundingMembers,
  type Members,
  memberOf,
  membersFromWire,
  membersToWire,
} from "./member-table.ts";

/** Version of what peers say to each other; refused when it differs. */
export const protocolVersion = 1;

/** What a refused caller finds in the reason when the cluster has removed it. */
export const removedReason = "was removed from this cluster";

/**
 * What a refused caller finds in the reason when its cluster was recovered without it. It does not
 * end: should the recovery have been a mistake, its cluster is the one that is right.
 */
const givenUpReason =
  "which went on without you after a recovery: stop, and bring over what only you have " +
  "(holdfast import-lost)";

/** What to make of a hello. */
export type FormationVerdict =
  | {
      readonly kind: "accepted";
      readonly peerId: number;
      readonly clientAddress: string;
      readonly peerAddress: string;
      readonly logEpoch: number;
      readonly birthNonce: bigint;
    }
  | {
      readonly kind: "refused";
      readonly reason: string;
      /** A server of the cluster has come back with a new folder: the leader takes it in. */
      readonly claim?: MemberInfo;
    };

/** The members as of some committed configuration. */
export interface MembersAt {
  readonly members: Members;
  /** 0: the founding configuration. */
  readonly index: number;
}

/** What a server is told about itself. */
export interface OwnPlace {
  /** Of all servers that the configuration names, this one's included. */
  readonly memberIds: readonly number[];
  readonly peerAddress: string;
  readonly clientAddress: string;
}

/** One server's part in forming and knowing the cluster. */
export class Formation {
  #identity: ReplicaIdentity;
  readonly #place: OwnPlace;
  /** The others as they said in their latest hello while nothing was formed. */
  readonly #heard = new Map<number, Founder>();
  /** The newest committed configuration's members: by this log, or as others said. */
  #own: MembersAt | undefined;
  #told: MembersAt | undefined;
  /** A cluster is there that does not know this server. */
  #isStranger = false;

  constructor(identity: ReplicaIdentity, place: OwnPlace) {
    this.#identity = identity;
    this.#place = { ...place, memberIds: [...place.memberIds].sort((a, b) => a - b) };
    const { formed } = identity;
    if (formed !== undefined) this.#own = { members: foundingMembers(formed.founders), index: 0 };
  }

  get identity(): ReplicaIdentity {
    return this.#identity;
  }

  /** Changes what is said of this folder; the caller makes it durable. */
  change(change: Partial<Pick<ReplicaIdentity, "abstains" | "removed" | "configuration">>): void {
    this.#identity = { ...this.#identity, ...change };
  }

  /** The newest committed configuration of this server's log. */
  setMembers(members: MembersAt): void {
    this.#own = members;
  }

  /** The newest members that this server knows of, by its own log or by what others said. */
  get newest(): MembersAt | undefined {
    if (this.#own === undefined) return this.#told;
    return (this.#told?.index ?? -1) > this.#own.index ? this.#told : this.#own;
  }

  /** Why this server takes no part; empty when it does. */
  get condition(): string {
    const { replicaId, formed, returning, removed, abstains } = this.#identity;
    const name = `server ${replicaId}`;
    if (removed) return `${name} ${removedReason}; to come back it joins with a new data folder`;
    if (this.#isStranger) {
      return (
        `the other servers belong to a cluster that does not know ${name}: ` +
        "let it join with a token (holdfast member add)"
      );
    }
    if (returning) {
      return (
        `${name} is a known member, but its data folder is new: ` +
        "it waits until the leader has taken it in as a newcomer"
      );
    }
    if (formed !== undefined) {
      if (!abstains) return "";
      return `${name} has lost entries of its log: it does not vote until it has them again`;
    }
    const missing = this.#place.memberIds.filter((id) => id !== replicaId && !this.#heard.has(id));
    const others = missing.join(" and ");
    return `the cluster is not formed yet: waiting for server ${others}, which must run once`;
  }

  /** What this server says of itself. */
  hello(): Uint8Array {
    const { replicaId, birthNonce, clusterName, formed, logEpoch } = this.#identity;
    const founders = formed?.founders ?? [];
    return toBinary(
      HelloSchema,
      create(HelloSchema, {
        protocolVersion,
        replicaId,
        birthNonce,
        clusterId: formed?.clusterId ?? 0n,
        clusterName,
        births: founders.map((founder) => ({
          replicaId: founder.replicaId,
          nonce: founder.birthNonce,
        })),
        founderAddresses: founders.map(({ peerAddress, clientAddress }) => ({
          peerAddress,
          clientAddress,
        })),
        clientAddress: this.#place.clientAddress,
        peerAddress: this.#place.peerAddress,
        logEpoch,
        ...(this.#own === undefined
          ? {}
          : {
              configurationIndex: BigInt(this.#own.index),
              members: membersToWire(this.#own.members),
            }),
      }),
    );
  }

  /** Judges a hello. May change `identity`: compare before and after. */
  judge(bytes: Uint8Array): FormationVerdict {
    const hello = decodeHello(bytes);
    if (hello === undefined) return refused("the hello is not one of Holdfast's");
    const refusal = this.#refuseByName(hello) ?? this.#refuseByFolder(hello);
    if (refusal !== undefined) return refusal;
    const { replicaId: peerId, clientAddress, peerAddress, logEpoch, birthNonce } = hello;
    return { kind: "accepted", peerId, clientAddress, peerAddress, logEpoch, birthNonce };
  }

  /**
   * Forms the cluster where everything that it needs is known. A cluster of one needs nothing else.
   */
  maybeForm(): void {
    const { formed, returning, replicaId, birthNonce } = this.#identity;
    if (formed !== undefined || returning || this.#isStranger) return;
    const founders: Founder[] = [];
    for (const id of this.#place.memberIds) {
      const { peerAddress, clientAddress } = this.#place;
      const founder =
        id === replicaId
          ? { replicaId, birthNonce, peerAddress, clientAddress }
          : this.#heard.get(id);
      if (founder === undefined) return;
      founders.push(founder);
    }
    this.#adopt({ clusterId: clusterIdOf(founders), founders }, 0);
  }

  #adopt(formed: { clusterId: bigint; founders: readonly Founder[] }, joinedIndex: number): void {
    this.#identity = { ...this.#identity, formed, joinedIndex, returning: false };
    this.#isStranger = false;
    this.#own = { members: foundingMembers(formed.founders), index: 0 };
  }

  #refuseByName(hello: Hello): FormationVerdict | undefined {
    const { clusterName, replicaId, formed } = this.#identity;
    if (hello.protocolVersion !== protocolVersion) {
      const { protocolVersion: other } = hello;
      return refused(`peer protocol ${other} is not ${protocolVersion}: run neighbouring versions`);
    }
    if (hello.clusterName !== clusterName) {
      return refused(
        `this is a server of the cluster "${clusterName}", not of "${hello.clusterName}"`,
      );
    }
    if (hello.replicaId === replicaId) {
      return refused(`server id ${replicaId} is this server's own: give each server its own id`);
    }
    const isConfigured = this.#place.memberIds.includes(hello.replicaId);
    if (formed === undefined && hello.clusterId === 0n && !isConfigured) {
      const members = this.#place.memberIds.join(", ");
      return refused(
        `server ${hello.replicaId} is no member of this cluster (members: ${members})`,
      );
    }
    return undefined;
  }

  #refuseByFolder(hello: Hello): FormationVerdict | undefined {
    const { formed } = this.#identity;
    if (hello.clusterId === 0n) {
      if (formed !== undefined) return this.#judgeUnformed(hello);
      this.#heard.set(hello.replicaId, founderOf(hello));
      this.maybeForm();
      return undefined;
    }
    if (formed === undefined) return this.#learnCluster(hello);
    if (hello.clusterId !== formed.clusterId) {
      const [own, other] = [toHex64(formed.clusterId), toHex64(hello.clusterId)];
      const misfit = `this server is of cluster ${own}, not of ${other}`;
      return refused(this.#wasGivenUp(hello) ? `${misfit}, ${givenUpReason}` : misfit);
    }
    this.#learnMembers(hello);
    return this.#judgeMember(hello);
  }

  /** Of a cluster from which this one was recovered, after it had lost its majority. */
  #wasGivenUp({ birthNonce }: Hello): boolean {
    const removed = this.newest?.members.removed ?? [];
    return removed.some((gone) => gone.birthNonce === birthNonce);
  }

  /** Of this cluster, by its own word: the newest members that either side knows decide. */
  #judgeMember(hello: Hello): FormationVerdict | undefined {
    if (this.#identity.removed) return refused("the called server belongs to the cluster no more");
    const { members } = this.newest ?? { members: undefined };
    const known = members && memberOf(members, hello.replicaId);
    if (known?.birthNonce === hello.birthNonce) return undefined;
    const name = `server ${hello.replicaId}`;
    if (members?.removed.some(({ birthNonce }) => birthNonce === hello.birthNonce)) {
      return refused(`${name} ${removedReason}`);
    }
    if (known !== undefined) return refused(`${name} has another data folder now`);
    return refused(`${name} is no member of this cluster as far as this server knows`);
  }

  /** Somebody with a new folder calls, and the cluster is formed. */
  #judgeUnformed(hello: Hello): FormationVerdict | undefined {
    const { members } = this.newest ?? { members: undefined };
    const known = members && memberOf(members, hello.replicaId);
    // A founder or newcomer that has not heard of it yet.
    if (known?.birthNonce === hello.birthNonce) return undefined;
    const claim: MemberInfo = { ...founderOf(hello), tokenNonce: 0n, reader: false, away: false };
    const name = `server ${hello.replicaId}`;
    const isAwaited = members?.removed.some(
      ({ successor }) => successor?.birthNonce === hello.birthNonce,
    );
    if (known === undefined && !isAwaited) {
      return refused(`${name} is no member of this cluster: let it join with a token`);
    }
    const why = "its data folder is new, and the leader takes it in as a newcomer";
    return { ...refused(`${name} is a known member, but ${why}`), claim };
  }

  /** The caller's cluster is formed, this server's is not: it belongs to it, or it must wait. */
  #learnCluster(hello: Hello): FormationVerdict | undefined {
    const { replicaId, birthNonce } = this.#identity;
    const founders = foundersOf(hello);
    const clusterId = hello.clusterId;
    const founder = founders.find((other) => other.replicaId === replicaId);
    const members = hello.members === undefined ? undefined : membersFromWire(hello.members);
    const listed = members && memberOf(members, replicaId);
    if (founder?.birthNonce === birthNonce) {
      this.#adopt({ clusterId, founders }, 0);
    } else if (listed?.birthNonce === birthNonce) {
      this.#adopt({ clusterId, founders }, Number(hello.configurationIndex));
    } else {
      const isListed = members === undefined ? founder !== undefined : listed !== undefined;
      const isAwaited = members?.removed.some(
        ({ successor }) => successor?.replicaId === replicaId,
      );
      this.#isStranger = !isListed && isAwaited !== true;
      // Once it is known to return it founds nothing any more, whatever becomes of its id.
      const returning = this.#identity.returning || !this.#isStranger;
      this.#wait(returning, members);
      return refused(this.condition);
    }
    this.#learnMembers(hello);
    return this.#judgeMember(hello);
  }

  /**
   * Only the leader takes somebody in, and it may be one that the settings do not name: whoever
   * waits calls all members.
   */
  #wait(returning: boolean, members: Members | undefined): void {
    const { replicaId, contacts: known } = this.#identity;
    const others = members?.members.filter((member) => member.replicaId !== replicaId) ?? [];
    const isNew = ({ replicaId: id, peerAddress }: Founder) =>
      !known.some((one) => one.replicaId === id && one.peerAddress === peerAddress);
    // Another object would be saved, and hellos come often.
    const isMore = returning && others.some(isNew);
    if (!isMore && returning === this.#identity.returning) return;
    const contacts = isMore ? others.map(placeOf) : known;
    this.#identity = { ...this.#identity, returning, contacts };
  }

  /** A newer list than any known so far; it may tell that this server was removed. */
  #learnMembers(hello: Hello): void {
    const index = Number(hello.configurationIndex);
    if (hello.members === undefined || index <= (this.newest?.index ?? -1)) return;
    this.#told = { members: membersFromWire(hello.members), index };
    const { replicaId, birthNonce, joinedIndex } = this.#identity;
    if (index < joinedIndex) return;
    if (memberOf(this.#told.members, replicaId)?.birthNonce !== birthNonce) {
      this.#identity = { ...this.#identity, removed: true };
    }
  }
}

function placeOf({ replicaId, birthNonce, peerAddress, clientAddress }: Founder): Founder {
  return { replicaId, birthNonce, peerAddress, clientAddress };
}

function founderOf(hello: Hello): Founder {
  const { replicaId, birthNonce, peerAddress, clientAddress } = hello;
  return { replicaId, birthNonce, peerAddress, clientAddress };
}

function foundersOf(hello: Hello): Founder[] {
  return hello.births.map(({ replicaId, nonce }, at) => ({
    replicaId,
    birthNonce: nonce,
    peerAddress: hello.founderAddresses[at]?.peerAddress ?? "",
    clientAddress: hello.founderAddresses[at]?.clientAddress ?? "",
  }));
}

function decodeHello(bytes: Uint8Array): Hello | undefined {
  try {
    return fromBinary(HelloSchema, bytes);
  } catch {
    return undefined;
  }
}

function refused(reason: string): { readonly kind: "refused"; readonly reason: string } {
  return { kind: "refused", reason };
}
