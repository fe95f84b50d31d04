// The network between simulated clients and servers: session streams (client-stream.ts) and unary
// calls (client-call.ts) in virtual time, and the faults that may strike. All faults keep TCP's
// promise: bytes in order, none twice, none missing before later ones. A server that dies is seen
// at once; one that hangs, vanished or is cut off is not: the SDK has to find out by itself. What a
// client does not take counts in the sink's `queuedBytes`, and the server gives a silent client up
// after 20 to 40 s, as by its pings.
import type { Transport } from "@connectrpc/connect";
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { ConnectionFactory } from "../client/index.ts";
import type { InProcessGateway } from "../gateways/index.ts";
import { CallTransport, type ClientParcel, serveCall } from "./client-call.ts";
import { openSessionStream, serveSessionStream } from "./client-stream.ts";
import type { Death, ServerId } from "./cluster-event.ts";
import type { ClientLinkFaults } from "./fault-target.ts";
import { serverOfAddress } from "./network-addresses.ts";
import { defaultNetworkLimits, type NetworkLimits } from "./network-limits.ts";
import { type NetworkTime, Route } from "./network-route.ts";
import type { WireEnd, WireLife, WireListener } from "./network-wire.ts";
import { Wires } from "./network-wires.ts";

/** What a client network is made of. */
export interface ClientNetworkOptions {
  readonly time: NetworkTime;
  /** For this network alone. */
  readonly random: Random;
  /** What differs from `defaultNetworkLimits`. */
  readonly limits?: Partial<NetworkLimits>;
}

/** What one client's machine has of the network. */
export interface ClientDoor {
  readonly connect: ConnectionFactory;
  readonly transport: (address: string) => Transport;
}

interface Serving {
  readonly life: WireLife;
  readonly gateway: InProcessGateway;
}

interface RoutePair {
  readonly there: Route;
  readonly back: Route;
}

/** The network between clients and servers. */
export class ClientNetwork {
  readonly faults: ClientLinkFaults;
  /** The door of all clients that have no name. */
  readonly connect: ConnectionFactory;
  readonly transport: (address: string) => Transport;
  readonly #options: ClientNetworkOptions;
  readonly #limits: NetworkLimits;
  readonly #wires: Wires<ClientParcel>;
  readonly #weather = { meanDelayMs: 0 };
  /** By server, then by the name of the client. */
  readonly #routes = new Map<ServerId, Map<string, RoutePair>>();
  readonly #cutServers = new Set<ServerId>();
  readonly #servings = new Map<ServerId, Serving>();
  /** Machines without power: packets to them are not even refused. */
  readonly #dark = new Set<ServerId>();

  constructor(options: ClientNetworkOptions) {
    this.#options = options;
    this.#limits = { ...defaultNetworkLimits, ...options.limits };
    const { time, random } = options;
    this.#wires = new Wires({ time, random, pingIntervalMs: this.#limits.pingIntervalMs });
    const { connect, transport } = this.door("");
    this.connect = connect;
    this.transport = transport;
    this.faults = {
      breakConnections: (server) => this.#wires.break((end) => touches(end, server)),
      cut: (server) => {
        this.#cutServers.add(server);
        this.#eachRoute(server, (route) => route.cut("server"));
      },
      mend: (server) => {
        this.#cutServers.delete(server);
        this.#eachRoute(server, (route) => route.mend("server"));
      },
      mendAll: () => {
        this.#weather.meanDelayMs = 0;
        this.#cutServers.clear();
        for (const server of this.#routes.keys()) {
          this.#eachRoute(server, (route) => {
            route.mend("server");
            route.mend("client");
          });
        }
      },
    };
  }

  /** The way in for a client that can be cut off alone; the same name is the same machine. */
  door(client: string): ClientDoor {
    const { time } = this.#options;
    return {
      connect: (address, listener) =>
        openSessionStream((wire) => this.#open(client, address, wire), listener),
      transport: (address) => new CallTransport(time, (wire) => this.#open(client, address, wire)),
    };
  }

  /** Nothing passes between this client and this server, and nobody is told. */
  cutClient(client: string, server: ServerId): void {
    const { there, back } = this.#pair(client, server);
    there.cut("client");
    back.cut("client");
  }

  mendClient(client: string, server: ServerId): void {
    const { there, back } = this.#pair(client, server);
    there.mend("client");
    back.mend("client");
  }

  /** Extra delay of all that travels between clients and servers; bytes stay in order. */
  setDelayMs(meanMs: number): void {
    this.#weather.meanDelayMs = meanMs;
  }

  /** A new process of this server takes connections from now on. */
  serve(server: ServerId, life: WireLife, gateway: InProcessGateway): void {
    this.#dark.delete(server);
    this.#servings.set(server, { life, gateway });
    this.#wires.handleBirth(server);
  }

  /** The port is closed; connections that stand go on. */
  stopListening(server: ServerId): void {
    this.#servings.delete(server);
  }

  /** The process of this server has ended; to be told right after its life has. */
  handleDeath(server: ServerId, how: Death): void {
    this.#servings.delete(server);
    if (how === "powerLost") this.#dark.add(server);
    this.#wires.handleDeath(server, how);
  }

  #open(
    client: string,
    address: string,
    listener: WireListener<ClientParcel>,
  ): WireEnd<ClientParcel> {
    const server = serverOfAddress(address);
    assert(server !== undefined, `not an address of a simulated server: ${address}`);
    return this.#wires.open({
      from: { server: 0, life: undefined, listener },
      to: server,
      ...this.#pair(client, server),
      accept: (end) => this.#accept(end),
    });
  }

  #accept(end: WireEnd<ClientParcel>): void {
    const serving = this.#servings.get(end.server);
    if (serving?.life.alive === true) {
      this.#serve(end, serving);
    } else if (this.#dark.has(end.server)) {
      end.vanish();
    } else {
      end.close("connection refused", "keep");
    }
  }

  /** Waits for what the client opens the connection with, which tells what it is for. */
  #serve(end: WireEnd<ClientParcel>, { life, gateway }: Serving): void {
    let listener: WireListener<ClientParcel> | undefined;
    const { sessionPingIntervalMs, lingerMs } = this.#limits;
    end.bind(life, {
      handlePayload: (parcel) => {
        if (listener !== undefined) {
          listener.handlePayload(parcel);
        } else if (parcel instanceof Uint8Array) {
          this.#wires.watch(end, sessionPingIntervalMs, 2 * sessionPingIntervalMs);
          const { time } = this.#options;
          listener = serveSessionStream({ time, life, gateway, end, lingerMs });
        } else {
          listener = serveCall(parcel, { life, gateway, end });
        }
      },
      handleClosed: (reason) => listener?.handleClosed(reason),
    });
  }

  #pair(client: string, server: ServerId): RoutePair {
    let pairs = this.#routes.get(server);
    if (pairs === undefined) {
      pairs = new Map();
      this.#routes.set(server, pairs);
    }
    let pair = pairs.get(client);
    if (pair === undefined) {
      pair = { there: this.#createRoute(server), back: this.#createRoute(server) };
      pairs.set(client, pair);
    }
    return pair;
  }

  #createRoute(server: ServerId): Route {
    const { time, random } = this.#options;
    const { clientLatencyMsMin, clientLatencyMsMax, retransmissionMsMax } = this.#limits;
    const spreadMs = clientLatencyMsMax - clientLatencyMsMin;
    const latencyMs = clientLatencyMsMin + random.nextFloat() * spreadMs;
    const weather = this.#weather;
    const route = new Route({ time, random, weather, latencyMs, retransmissionMsMax });
    if (this.#cutServers.has(server)) route.cut("server");
    return route;
  }

  #eachRoute(server: ServerId, change: (route: Route) => void): void {
    for (const { there, back } of this.#routes.get(server)?.values() ?? []) {
      change(there);
      change(back);
    }
  }
}

function touches(end: WireEnd<ClientParcel>, server: ServerId): boolean {
  return end.server === server || end.other.server === server;
}
