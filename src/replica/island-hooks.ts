// What island mode is given by the replica and by the state machine, and what it answers. Not here:
// what it does with it (island.ts).
import type { IslandExtras } from "./island-exchange.ts";
import type { MergeAnswer } from "./island-healing.ts";
import type { IslandLogPort } from "./island-items.ts";
import type { ReplicaNote } from "./options.ts";
import type { StateMachine } from "./state-machine.ts";

/** What islands ask of the state machine. */
export type IslandStateMachine<Outcome> = Pick<
  StateMachine<Outcome, unknown>,
  "appliedIndex" | "judgeHeld" | "isHoldable" | "heldKey" | "isMerged" | "mergeCommand"
>;

/** A command in the log after what is applied here. */
export interface TailCommand {
  readonly command: Uint8Array;
  /** Its entry's cluster time. */
  readonly timestampMs: number;
}

/** What the replica does for its island side. */
export interface IslandHooks<Outcome> {
  readonly ownId: number;
  readonly survival: "island" | "quorum";
  readonly islandAfterMs: number;
  readonly liveTimeoutMs: number;
  readonly log: IslandLogPort;
  readonly stateMachine: IslandStateMachine<Outcome>;
  clusterTimeMs(): number;
  /** Random, 64 bits. */
  drawNonce(): bigint;
  configurationIndex(): number;
  commitIndex(): number;
  /** The commands of the log after what is applied here, anybody's, in order. */
  tail(): readonly TailCommand[];
  /** Queues a frame for the end of this turn. */
  send(peer: number, extras: IslandExtras): void;
  /** Runs a turn, for what completes later. */
  turn(body: () => void): void;
  /**
   * Brings a command into the log. Calls back once, at any time, within a turn or not; "applied"
   * when it is applied here, whatever its outcome.
   */
  propose(command: Uint8Array, done: (answer: MergeAnswer) => void): void;
  /** The mode has opened: commands that are pending are to be given to `take` now. */
  handleOpened(): void;
  note(level: ReplicaNote["level"], message: string, fields: ReplicaNote["fields"]): void;
}

/** What became of a command that an island was asked to take. */
export type TakeAnswer<Outcome> =
  /** Durable on so many disks. */
  | { readonly kind: "held"; readonly disks: number; readonly timestampMs: number }
  /** The state machine will not have it held: its final answer, maybe of an earlier application. */
  | { readonly kind: "notHeld"; readonly outcome: Outcome }
  /** Too much is held already; nothing has changed. */
  | { readonly kind: "overloaded" }
  /**
   * No island's matter (any more): there is a leader again, or it was applied. To be brought to the
   * leader as any other command, under its own id.
   */
  | { readonly kind: "released" };

/** How things stand at a tick. */
export interface IslandTick {
  readonly nowMs: number;
  /** 0: none is known. */
  readonly leader: number;
  /** Whether this server and those it is connected with are a majority of each list of voters. */
  readonly isMajorityConnected: boolean;
  /** One without a vote opens no island, but joins one that it is connected with. */
  readonly isVoter: boolean;
}
