// Asks one server after the other until one answers: what all unary calls have in common. What is
// asked is for calls.ts and operator.ts to say; the same attempt may reach several servers.
import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import { ChatService } from "../proto/gen/chat/v1/api_pb.js";
import { AdminService } from "../proto/gen/cluster/v1/admin_pb.js";
import type { Addresses } from "./addresses.ts";
import type { ClientClock, ClientRandom } from "./clock.ts";
import { isRetryable, type RejectedError, rejectedErrorOfCall } from "./errors.ts";
import { backoffMs, spreadMs } from "./retry.ts";

/** Makes the way of unary calls to the server at `http://host:port`. */
export type TransportFactory = (address: string) => Transport;

/** What asking works with. */
export interface AnywhereOptions {
  readonly transport: TransportFactory;
  readonly addresses: Addresses;
  readonly clock: ClientClock;
  readonly random: ClientRandom;
  /** How long one call may take at one server. */
  readonly attemptTimeoutMs: number;
  /** How long it is tried over all servers. */
  readonly timeoutMs: number;
}

/** The services of one server. */
export interface Services {
  readonly chat: Client<typeof ChatService>;
  readonly admin: Client<typeof AdminService>;
}

/** The servers of a cluster, for unary calls. All reject with RejectedError. */
export class Anywhere {
  readonly #options: AnywhereOptions;
  readonly #services = new Map<string, Services>();

  constructor(options: AnywhereOptions) {
    this.#options = options;
  }

  /** The answer of whichever server gives one first, or a refusal that is final. */
  async ask<Response>(
    attempt: (services: Services, call: CallOptions) => Promise<Response>,
  ): Promise<Response> {
    const { addresses, clock, random, timeoutMs } = this.#options;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    for (let failures = 0; ; ) {
      const address = addresses.next(clock.monotonicMs());
      const failure = await this.#try(address, attempt);
      if (!(failure instanceof Failure)) return failure;
      const { error } = failure;
      failures++;
      if (!failure.worthRetrying) throw error;
      addresses.failed(address, clock.monotonicMs() + error.retryAfterMs);
      const waitMs = Math.max(
        backoffMs({ failures, freeAttempts: addresses.servers - 1, chance: random.nextFloat() }),
        addresses.servers > 1 ? 0 : spreadMs(error.retryAfterMs, random.nextFloat()),
      );
      if (clock.monotonicMs() + waitMs >= deadlineMs) throw error;
      await new Promise<void>((resolve) => clock.setTimer(waitMs, resolve));
    }
  }

  async #try<Response>(
    address: string,
    attempt: (services: Services, call: CallOptions) => Promise<Response>,
  ): Promise<Response | Failure> {
    try {
      return await attempt(this.at(address), { timeoutMs: this.#options.attemptTimeoutMs });
    } catch (reason) {
      return new Failure(rejectedErrorOfCall(reason));
    }
  }

  /** The services of the server at an address. */
  at(address: string): Services {
    let services = this.#services.get(address);
    if (services === undefined) {
      const transport = this.#options.transport(address);
      services = {
        chat: createClient(ChatService, transport),
        admin: createClient(AdminService, transport),
      };
      this.#services.set(address, services);
    }
    return services;
  }
}

/** One attempt that came to nothing. */
class Failure {
  readonly error: RejectedError;

  constructor(error: RejectedError) {
    this.error = error;
  }

  /** Whether another server, or the same one later, may do better. */
  get worthRetrying(): boolean {
    return isRetryable(this.error);
  }
}
