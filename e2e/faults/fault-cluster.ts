// Real servers whose links can be made faulty. Each reaches each other through a proxy of its own
// for this one link, and clients reach each through one more; where the machine permits, each
// server lives in a network namespace and has a clock that can be set wrong. Decides nothing.
import { join } from "node:path";
import {
  createTemporaryFolder,
  eventually,
  type TemporaryFolder,
} from "../../src/testing/index.ts";
import { Cluster, findFreePorts, type ServerPlace } from "../cluster.ts";
import { RunningProgram, type RunResult } from "../program.ts";
import { type LinkCondition, type LinkControl, listenLinkProxy } from "./link-proxy.ts";
import { type Network, openNetwork } from "./namespaces.ts";
import { forkProxies } from "./remote-proxies.ts";
import { WrongClock } from "./wrong-clock.ts";

const loopback = "127.0.0.1";
/** How long servers may take to be ready after faults, ms; generous: the machine may be busy. */
const recoveryTimeoutMs = 60_000;

/** How such a cluster is made. */
export interface FaultClusterOptions {
  readonly size: number;
  readonly inNamespaces: boolean;
  /** Where libfaketime is; undefined: clocks are right. */
  readonly faketimePath: string | undefined;
}

/** A server ended that was not told to. */
export interface Crash {
  readonly server: number;
  readonly code: number;
  /** The end of what it wrote. */
  readonly output: string;
}

/** From one server to another. */
export interface Way {
  readonly from: number;
  readonly to: number;
}

/** Whatever the cluster holds open beside its processes. */
interface Closable {
  close(): Promise<void>;
}

/** What is around the servers. */
interface Surroundings {
  readonly network: Network | undefined;
  readonly clocks: ReadonlyMap<number, WrongClock>;
  /** The link of each way, by its name. */
  readonly links: ReadonlyMap<string, LinkControl>;
  /** Where a server finds the proxy of a way: `host:port`. */
  readonly linkAddresses: ReadonlyMap<string, string>;
  readonly clientLinks: ReadonlyMap<number, LinkControl>;
  /** `http://host:port` of the proxies for clients. */
  readonly clientAddresses: ReadonlyMap<number, string>;
  readonly closables: readonly Closable[];
}

/** The cluster. Make it with `openFaultCluster`; always `close` it. */
export class FaultCluster extends Cluster {
  readonly #around: Surroundings;
  /** Servers whose end is not a surprise. */
  readonly #expected = new Set<number>();
  readonly #paused = new Set<number>();
  readonly #crashes: Crash[] = [];

  constructor(
    servers: readonly Omit<ServerPlace, "dataFolder">[],
    temporary: TemporaryFolder,
    around: Surroundings,
  ) {
    super(servers, temporary, {});
    this.#around = around;
  }

  /** Where clients reach the servers: the proxies, in the order of the servers' ids. */
  get publicAddresses(): string[] {
    return this.ids.map((id) => this.publicAddress(id));
  }

  /** The server at one of `publicAddresses`. */
  serverOf(address: string): number {
    return this.ids.find((id) => this.publicAddress(id) === address) ?? 0;
  }

  get crashes(): readonly Crash[] {
    return this.#crashes;
  }

  get network(): Network | undefined {
    return this.#around.network;
  }

  /** The link between clients and a server. */
  clientLink(server: number): LinkControl {
    return this.#around.clientLinks.get(server)!;
  }

  clock(server: number): WrongClock | undefined {
    return this.#around.clocks.get(server);
  }

  /**
   * Lays a fault on everything that goes this way: on the connection that the sender opened, and on
   * what it answers over the one that the other opened.
   */
  async imposeOnWay(
    fault: string,
    way: Way,
    condition: Omit<LinkCondition, "direction">,
  ): Promise<void> {
    const name = `${fault} ${nameOfWay(way)}`;
    await this.#link(way).impose(name, { ...condition, direction: "forward" });
    await this.#link(turned(way)).impose(name, { ...condition, direction: "backward" });
  }

  async liftFromWay(fault: string, way: Way): Promise<void> {
    const name = `${fault} ${nameOfWay(way)}`;
    await this.#link(way).lift(name);
    await this.#link(turned(way)).lift(name);
  }

  /** Resets the connections between two servers; answers how many there were. */
  async resetConnections({ from, to }: Way): Promise<number> {
    const there = await this.#link({ from, to }).reset();
    return there + (await this.#link({ from: to, to: from }).reset());
  }

  override serveArguments(id: number): string[] {
    const { clientAddress, peerAddress, dataFolder } = this.server(id);
    const members = this.ids.map((other) => {
      if (other === id) return `${id}=${peerAddress}`;
      return `${other}=${this.#around.linkAddresses.get(nameOfWay({ from: id, to: other }))}`;
    });
    const { hostname, port } = new URL(clientAddress);
    const settings = {
      id: String(id),
      "cluster-name": "faults",
      members: members.join(","),
      "client-host": hostname,
      "client-port": port,
      "client-address": this.publicAddress(id),
      data: dataFolder,
    };
    const options = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]);
    return ["serve", "--exit-with-parent", ...options];
  }

  protected override launch(id: number): RunningProgram {
    this.#expected.delete(id);
    this.#paused.delete(id);
    const { network, clocks } = this.#around;
    const program = new RunningProgram(this.serveArguments(id), {
      wrapper: network?.wrapper(id) ?? [],
      environment: clocks.get(id)?.environment ?? {},
    });
    void program.ended.then(
      ({ code, stdout, stderr }) => {
        if (this.#expected.has(id)) return;
        this.#crashes.push({ server: id, code, output: (stdout + stderr).slice(-2_000) });
      },
      (error: unknown) => {
        this.#crashes.push({ server: id, code: -1, output: String(error) });
      },
    );
    return program;
  }

  override kill(id: number): Promise<void> {
    this.#expected.add(id);
    return super.kill(id);
  }

  override killAll(ids: readonly number[] = this.ids): Promise<void> {
    for (const id of ids) this.#expected.add(id);
    return super.killAll(ids);
  }

  override terminate(id: number): Promise<RunResult> {
    this.#expected.add(id);
    return super.terminate(id);
  }

  override pause(id: number): void {
    this.#paused.add(id);
    super.pause(id);
  }

  override resume(id: number): void {
    this.#paused.delete(id);
    super.resume(id);
  }

  isPaused(id: number): boolean {
    return this.isRunning(id) && this.#paused.has(id);
  }

  /**
   * Waits until all servers are ready, one leads, and all have applied the same: everything that
   * was committed when they were asked.
   */
  async waitEqual(timeoutMs = recoveryTimeoutMs): Promise<void> {
    await this.waitReady(this.ids, timeoutMs);
    const leader = await this.waitLeader(timeoutMs);
    const target = Number((await this.#appliedBy(leader)) ?? 0);
    await eventually(
      "all servers to have applied the same",
      async () => {
        const applied = await Promise.all(this.ids.map((id) => this.#appliedBy(id)));
        return applied.every((index) => index !== undefined && index >= target);
      },
      { timeoutMs },
    );
  }

  override async close(): Promise<void> {
    await super.close();
    for (const closable of this.#around.closables) await closable.close();
  }

  async #appliedBy(id: number): Promise<number | undefined> {
    const servers = await this.status(id);
    const own = servers?.find(({ replicaId }) => replicaId === id);
    return own === undefined ? undefined : Number(own.appliedIndex ?? 0);
  }

  /** Where clients reach a server: its proxy. */
  publicAddress(id: number): string {
    return this.#around.clientAddresses.get(id)!;
  }

  #link(way: Way): LinkControl {
    return this.#around.links.get(nameOfWay(way))!;
  }
}

/** Makes everything and waits until the servers are ready. */
export async function openFaultCluster(options: FaultClusterOptions): Promise<FaultCluster> {
  const { size, inNamespaces } = options;
  const ids = Array.from({ length: size }, (_, i) => i + 1);
  const temporary = createTemporaryFolder();
  const closables: Closable[] = [];
  let cluster: FaultCluster | undefined;
  try {
    const network = inNamespaces ? await openNetwork(ids) : undefined;
    // Last: the processes in its namespaces must have ended.
    if (network !== undefined) closables.push(network);
    const ports = await findFreePorts(2 * size);
    const servers = ids.map((id, i) => {
      const host = network?.address(id) ?? loopback;
      return {
        id,
        clientAddress: `http://${host}:${ports[i]}`,
        peerAddress: `${host}:${ports[size + i]}`,
      };
    });
    const around = {
      network,
      clocks: makeClocks(ids, temporary.path, options.faketimePath),
      ...(await openPeerLinks(servers, network, closables)),
      ...(await openClientLinks(servers, closables)),
      closables,
    };
    cluster = new FaultCluster(servers, temporary, around);
    for (const id of ids) cluster.start(id);
    await cluster.waitReady();
    return cluster;
  } catch (error) {
    await cluster?.killAll();
    temporary.remove();
    for (const closable of closables) await closable.close();
    throw error;
  }
}

type Places = readonly Omit<ServerPlace, "dataFolder">[];

/** The proxies for what each server sends to the others, beside that server. */
async function openPeerLinks(
  servers: Places,
  network: Network | undefined,
  closables: Closable[],
): Promise<Pick<Surroundings, "links" | "linkAddresses">> {
  const links = new Map<string, LinkControl>();
  const linkAddresses = new Map<string, string>();
  for (const { id: from } of servers) {
    const targets = servers
      .filter(({ id }) => id !== from)
      .map(({ id: to, peerAddress }) => {
        const { hostname: targetHost, port } = new URL(`http://${peerAddress}`);
        return { name: nameOfWay({ from, to }), targetHost, targetPort: Number(port) };
      });
    if (network === undefined) {
      for (const { name, targetHost, targetPort } of targets) {
        const proxy = await listenLinkProxy({ listenHost: loopback, targetHost, targetPort });
        closables.unshift(proxy);
        links.set(name, proxy);
        linkAddresses.set(name, `${loopback}:${proxy.port}`);
      }
    } else {
      const proxies = await forkProxies(network.wrapper(from), { links: targets });
      closables.unshift(proxies);
      for (const { name } of targets) {
        links.set(name, proxies.link(name));
        linkAddresses.set(name, `${loopback}:${proxies.port(name)}`);
      }
    }
  }
  return { links, linkAddresses };
}

async function openClientLinks(
  servers: Places,
  closables: Closable[],
): Promise<Pick<Surroundings, "clientLinks" | "clientAddresses">> {
  const clientLinks = new Map<number, LinkControl>();
  const clientAddresses = new Map<number, string>();
  for (const { id, clientAddress } of servers) {
    const { hostname: targetHost, port } = new URL(clientAddress);
    const targetPort = Number(port);
    const proxy = await listenLinkProxy({ listenHost: loopback, targetHost, targetPort });
    closables.unshift(proxy);
    clientLinks.set(id, proxy);
    clientAddresses.set(id, `http://${loopback}:${proxy.port}`);
  }
  return { clientLinks, clientAddresses };
}

function makeClocks(
  ids: readonly number[],
  folder: string,
  faketimePath: string | undefined,
): ReadonlyMap<number, WrongClock> {
  if (faketimePath === undefined) return new Map();
  return new Map(ids.map((id) => [id, new WrongClock(faketimePath, join(folder, `clock-${id}`))]));
}

function nameOfWay({ from, to }: Way): string {
  return `${from}>${to}`;
}

function turned({ from, to }: Way): Way {
  return { from: to, to: from };
}
