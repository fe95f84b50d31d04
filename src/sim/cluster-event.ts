// What the simulated cluster tells while it runs: to the checkers, which judge it, and to the
// trace, which writes it down. Told from outside the replicas, by the simulator's own ports and the
// core's observer, so that a replica cannot hide anything. Decides nothing.
import type { ChatEvent, ChatOutcome } from "../chat/index.ts";
import type { Entry, HardState, PeerMessage, Role } from "../raft/index.ts";
import type { AppliedCommand, CommittedEntry } from "../replica/index.ts";

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
  | "stopped";

/** One thing that happened; `atMs` is virtual time. */
export type ClusterEvent = { readonly atMs: number; readonly server: ServerId } & (
  | {
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
    }
  | { readonly kind: "refusedToStart"; readonly reason: string }
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
);

/** A cluster event without what the cluster fills in. */
export type ClusterEventBody = ClusterEvent extends infer Each
  ? Each extends ClusterEvent
    ? Omit<Each, "atMs" | "server">
    : never
  : never;
