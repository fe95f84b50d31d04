// Where this server stands among the others: hellos in and out, the moment at which the cluster is
// formed, who the peers are by the newest word, and the end when the cluster has removed this
// server. Puts formation.ts and peers.ts to work; changes no configuration.
import { toHex64 } from "../base/bytes.ts";
import type { HelloVerdict } from "../io/transport.ts";
import { encodeConfiguration } from "../raft/index.ts";
import type { MemberInfo } from "./admin-service.ts";
import { type ConfigurationAt, membersIn } from "./consensus.ts";
import { Formation, removedReason } from "./formation.ts";
import { memberOf, membersOf } from "./member-table.ts";
import type { ReplicaMember, ReplicaNote, ReplicaOptions } from "./options.ts";
import { Peers } from "./peers.ts";

type Parts = Pick<
  ReplicaOptions<unknown, unknown>,
  "identity" | "members" | "clientAddress" | "peerAddress" | "transport" | "clock" | "saveIdentity"
>;

/** Whom to call. */
type Known = ReplicaMember & Partial<Pick<MemberInfo, "clientAddress" | "birthNonce">>;

/** What it tells the replica. */
export interface BelongingHooks {
  /** The cluster is formed, or knew this server already: it takes part from now on. */
  formed(): void;
  /** A known server has called with a new folder. */
  claimed(claim: MemberInfo): void;
  /** The cluster has removed this server: it ends. */
  removed(): void;
  note(level: ReplicaNote["level"], message: string, fields: ReplicaNote["fields"]): void;
}

/** One server among the others. */
export class Belonging {
  readonly formation: Formation;
  readonly peers: Peers;
  readonly #parts: Parts;
  readonly #hooks: BelongingHooks;
  readonly #ownId: number;
  /** The newest configuration of the log, committed or not. */
  #newestIds: ReadonlySet<number> = new Set();
  #newest: readonly MemberInfo[] = [];
  #isTold = false;

  constructor(parts: Parts, hooks: BelongingHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
    this.#ownId = parts.identity.replicaId;
    this.formation = new Formation(parts.identity, {
      memberIds: parts.members.map(({ replicaId }) => replicaId),
      peerAddress: parts.peerAddress,
      clientAddress: parts.clientAddress,
    });
    this.peers = new Peers(parts.transport);
  }

  /** Begins to call the others. */
  start(): void {
    this.#setPeers();
    this.#change(() => this.formation.maybeForm());
  }

  /** Judges a caller, or a callee that answers. */
  judge(hello: Uint8Array): HelloVerdict {
    let verdict: HelloVerdict = { kind: "refused", reason: "the server is stopping" };
    this.#change(() => {
      const judged = this.formation.judge(hello);
      verdict = judged;
      this.#setPeers();
      if (judged.kind === "refused") {
        this.#hooks.note("warn", "refused a peer", { reason: judged.reason });
        if (judged.claim !== undefined) this.#hooks.claimed(judged.claim);
        return;
      }
      const peer = this.peers.get(judged.peerId);
      if (peer === undefined) return;
      const { peerAddress, clientAddress } = judged;
      peer.clientAddress = clientAddress;
      peer.told = { peerAddress, clientAddress };
      const { logEpoch, birthNonce } = judged;
      // What it said before it lost its folder, or a part of its log, is not true any more.
      const isSame = peer.birthNonce === birthNonce && peer.logEpoch === logEpoch;
      if (!isSame) peer.status = undefined;
      peer.logEpoch = logEpoch;
      peer.birthNonce = birthNonce;
    });
    return verdict;
  }

  /** Somebody said no to this server's hello. */
  handleRefused(reason: string): void {
    const { formed } = this.formation.identity;
    if (formed === undefined || !reason.includes(`server ${this.#ownId} ${removedReason}`)) return;
    this.#change(() => this.formation.change({ removed: true }));
  }

  /** The log's configurations are these now. */
  setConfiguration(committed: ConfigurationAt, newest: ConfigurationAt["configuration"]): void {
    this.#newestIds = membersIn(newest);
    this.#newest = membersOf(newest).members;
    this.#setCommitted(committed);
    this.#setPeers();
  }

  /** While a change is in its joint phase, those who leave are still needed, and still belong. */
  #setCommitted(committed: ConfigurationAt): void {
    if (committed.configuration.votersOutgoing.length > 0) return;
    const members = membersOf(committed.configuration);
    this.formation.setMembers({ members, index: committed.index });
    const { joinedIndex, birthNonce } = this.formation.identity;
    const own = memberOf(members, this.#ownId);
    const removed = committed.index >= joinedIndex && own?.birthNonce !== birthNonce;
    if (removed || committed.index > this.formation.identity.configuration.index) {
      const bytes = encodeConfiguration(committed.configuration);
      const configuration = { index: committed.index, bytes };
      this.#change(() => this.formation.change({ removed, configuration }));
    }
  }

  /**
   * The others by the newest configuration of the log and by the newest committed one that anybody
   * told of; before there is any, those of the settings and those whom the cluster named.
   */
  #setPeers(): void {
    const { identity, newest } = this.formation;
    const known = new Map<number, Known>();
    const isNewcomer = identity.formed === undefined || (newest?.index ?? 0) < identity.joinedIndex;
    if (isNewcomer) {
      for (const member of this.#parts.members) known.set(member.replicaId, member);
      for (const contact of identity.contacts) known.set(contact.replicaId, contact);
    }
    for (const member of newest?.members.members ?? []) known.set(member.replicaId, member);
    for (const member of this.#newest) {
      if (this.#newestIds.has(member.replicaId)) known.set(member.replicaId, member);
    }
    known.delete(this.#ownId);
    // The settings say how this very server reaches the founders, where they say anything.
    for (const { replicaId, peerAddress } of this.#parts.members) {
      const member = known.get(replicaId);
      if (member !== undefined && this.#isAsFounded(member)) {
        known.set(replicaId, { ...member, peerAddress });
      }
    }
    this.peers.setMembers([...known.values()]);
    for (const { replicaId, birthNonce } of known.values()) this.#leave(replicaId, birthNonce);
  }

  /** Still the founder, and where it was then: whoever moves says so, and the table learns it. */
  #isAsFounded({ replicaId, birthNonce, peerAddress }: Known): boolean {
    const founder = this.formation.identity.formed?.founders.find(
      (one) => one.replicaId === replicaId,
    );
    return founder?.birthNonce === birthNonce && founder?.peerAddress === peerAddress;
  }

  /**
   * A stream with the folder that a member had before: what it says must not count as the word of
   * the one that has its id now.
   */
  #leave(peerId: number, birthNonce: bigint | undefined): void {
    const peer = this.peers.get(peerId);
    const isOther = birthNonce !== undefined && peer?.birthNonce !== birthNonce;
    if (!isOther || peer?.connected !== true || peer.birthNonce === 0n) return;
    this.#parts.clock.setSoon(() =>
      this.#parts.transport.disconnect(peerId, "it has another data folder now"),
    );
  }

  /** Runs what may change what the folder says, makes that durable, and tells what follows. */
  #change(body: () => void): void {
    const before = this.formation.identity;
    body();
    const { identity } = this.formation;
    if (identity !== before) this.#parts.saveIdentity(identity);
    if (identity.removed && !this.#isTold) {
      this.#isTold = true;
      this.#hooks.removed();
      return;
    }
    const { formed } = identity;
    if (formed === undefined) return;
    if (before.formed === undefined) {
      this.#hooks.note("info", "cluster formed", { clusterId: toHex64(formed.clusterId) });
      this.#setPeers();
      this.#greetAnew();
    }
    this.#hooks.formed();
  }

  /**
   * Streams that were opened before know nothing of the cluster's id: all say hello again, and
   * adopt or refuse it.
   */
  #greetAnew(): void {
    this.#parts.clock.setSoon(() => {
      for (const { peerId, connected } of this.peers.all()) {
        if (connected) this.#parts.transport.disconnect(peerId, "the cluster is formed");
      }
    });
  }
}
