// What operators ask of a cluster, with the operator token: members, leadership, checkpoints,
// backups. Finds a server that can do it; what may be done, the servers decide. Reads no token
// file.
import type { CallOptions } from "@connectrpc/connect";
import type { StatusResponse } from "../proto/gen/cluster/v1/admin_pb.js";
import { Addresses } from "./addresses.ts";
import { Anywhere, type Services, type TransportFactory } from "./anywhere.ts";
import { createFetchTransportFactory } from "./calls.ts";
import { type ClientClock, type ClientRandom, createHostClock, createHostRandom } from "./clock.ts";
import { rejectedErrorOfCall } from "./errors.ts";
import { callAttemptTimeoutMs, operatorAttemptTimeoutMs, operatorTimeoutMs } from "./limits.ts";

/** What an operator is made with. */
export interface OperatorOptions {
  /** Servers as `http://host:port`, at least one. */
  readonly addresses: readonly string[];
  /** The operator token, as in each server's data folder. */
  readonly token: string;
  /** Makes unary calls; default: the global fetch. */
  readonly transport?: TransportFactory;
  /** Default: the host's. */
  readonly clock?: ClientClock;
  /** Default: the host's. */
  readonly random?: ClientRandom;
}

/** With it one new server may join, once. */
export interface JoinToken {
  readonly token: string;
  /** Cluster time, milliseconds since 1970. */
  readonly expiresMs: number;
}

/** A message of a lost server's disk. */
export interface LostItem {
  /** The encoded command. */
  readonly command: Uint8Array;
  /** Cluster time at which it was written, milliseconds since 1970. */
  readonly writtenMs: number;
  /** The last committed entry that the lost server knew. */
  readonly commitIndex: number;
  readonly authorUsername: string;
  readonly roomName: string;
}

/** What became of such messages. */
export interface ImportReport {
  readonly accepted: number;
  readonly already: number;
  /** Kept for author and owner, and not taken; `item` counts from 0. */
  readonly setAside: readonly { readonly item: number; readonly reason: string }[];
  readonly refused: readonly { readonly item: number; readonly reason: string }[];
}

/**
 * One operator's way to a cluster. Every call is brought to the leader by whichever server answers,
 * and rejects with RejectedError. After UNAVAILABLE a change may still come to be: look at `status`
 * before asking again.
 */
export interface Operator {
  /** The cluster as one server sees it: the one at `address`, or any. */
  status(address?: string): Promise<StatusResponse>;
  /** `validForS` 0: an hour; `reader`: a server without a vote. */
  createJoinToken(wish: {
    readonly validForS: number;
    readonly reader: boolean;
  }): Promise<JoinToken>;
  /** Takes a member out for good. */
  removeMember(replicaId: number): Promise<void>;
  /** Gives a reader a vote. */
  promoteMember(replicaId: number): Promise<void>;
  /** Hands leadership on, 0: to whoever is furthest. Answers who leads now. */
  transferLeadership(replicaId: number): Promise<number>;
  /** Has all servers take a snapshot at one index; answers that index and one server's digest. */
  takeCheckpoint(): Promise<{ readonly index: number; readonly digest: Uint8Array }>;
  /** Brings messages of a lost server's disk into the log, in their order; again is harmless. */
  importHeld(items: readonly LostItem[]): Promise<ImportReport>;
  /** The whole state, in pieces. A break ends it with an error: it cannot be resumed. */
  backup(): AsyncIterable<Uint8Array>;
}

/** Makes an operator. Throws INVALID_ARGUMENT for addresses that are none. */
export function createOperator(options: OperatorOptions): Operator {
  return new CallingOperator(options);
}

class CallingOperator implements Operator {
  readonly #anywhere: Anywhere;
  readonly #headers: { readonly authorization: string };

  constructor(options: OperatorOptions) {
    const random = options.random ?? createHostRandom();
    this.#headers = { authorization: `Bearer ${options.token}` };
    this.#anywhere = new Anywhere({
      transport: options.transport ?? createFetchTransportFactory(),
      addresses: new Addresses(options.addresses, random),
      clock: options.clock ?? createHostClock(),
      random,
      attemptTimeoutMs: operatorAttemptTimeoutMs,
      timeoutMs: operatorTimeoutMs,
    });
  }

  async status(address?: string): Promise<StatusResponse> {
    if (address === undefined) return this.#ask(({ admin }, call) => admin.status({}, call));
    try {
      return await this.#anywhere.at(address).admin.status({}, { timeoutMs: callAttemptTimeoutMs });
    } catch (reason) {
      throw rejectedErrorOfCall(reason);
    }
  }

  async createJoinToken(wish: {
    readonly validForS: number;
    readonly reader: boolean;
  }): Promise<JoinToken> {
    const answer = await this.#ask(({ admin }, call) => admin.createJoinToken(wish, call));
    return { token: answer.token, expiresMs: Number(answer.expiresMs) };
  }

  async removeMember(replicaId: number): Promise<void> {
    await this.#ask(({ admin }, call) => admin.removeMember({ replicaId }, call));
  }

  async promoteMember(replicaId: number): Promise<void> {
    await this.#ask(({ admin }, call) => admin.promoteMember({ replicaId }, call));
  }

  async transferLeadership(replicaId: number): Promise<number> {
    const ask = { replicaId };
    const answer = await this.#ask(({ admin }, call) => admin.transferLeadership(ask, call));
    return answer.leaderId;
  }

  async takeCheckpoint(): Promise<{ readonly index: number; readonly digest: Uint8Array }> {
    const answer = await this.#ask(({ admin }, call) => admin.takeCheckpoint({}, call));
    return { index: Number(answer.index), digest: answer.digest };
  }

  async importHeld(items: readonly LostItem[]): Promise<ImportReport> {
    const wire = items.map(({ writtenMs, commitIndex, ...item }) => ({
      ...item,
      timestampMs: BigInt(writtenMs),
      commitIndex: BigInt(commitIndex),
    }));
    return await this.#ask(({ admin }, call) => admin.importHeld({ items: wire }, call));
  }

  async *backup(): AsyncIterable<Uint8Array> {
    // The first piece says that a server has begun; only before it another one may be asked.
    const { first, rest } = await this.#anywhere.ask(async ({ admin }) => {
      const stream = admin.backup({}, { headers: this.#headers })[Symbol.asyncIterator]();
      return { first: await stream.next(), rest: stream };
    });
    try {
      for (let next = first; next.done !== true; next = await rest.next()) yield next.value.bytes;
    } catch (reason) {
      throw rejectedErrorOfCall(reason);
    } finally {
      await rest.return?.().catch(() => undefined);
    }
  }

  #ask<Response>(
    attempt: (services: Services, call: CallOptions) => Promise<Response>,
  ): Promise<Response> {
    const headers = this.#headers;
    return this.#anywhere.ask((services, call) => attempt(services, { ...call, headers }));
  }
}
