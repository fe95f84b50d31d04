// The network between simulated servers: the port io/transport.ts as src/host/host-transport.ts
// behaves, and faults. Within the contract (frames in order, at most once, lost only with their
// connection): cut, clog, setDelayMs, breakConnection; dead, paused and vanished processes. Beyond
// it, since TCP rules them out: setLoss, setDoubling, setReordering strike single frames of a
// standing connection; what takes a transport at its word must run without. What is sent into a cut
// comes after the mend, unless the connection was given up meanwhile (silent for 3 to 5 s).
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { Transport } from "../io/transport.ts";
import type { Death, ServerId } from "./cluster-event.ts";
import type { LinkFaults } from "./fault-target.ts";
import { defaultNetworkLimits, type NetworkLimits } from "./network-limits.ts";
import { type NetworkTime, Route } from "./network-route.ts";
import type { WireEnd, WireLife, WireListener } from "./network-wire.ts";
import { Wires } from "./network-wires.ts";
import { type FrameFaults, PeerTransport } from "./peer-transport.ts";

/** What a peer network is made of. */
export interface PeerNetworkOptions {
  readonly time: NetworkTime;
  /** For this network alone. */
  readonly random: Random;
  readonly servers: readonly ServerId[];
  /** What differs from `defaultNetworkLimits`. */
  readonly limits?: Partial<NetworkLimits>;
}

const cause = "link";

/** The network between the servers. */
export class PeerNetwork {
  readonly faults: LinkFaults;
  readonly #options: PeerNetworkOptions;
  readonly #limits: NetworkLimits;
  readonly #wires: Wires<Uint8Array>;
  readonly #weather = { meanDelayMs: 0 };
  readonly #frameFaults: FrameFaults = { loss: 0, doubling: 0, reordering: 0 };
  /** By the sending server, then by the receiving one. */
  readonly #routes = new Map<ServerId, Map<ServerId, Route>>();
  /** The transport of each machine's present process. */
  readonly #transports = new Map<ServerId, PeerTransport>();
  /** Machines without power: packets to them are not even refused. */
  readonly #dark = new Set<ServerId>();

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    this.#limits = { ...defaultNetworkLimits, ...options.limits };
    const { time, random } = options;
    const { pingIntervalMs } = this.#limits;
    this.#wires = new Wires({ time, random, pingIntervalMs });
    for (const from of options.servers) {
      const routes = new Map<ServerId, Route>();
      for (const to of options.servers) routes.set(to, this.#createRoute());
      this.#routes.set(from, routes);
    }
    this.faults = this.#createFaults();
  }

  /**
   * The transport of a new process of this server. It answers callers from now on, and accepts them
   * from `start` on. Ask for each process anew.
   */
  transport(server: ServerId, life: WireLife): Transport {
    assert(this.#routes.has(server), `not a server of this network: ${server}`);
    this.#wires.handleBirth(server);
    this.#dark.delete(server);
    const transport = new PeerTransport({
      time: this.#options.time,
      random: this.#options.random,
      life,
      limits: this.#limits,
      frameFaults: this.#frameFaults,
      open: (to, listener) => this.#open(server, life, to, listener),
      handleClosed: () => {
        if (this.#transports.get(server) === transport) this.#transports.delete(server);
      },
    });
    this.#transports.set(server, transport);
    return transport;
  }

  /** The process of this server has ended; to be told right after its life has. */
  handleDeath(server: ServerId, how: Death): void {
    this.#transports.delete(server);
    if (how === "powerLost") this.#dark.add(server);
    this.#wires.handleDeath(server, how);
  }

  /** Whether two running servers take each other for connected. */
  isConnected(a: ServerId, b: ServerId): boolean {
    const [one, other] = [this.#transports.get(a), this.#transports.get(b)];
    return (one?.isConnected(b) ?? false) && (other?.isConnected(a) ?? false);
  }

  #open(
    from: ServerId,
    life: WireLife,
    to: ServerId | undefined,
    listener: WireListener<Uint8Array>,
  ): WireEnd<Uint8Array> | undefined {
    if (to === undefined || !this.#routes.has(to)) return undefined;
    const call = this.#wires.open({
      from: { server: from, life, listener },
      to,
      there: this.#route(from, to),
      back: this.#route(to, from),
      accept: (end) => this.#accept(end),
    });
    this.#watch(call);
    return call;
  }

  #accept(end: WireEnd<Uint8Array>): void {
    const transport = this.#transports.get(end.server);
    if (transport?.alive === true) {
      transport.accept(end);
      this.#watch(end);
    } else if (this.#dark.has(end.server)) {
      end.vanish();
    } else {
      end.close("connection refused", "keep");
    }
  }

  #watch(end: WireEnd<Uint8Array>): void {
    const { pingIntervalMs, pingTimeoutMs } = this.#limits;
    this.#wires.watch(end, pingTimeoutMs, pingTimeoutMs + pingIntervalMs);
  }

  #createRoute(): Route {
    const { time, random } = this.#options;
    const { peerLatencyMsMin, peerLatencyMsMax, retransmissionMsMax } = this.#limits;
    const spreadMs = peerLatencyMsMax - peerLatencyMsMin;
    const latencyMs = peerLatencyMsMin + random.nextFloat() * spreadMs;
    return new Route({ time, random, weather: this.#weather, latencyMs, retransmissionMsMax });
  }

  #route(from: ServerId, to: ServerId): Route {
    const route = this.#routes.get(from)?.get(to);
    assert(route !== undefined, `no link from ${from} to ${to}`);
    return route;
  }

  #createFaults(): LinkFaults {
    const frameFaults = this.#frameFaults;
    return {
      cut: (from, to) => this.#route(from, to).cut(cause),
      mend: (from, to) => this.#route(from, to).mend(cause),
      breakConnection: (a, b) =>
        this.#wires.break(
          ({ server, other }) =>
            (server === a && other.server === b) || (server === b && other.server === a),
        ),
      clog: (from, to, durationMs) => this.#route(from, to).clog(durationMs),
      setDelayMs: (meanMs) => {
        this.#weather.meanDelayMs = meanMs;
      },
      setLoss: (probability) => {
        frameFaults.loss = probability;
      },
      setDoubling: (probability) => {
        frameFaults.doubling = probability;
      },
      setReordering: (probability) => {
        frameFaults.reordering = probability;
      },
      mendAll: () => {
        this.#weather.meanDelayMs = 0;
        Object.assign(frameFaults, { loss: 0, doubling: 0, reordering: 0 });
        for (const routes of this.#routes.values()) {
          for (const route of routes.values()) {
            route.mend(cause);
            route.unclog();
          }
        }
      },
    };
  }
}
