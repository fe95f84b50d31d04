// What gateways see of a replica: propose, wait, read, listen, status. Everything else of it is
// private.

import type { Position } from "../base/position.ts";
import type { StatusResponse } from "../proto/gen/cluster/v1/admin_pb.js";
import type { AppliedCommand } from "./state-machine.ts";

/** What became of a proposal. */
export type ProposalAnswer<Outcome> =
  /**
   * Applied here, and as durable as design.md §5 promises (`outcome` may be a refusal, which is as
   * final). `disks` counts the servers that had it fsynced at that moment.
   */
  | {
      readonly kind: "applied";
      readonly outcome: Outcome;
      readonly position: Position;
      readonly disks: number;
    }
  /**
   * Island mode: durable on the disks of so many servers of the island, to be merged when a
   * majority is back. `timestampMs`: when it was accepted.
   */
  | { readonly kind: "held"; readonly disks: number; readonly timestampMs: number }
  /**
   * Island mode: the state machine will not have it held, for the reason that the outcome gives.
   */
  | { readonly kind: "notHeld"; readonly outcome: Outcome }
  /** Not taken, since too much is under way; nothing has changed. */
  | { readonly kind: "overloaded"; readonly retryAfterMs: number }
  /**
   * No leader or no majority in time, or this server is stopping. The same id may be sent again,
   * anywhere.
   */
  | { readonly kind: "unavailable"; readonly message: string };

/** The answer to a wait. */
export type WaitAnswer = { readonly kind: "reached" } | { readonly kind: "timedOut" };

/**
 * One member of the cluster, as its gateways see it. Callbacks come once, never from inside the
 * call.
 */
export interface ReplicaService<Outcome, Event> {
  /**
   * Brings an encoded command into the log, wherever the leader is, across changes of leader, under
   * the command's own id; calls back when it is acknowledged as design.md §5 says. Commands handed
   * in one after the other by one caller keep their order.
   */
  propose(command: Uint8Array, done: (answer: ProposalAnswer<Outcome>) => void): void;
  /** Calls back when everything up to this position is applied here, at most `timeoutMs` later. */
  waitForPosition(
    wait: { readonly position: Position; readonly timeoutMs: number },
    done: (answer: WaitAnswer) => void,
  ): void;
  /**
   * Calls back when this replica has applied everything that was committed anywhere before the call
   * (linearizable read, dissertation §6.4), or with timedOut where no leader confirms it in
   * `timeoutMs`.
   */
  waitForRead(wait: { readonly timeoutMs: number }, done: (answer: WaitAnswer) => void): void;
  /** Position of the newest command that is applied here. */
  appliedPosition(): Position;
  /**
   * Hears of every applied command, in order, right after it is applied. Answers how to stop
   * hearing.
   */
  subscribe(listener: (applied: readonly AppliedCommand<Outcome, Event>[]) => void): () => void;
  /**
   * Whether this replica follows or is a leader and has applied all that it knows to be committed.
   */
  readiness(): { readonly ready: boolean; readonly reason: string };
  /** The cluster as this replica knows it. */
  status(): StatusResponse;
  /** Where clients reach the servers of the cluster, this one's first, as `http://host:port`. */
  clientAddresses(): string[];
  replicaId(): number;
  /** The cluster's id in 16 hexadecimal digits, which cursors carry; empty until it is formed. */
  clusterId(): string;
}
