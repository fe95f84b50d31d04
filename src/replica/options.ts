// What a replica is made of. All of it comes from outside, so that the simulator can bring its own.
import type { Clock } from "../io/clock.ts";
import type { Done } from "../io/disk.ts";
import type { StateStore } from "../io/state-store.ts";
import type { Transport } from "../io/transport.ts";
import type { Entry, HardState, LogReader, Observer, PeerMessage } from "../raft/index.ts";
import type { AckMode } from "./acknowledgements.ts";
import type { ReplicaIdentity } from "./identity.ts";
import type { IslandLogPort } from "./island-items.ts";
import type { SnapshotFolder } from "./snapshot-port.ts";
import type { StateMachine } from "./state-machine.ts";

/** The durable log, as the replica needs it; `storage` fits it. */
export interface ReplicaLog extends LogReader {
  /**
   * Appends entries, cutting the log first where the first one's index is not past its end. They
   * can be read at once. Calls back, in the order of the calls, when they and all before are
   * durable. No entries: only the wait. An error is final: nothing later is written. It may call
   * back before it returns where there is nothing to wait for or it has failed before.
   */
  append(entries: readonly Entry[], done: Done): void;
  /** Bytes that the log takes on disk. */
  bytes(): number;
  /**
   * What came before the first entry: index, term, and the configuration as of then as in a log
   * entry (empty at index 0: the founding one).
   */
  base(): { readonly index: number; readonly term: number; readonly context: Uint8Array };
  /**
   * Forgets the entries up to an index, which are durable and in a durable snapshot; at once for
   * reading, on the disk when it calls back.
   */
  compact(base: { readonly index: number; readonly context: Uint8Array }, done: Done): void;
}

/** Where the vote is kept; `storage` fits it. */
export interface ReplicaVotes {
  load(): HardState;
  /** Returns when it is durable; throws when it cannot be. */
  save(hardState: HardState): void;
}

/** A configured member of the cluster. */
export interface ReplicaMember {
  readonly replicaId: number;
  /** `host:port` */
  readonly peerAddress: string;
}

/** Times and modes that an operator may set. */
export interface ReplicaTimings {
  /** Length of a tick (10). All ticks below are counted in it. */
  readonly tickMs: number;
  /** 5 */
  readonly heartbeatIntervalTicks: number;
  /** 30 */
  readonly electionTimeoutTicksMin: number;
  /** 60 */
  readonly electionTimeoutTicksMax: number;
  /** How long acknowledgements wait for a server that hangs (500). */
  readonly liveTimeoutMs: number;
  /**
   * How long a server is without a leader before it opens an island (3,000), and whether it ever
   * does.
   */
  readonly islandAfterMs: number;
  readonly survival: "island" | "quorum";
  /** How long a client's command is tried before "unavailable" (10,000). */
  readonly proposalTimeoutMs: number;
  readonly acks: AckMode;
}

/** When snapshots are taken and how much of the log is kept, in bytes of entries. */
export interface ReplicaSizes {
  /** A checkpoint follows when the log has grown by so much since the last one (64 MiB). */
  readonly checkpointBytes: number;
  /** So much of the log is kept behind its end for followers that are a little behind (16 MiB). */
  readonly logKeepBytes: number;
}

/** Something worth a line in the server's log. */
export interface ReplicaNote {
  readonly level: "info" | "warn";
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

/** Hears what a replica does, as its core tells it, and what leaves it. */
export interface ReplicaObserver extends Observer {
  /** A message is handed to the transport: whatever it says is durable by now. */
  messageLeft?(message: PeerMessage): void;
}

/**
 * Points at which the simulator may kill a replica; the list of them is the list of recovery tests.
 */
export type CrashPoint =
  | "before-vote-save"
  | "after-vote-save"
  | "before-append"
  | "after-append"
  | "after-durable"
  | "before-send"
  | "after-send"
  | "before-apply"
  | "after-apply"
  | "before-answer";

/** Everything that a replica is given. */
export interface ReplicaOptions<Outcome, Event> {
  readonly identity: ReplicaIdentity;
  /**
   * Who founds the cluster, this server included; counts until this server belongs to one. Later
   * the log knows better.
   */
  readonly members: readonly ReplicaMember[];
  /** Where the other servers reach this one, as `host:port`. */
  readonly peerAddress: string;
  /** Where clients reach this server, as `http://host:port`. */
  readonly clientAddress: string;
  readonly version: string;
  readonly timings: ReplicaTimings;
  /** Random, another one for each start of each replica. */
  readonly seed: number;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly log: ReplicaLog;
  readonly votes: ReplicaVotes;
  readonly stateMachine: StateMachine<Outcome, Event>;
  /** Makes the identity durable before it returns; throws when it cannot. */
  readonly saveIdentity: (identity: ReplicaIdentity) => void;
  /** The state machine's database as a whole. */
  readonly state: StateStore;
  readonly snapshots: SnapshotFolder;
  readonly islandLog: IslandLogPort;
  readonly sizes: ReplicaSizes;
  /** A number that was never drawn before, not 0. */
  readonly drawNonce: () => bigint;
  readonly freeBytes: () => number;
  readonly onNote: (note: ReplicaNote) => void;
  /**
   * The replica has ended, since the disk holds another state or another word about this server
   * now: the owner lets go of everything and puts it together anew from the disk.
   */
  readonly onRestart: (reason: string) => void;
  /** The replica has ended: the cluster has removed this server. */
  readonly onRemoved: (condition: string) => void;
  /**
   * The replica has stopped for good: its disk failed, or the state machine has a bug
   * (`poisonIndex` names the entry). The process must end and start anew from what the disk really
   * holds.
   */
  readonly onFatal: (failure: { readonly error: Error; readonly poisonIndex?: number }) => void;
  readonly observer?: ReplicaObserver;
  /** Nothing in production; a kill in the simulator. */
  readonly crashPoint?: (point: CrashPoint) => void;
}
