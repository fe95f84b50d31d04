// What the simulated cluster tells while it runs: to the checkers, which judge it, and to the
// trace, which writes it down. Told from outside the replicas, by the simulator's own ports and the
// core's observer, so that a replica cannot hide anything. Decides nothing.
import type { ChatEvent, ChatOutcome } from "../chat/index.ts";
import type { Entry, HardState, PeerMessage, Role } from "../raft/index.ts";
import type { AppliedCommand, CommittedEntry, SnapshotFacts } from "../replica/index.ts";

/** A server by its id: 1, 2, 3, … */
export type ServerId = number;

/** How a process ended. */
export type Death =
  /** kill -9: the file cache survives. */
  | "killed"
  /** The machine lost power: what was not synced is lost or torn. */
  | "powerLost"
  /** At a named crash point; as `killed`. */
  | "crashPoint"
  /** The replica gave up by itself (`onFatal`): its disk failed. As `killed`. */
  | "fatal"
  /** SIGTERM: handed over and left. */
  | "stopped"
  /** The same process goes on, put together anew from its disk: a state was fetched. */
  | "restarted"
  /** The cluster has removed this server. */
  | "removed";

/** What a data folder says of its owner. */
export interface IdentityFacts {
  /** Its birth number, in hexadecimal digits: another folder has another one. */
  readonly birth: string;
  /** It may vote when its log has reached this entry, by its own word. */
  readonly joinedIndex: number;
  /** It has no say, by its own word. */
  readonly abstains: boolean;
  readonly isFormed: boolean;
  readonly logEpoch: number;
}

/** One thing that happened; `atMs` is virtual time. */
export type ClusterEvent = { readonly atMs: number; readonly server: ServerId } & (
  | ({
      /** A process has opened its folder and begins to run: what it holds from before. */
      readonly kind: "started";
      /** 1, 2, 3, … counts the processes of this server. */
      readonly life: number;
      readonly hardState: HardState;
      /** The log as recovered from the disk: all of it is durable. */
      readonly lastIndex: number;
      /** Term of the entry at lastIndex, 0 for an empty log: the two name the whole log. */
      readonly lastTerm: number;
      readonly appliedIndex: number;
      /** The entry before the first one that the log still has. */
      readonly baseIndex: number;
    } & IdentityFacts)
  /** What the folder says of its owner is another thing now, durably. */
  | ({ readonly kind: "identitySaved" } & IdentityFacts)
  /** A machine that was not in use is to join the cluster; it was not there before. */
  | { readonly kind: "machineAdded" }
  /** The state machine has applied a checkpoint, and its state is about to be copied. */
  | {
      readonly kind: "checkpoint";
      readonly index: number;
      /** All rows of a query on the state as it is now. */
      readonly rows: (sql: string) => Readonly<Record<string, unknown>>[];
    }
  /** A snapshot of the own state is complete and durable. */
  | ({ readonly kind: "snapshotTaken" } & SnapshotFacts)
  /** The server begins to fetch, or goes on with fetching, this snapshot of another one. */
  | ({ readonly kind: "snapshotFetched" } & SnapshotFacts)
  /** A start has put a fetched state in its place; `digest` is the simulator's own, of all rows. */
  | { readonly kind: "stateInstalled"; readonly index: number; readonly digest: string }
  /** A value in the state, or the whole of it, is not what was written. */
  | { readonly kind: "stateDamaged"; readonly by: "rot" | "corruption" }
  | { readonly kind: "refusedToStart"; readonly reason: string }
  /** A start has found damage in its folder, and has mended it. */
  | { readonly kind: "mended"; readonly finding: string }
  /** The process is about to be put together anew, since the disk holds another state now. */
  | { readonly kind: "startedAnew"; readonly reason: string }
  /** Entries up to here are forgotten: a snapshot has them. */
  | { readonly kind: "compacted"; readonly index: number }
  | { readonly kind: "died"; readonly how: Death }
  | { readonly kind: "paused" }
  | { readonly kind: "resumed" }
  /** A bit flipped or a write or read went astray: what was durable may be gone. */
  | { readonly kind: "diskDamaged" }
  /** The folder was replaced: everything that this server held is gone or is of another time. */
  | { readonly kind: "diskReplaced"; readonly by: "empty" | "older" | "another" }
  | {
      readonly kind: "roleChanged";
      readonly role: Role;
      readonly hardState: HardState;
      readonly leader: ServerId;
    }
  /** The vote is durable when this is told. */
  | { readonly kind: "hardStateSaved"; readonly hardState: HardState }
  /** Handed to the transport: whatever it says must be durable by now. */
  | { readonly kind: "messageSent"; readonly message: PeerMessage }
  | { readonly kind: "messageReceived"; readonly message: PeerMessage }
  /** Entries were put at the end of the log as the replica sees it; not durable yet. */
  | { readonly kind: "appended"; readonly entries: readonly Entry[] }
  /** The log said that everything up to here is durable. */
  | { readonly kind: "logDurable"; readonly index: number }
  | { readonly kind: "committed"; readonly commitIndex: number }
  | {
      /** The state machine has applied these entries, and answered so. */
      readonly kind: "applied";
      readonly entries: readonly CommittedEntry[];
      readonly applied: readonly AppliedCommand<ChatOutcome, ChatEvent>[];
    }
  | {
      /** A replica has answered a proposal of one of its clients: a promise was given. */
      readonly kind: "answered";
      readonly command: Uint8Array;
      readonly outcome: ChatOutcome;
      /** Position of this application in the log. */
      readonly position: number;
      /** On how many disks it is, as the replica says. */
      readonly disks: number;
    }
  | {
      /** A linearizable read was asked of this server; its answer has the same id. */
      readonly kind: "readAsked";
      readonly readId: number;
    }
  | {
      readonly kind: "readAnswered";
      readonly readId: number;
      readonly reached: boolean;
      /** The server's applied position when it answered. */
      readonly position: number;
    }
  | { readonly kind: "crashPoint"; readonly point: string; readonly struck: boolean }
  /** The transport has told this server that a peer can be reached, or cannot. */
  | { readonly kind: "peerConnected"; readonly peer: ServerId }
  | { readonly kind: "peerDisconnected"; readonly peer: ServerId }
  /** A process has opened its island log: the items in it. Before "started". */
  | { readonly kind: "islandRecovered"; readonly items: readonly Uint8Array[] }
  /** The island log said that these items, too, are durable. */
  | { readonly kind: "islandDurable"; readonly items: readonly Uint8Array[] }
  /** The island log has forgotten everything. */
  | { readonly kind: "islandErased" }
  /** The server has told its gateway that it is in island mode, or is in it no more. */
  | { readonly kind: "islandMode"; readonly open: boolean; readonly servers: number }
  | {
      /** A replica has answered that it holds a command: a promise was given. */
      readonly kind: "heldAnswered";
      readonly command: Uint8Array;
      /** On how many disks it is, as the replica says. */
      readonly disks: number;
    }
  | {
      /** A replica in island mode has answered a command that it does not hold. */
      readonly kind: "notHeldAnswered";
      readonly command: Uint8Array;
      readonly outcome: ChatOutcome;
    }
);

/** A cluster event without what the cluster fills in. */
export type ClusterEventBody = ClusterEvent extends infer Each
  ? Each extends ClusterEvent
    ? Omit<Each, "atMs" | "server">
    : never
  : never;
