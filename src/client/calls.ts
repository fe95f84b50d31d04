// Unary calls over HTTP (Connect): what is done before there is a session, and what needs none.
// Each goes from server to server under the same command id until one answers.
import { createConnectTransport } from "@connectrpc/connect-web";
import type { StatusResponse } from "../proto/gen/cluster/v1/admin_pb.js";
import type { Addresses } from "./addresses.ts";
import { Anywhere, type TransportFactory } from "./anywhere.ts";
import type { ClientClock, ClientRandom } from "./clock.ts";
import { rejectedErrorOfCall } from "./errors.ts";
import type { CommandIds } from "./ids.ts";
import { callAttemptTimeoutMs, callTimeoutMs } from "./limits.ts";
import { type Person, toPerson } from "./types.ts";

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

/** The unary calls. All reject with RejectedError. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #anywhere: Anywhere;

  constructor(options: CallsOptions) {
    this.#options = options;
    const bounds = { attemptTimeoutMs: callAttemptTimeoutMs, timeoutMs: callTimeoutMs };
    this.#anywhere = new Anywhere({ ...options, ...bounds });
  }

  async register({ username, password, displayName = "" }: RegisterOptions): Promise<Person> {
    const request = { commandId: this.#options.ids.next(), username, password, displayName };
    const response = await this.#anywhere.ask(({ chat }, call) => chat.register(request, call));
    return toPerson(response.person);
  }

  async logIn({
    username,
    password,
    device = "",
  }: LogInOptions): Promise<{ person: Person; token: string }> {
    const request = { commandId: this.#options.ids.next(), username, password, device };
    const response = await this.#anywhere.ask(({ chat }, call) => chat.logIn(request, call));
    return { person: toPerson(response.person), token: response.token };
  }

  async logOut(token: string, { everywhere }: { everywhere: boolean }): Promise<void> {
    const request = { commandId: this.#options.ids.next(), everywhere };
    const headers = { authorization: `Bearer ${token}` };
    await this.#anywhere.ask(({ chat }, call) => chat.logOut(request, { ...call, headers }));
  }

  /** Addresses of all servers, which the client then knows, too. */
  async listServers(): Promise<string[]> {
    const response = await this.#anywhere.ask(({ chat }, call) => chat.listServers({}, call));
    this.#options.addresses.learn(response.addresses);
    return response.addresses;
  }

  /** The cluster as one server sees it: the one at `address`, or any. */
  async status(address?: string): Promise<StatusResponse> {
    if (address === undefined)
      return this.#anywhere.ask(({ admin }, call) => admin.status({}, call));
    try {
      const { admin } = this.#anywhere.at(address);
      return await admin.status({}, { timeoutMs: callAttemptTimeoutMs });
    } catch (reason) {
      throw rejectedErrorOfCall(reason);
    }
  }
}
