// What operators' calls need of a replica: the members, leadership, checkpoints, snapshots. What
// people's calls need is in service.ts.

/** A data folder, named by id and birth number, and where its server is reached. */
export interface Founder {
  readonly replicaId: number;
  readonly birthNonce: bigint;
  /** `host:port` */
  readonly peerAddress: string;
  /** `http://host:port` */
  readonly clientAddress: string;
}

/** A member as the member table has it. */
export interface MemberInfo extends Founder {
  /** The nonce of the join token that it came with, 0 for none. */
  readonly tokenNonce: bigint;
  /** Stays without a vote. */
  readonly reader: boolean;
  /** Has given its vote back before it stopped, and gets it again when it returns. */
  readonly away: boolean;
}

/** A wish to change who the members are. */
export type MembershipChange =
  /** `replicaId` 0: the leader chooses. Repeated with the same birth number, it changes nothing. */
  | { readonly kind: "add"; readonly member: MemberInfo }
  | { readonly kind: "remove"; readonly replicaId: number }
  /** A learner or reader becomes a voter when it has caught up. */
  | { readonly kind: "promote"; readonly replicaId: number };

/** What became of such a wish. */
export type ChangeAnswer =
  /** Committed at `index`; `replicaId` is the member's that it was about. */
  | { readonly kind: "done"; readonly index: number; readonly replicaId: number }
  /** It would do harm or does not fit; a sentence for the operator. Nothing has changed. */
  | { readonly kind: "refused"; readonly reason: string }
  /** No leader, or none that answered in time: the wish may still come true; ask again. */
  | { readonly kind: "unavailable"; readonly message: string };

/** What a newcomer has to know. */
export interface ClusterFacts {
  readonly clusterId: bigint;
  readonly clusterName: string;
  /** The configuration before the first entry. */
  readonly founders: readonly Founder[];
  /** All members as of now. */
  readonly members: readonly MemberInfo[];
  /** Index of the newest committed configuration; 0 for the founding one. */
  readonly configurationIndex: number;
}

/** A complete snapshot on this server's disk, open for reading until `close`. */
export interface SnapshotReader {
  readonly index: number;
  readonly term: number;
  /** As in a log entry. */
  readonly configuration: Uint8Array;
  /** Bytes. */
  readonly size: number;
  readonly digest: Uint8Array;
  /** Bytes [offset, offset + length); fewer at the end. Throws the disk's error. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** Callbacks come once, never from inside the call. */
export interface ReplicaAdmin {
  /** Brings a change to the leader, wherever it is, and calls back when it is committed. */
  changeMembers(change: MembershipChange, done: (answer: ChangeAnswer) => void): void;
  /** Hands leadership to a voter, 0: to whoever is furthest; calls back when another one leads. */
  transferLeadership(
    target: number,
    done: (
      answer:
        | { readonly kind: "done"; readonly leaderId: number }
        | { readonly kind: "refused"; readonly reason: string },
    ) => void,
  ): void;
  /**
   * Has all servers take a snapshot at one index, and calls back when this one's is complete; a
   * reader of it, which the caller closes.
   */
  takeCheckpoint(
    done: (
      answer:
        | { readonly kind: "done"; readonly snapshot: SnapshotReader }
        | { readonly kind: "unavailable"; readonly message: string },
    ) => void,
  ): void;
  /** Undefined until this server belongs to a cluster. */
  clusterFacts(): ClusterFacts | undefined;
  /** Cluster time, milliseconds since 1970: the latest that this server knows. */
  clusterTimeMs(): number;
}
