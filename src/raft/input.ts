// Everything that can happen to a core. Completions are inputs like any other.
import type { PeerMessage } from "./peer-message.ts";
import type { LogIndex, ReplicaId, Term } from "./types.ts";

/** One thing that happens; each is one `step`. */
export type Input =
  /** One tick of the caller's clock (`tickMs` is the caller's matter; 10 ms by default). */
  | { readonly kind: "tick" }
  | { readonly kind: "peerMessage"; readonly message: PeerMessage }
  /**
   * Leader only: each payload becomes one entry. Refused (effects.proposalDropped) by anyone else.
   */
  | { readonly kind: "propose"; readonly payloads: readonly Uint8Array[] }
  /**
   * Leader only: who takes part from now on (Raft §6); learners are to have caught up before they
   * become voters. Taken (effects.configurationIndex) or refused (effects.configurationRefused).
   * With other voters than before it is a joint configuration, which the leader of that time leaves
   * by itself: done when `Raft.isConfigurationChanging` is false again.
   */
  | {
      readonly kind: "changeConfiguration";
      readonly voters: readonly ReplicaId[];
      readonly learners: readonly ReplicaId[];
      readonly context: Uint8Array;
    }
  /**
   * The log is durable up to `index`, whose entry has `term`: the last of an effects.persist.
   * Reported in the order of the writes; several that became durable at once may be reported by the
   * last of them. If entries there have been replaced meanwhile, the core sees it by the term.
   */
  | { readonly kind: "persisted"; readonly index: LogIndex; readonly term: Term }
  /**
   * The connection with this peer broke. From a follower's leader it is the hint to stand for
   * election at once.
   */
  | { readonly kind: "peerUnreachable"; readonly peer: ReplicaId }
  /**
   * This peer has come back with less of its log than it may have acknowledged. Owed by the caller
   * before it takes in anything that the peer has sent since; nothing that the peer sent before may
   * come after this.
   */
  | { readonly kind: "peerLostLog"; readonly peer: ReplicaId }
  /**
   * A replica that abstains (config.ts) has applied all that a confirmed leader had committed after
   * it came back: a `readIndex` that it asked for in this life, applied. It takes part again.
   */
  | { readonly kind: "trustLog" }
  /** A linearizable read wants an index; answered in effects.reads under the same id. */
  | { readonly kind: "readIndex"; readonly requestId: number }
  /** Hand leadership to `target`; 0: to whoever is furthest. */
  | { readonly kind: "transferLeadership"; readonly target: ReplicaId }
  /**
   * The snapshot that effects.storeChunk brought whole is durable, in the state machine, and the
   * log begins after it; all earlier writes are complete and reported.
   */
  | { readonly kind: "snapshotRestored"; readonly index: LogIndex; readonly term: Term }
  /**
   * The caller has a chunk that effects.snapshotChunks asked for. Where it cannot be read: an empty
   * chunk that is not `done`. Where the offset is the snapshot's end: an empty one that is.
   */
  | {
      readonly kind: "snapshotChunk";
      readonly to: ReplicaId;
      readonly lastIndex: LogIndex;
      readonly lastTerm: Term;
      readonly configuration: Uint8Array;
      readonly offset: number;
      readonly chunk: Uint8Array;
      readonly done: boolean;
    };
