// Unary calls over HTTP (Connect): what is done before there is a session, and what needs none.
// Each goes from server to server under the same command id until one answers.
import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { ChatService } from "../proto/gen/chat/v1/api_pb.js";
import { AdminService, type StatusResponse } from "../proto/gen/cluster/v1/admin_pb.js";
import type { Addresses } from "./addresses.ts";
import type { ClientClock, ClientRandom } from "./clock.ts";
import { isRetryable, type RejectedError, rejectedErrorOfCall } from "./errors.ts";
import type { CommandIds } from "./ids.ts";
import { callAttemptTimeoutMs, callTimeoutMs } from "./limits.ts";
import { backoffMs, spreadMs } from "./retry.ts";
import { type Person, toPerson } from "./types.ts";

/** Makes the way of unary calls to the server at `http://host:port`. */
export type TransportFactory = (address: string) => Transport;

/** Unary calls over the host's fetch. */
export function createFetchTransportFactory(): TransportFactory {
  return (address) => createConnectTransport({ baseUrl: address, useBinaryFormat: true });
}

/** What a new account needs. */
export interface RegisterOptions {
  readonly username: string;
  readonly password: string;
  /** Default: the username. */
  readonly displayName?: string;
}

/** What logging in needs. */
export interface LogInOptions {
  readonly username: string;
  readonly password: string;
  /** What the person will recognise this log-in by. */
  readonly device?: string;
}

/** What the calls work with. */
export interface CallsOptions {
  readonly transport: TransportFactory;
  readonly addresses: Addresses;
  readonly clock: ClientClock;
  readonly random: ClientRandom;
  readonly ids: CommandIds;
}

interface Clients {
  readonly chat: Client<typeof ChatService>;
  readonly admin: Client<typeof AdminService>;
}

/** The unary calls. All reject with RejectedError. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #clients = new Map<string, Clients>();

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  async register({ username, password, displayName = "" }: RegisterOptions): Promise<Person> {
    const request = { commandId: this.#options.ids.next(), username, password, displayName };
    const response = await this.#anywhere(({ chat }, call) => chat.register(request, call));
    return toPerson(response.person);
  }

  async logIn({
    username,
    password,
    device = "",
  }: LogInOptions): Promise<{ person: Person; token: string }> {
    const request = { commandId: this.#options.ids.next(), username, password, device };
    const response = await this.#anywhere(({ chat }, call) => chat.logIn(request, call));
    return { person: toPerson(response.person), token: response.token };
  }

  async logOut(token: string, { everywhere }: { everywhere: boolean }): Promise<void> {
    const request = { commandId: this.#options.ids.next(), everywhere };
    const headers = { authorization: `Bearer ${token}` };
    await this.#anywhere(({ chat }, call) => chat.logOut(request, { ...call, headers }));
  }

  /** Addresses of all servers, which the client then knows, too. */
  async listServers(): Promise<string[]> {
    const response = await this.#anywhere(({ chat }, call) => chat.listServers({}, call));
    this.#options.addresses.learn(response.addresses);
    return response.addresses;
  }

  /** The cluster as one server sees it: the one at `address`, or any. */
  async status(address?: string): Promise<StatusResponse> {
    if (address === undefined) return this.#anywhere(({ admin }, call) => admin.status({}, call));
    try {
      const { admin } = this.#at(address);
      return await admin.status({}, { timeoutMs: callAttemptTimeoutMs });
    } catch (reason) {
      throw rejectedErrorOfCall(reason);
    }
  }

  async #anywhere<Response>(
    attempt: (clients: Clients, call: CallOptions) => Promise<Response>,
  ): Promise<Response> {
    const { addresses, clock, random } = this.#options;
    const deadlineMs = clock.monotonicMs() + callTimeoutMs;
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
    attempt: (clients: Clients, call: CallOptions) => Promise<Response>,
  ): Promise<Response | Failure> {
    try {
      return await attempt(this.#at(address), { timeoutMs: callAttemptTimeoutMs });
    } catch (reason) {
      return new Failure(rejectedErrorOfCall(reason));
    }
  }

  #at(address: string): Clients {
    let clients = this.#clients.get(address);
    if (clients === undefined) {
      const transport = this.#options.transport(address);
      clients = {
        chat: createClient(ChatService, transport),
        admin: createClient(AdminService, transport),
      };
      this.#clients.set(address, clients);
    }
    return clients;
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
