// A small network of its own: one namespace a server, a bridge in a namespace of its own between
// them, and one way from this process's namespace to the bridge. Rules of nft in the servers'
// namespaces let packets disappear, in one direction or at random. Needs root, `ip` and `nft`.
import { readdirSync } from "node:fs";
import { runCommand, runCommandAtExit } from "./commands.ts";

/** Names of namespaces begin with this and the id of the process that made them. */
const namePrefix = "holdfast-";
const namespaceFolder = "/run/netns";
/** Of 198.18.0.0/15, which RFC 2544 keeps for tests of networks; the third byte is drawn. */
const networkPrefix = "198.18";
/** The last byte of this process's own address; servers have their ids. */
const ownHostByte = 254;

/** What happens to packets from one server to another. */
export interface PacketFault {
  readonly from: number;
  readonly to: number;
  /** Share of packets that disappear; 100: all of them. */
  readonly percent: number;
}

let networks = 0;

/** A network that stands. Make it with `openNetwork`; always `close` it. */
export class Network {
  readonly #id: string;
  /** The first three bytes of all addresses. */
  #subnet = "";
  readonly #servers: readonly number[];
  readonly #faults = new Map<string, readonly PacketFault[]>();
  readonly #closeAtExit = (): void => this.#removeNow();
  /** One change at a time: each writes the whole table. */
  #changes: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(servers: readonly number[]) {
    networks += 1;
    this.#id = `${process.pid}-${networks}`;
    this.#servers = servers;
    process.once("exit", this.#closeAtExit);
  }

  /** The address of a server. */
  address(server: number): string {
    return `${this.#subnet}.${server}`;
  }

  /** Runs what follows it in the namespace of a server, as the same process. */
  wrapper(server: number): [string, ...string[]] {
    return ["ip", "netns", "exec", this.#name(server)];
  }

  /** Makes namespaces, bridge and links. */
  async open(): Promise<void> {
    const taken = await runCommand(["ip", "-o", "address", "show"]);
    do {
      this.#subnet = `${networkPrefix}.${Math.floor(Math.random() * 256)}`;
    } while (taken.includes(` ${this.#subnet}.`));
    const hub = this.#name("hub");
    await runCommand(["ip", "netns", "add", hub]);
    await this.#ip(hub, "link", "add", "bridge", "type", "bridge");
    await this.#ip(hub, "link", "set", "bridge", "up");
    const own = this.#ownDevice;
    await this.#connect({ hub, port: "own", device: own, target: [] });
    await runCommand(["ip", "address", "add", `${this.#subnet}.${ownHostByte}/24`, "dev", own]);
    await runCommand(["ip", "link", "set", own, "up"]);
    for (const server of this.#servers) {
      const name = this.#name(server);
      await runCommand(["ip", "netns", "add", name]);
      await this.#connect({ hub, port: `port${server}`, device: "eth0", target: ["netns", name] });
      await this.#ip(name, "address", "add", `${this.address(server)}/24`, "dev", "eth0");
      await this.#ip(name, "link", "set", "eth0", "up");
      await this.#ip(name, "link", "set", "lo", "up");
      await this.#writeRules(server);
    }
  }

  /** Lets packets disappear until `lift`; several faults may lie on the network at once. */
  impose(fault: string, packets: readonly PacketFault[]): Promise<void> {
    this.#faults.set(fault, packets);
    return this.#update(packets);
  }

  /** Ends a fault; harmless when it is not there. */
  lift(fault: string): Promise<void> {
    const packets = this.#faults.get(fault) ?? [];
    this.#faults.delete(fault);
    return this.#update(packets);
  }

  /** Removes everything. The processes in the namespaces must have ended. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.#changes.catch(() => undefined);
    this.#removeNow();
    process.off("exit", this.#closeAtExit);
  }

  #update(packets: readonly PacketFault[]): Promise<void> {
    const before = this.#changes.catch(() => undefined);
    this.#changes = before.then(async () => {
      if (this.#isClosed) return;
      for (const server of new Set(packets.map(({ to }) => to))) await this.#writeRules(server);
    });
    return this.#changes;
  }

  /** The table of one namespace, anew and in one step: what comes in and is to disappear. */
  async #writeRules(server: number): Promise<void> {
    const rules = [...this.#faults.values()].flat().filter(({ to }) => to === server);
    const lines = rules.map(({ from, percent }) => {
      const chance = percent >= 100 ? "" : `numgen random mod 100 < ${percent} `;
      return `add rule inet holdfast input ip saddr ${this.address(from)} ${chance}drop`;
    });
    const text = [
      "add table inet holdfast",
      "delete table inet holdfast",
      "add table inet holdfast",
      "add chain inet holdfast input { type filter hook input priority 0; }",
      ...lines,
      "",
    ];
    const [program, ...rest] = this.wrapper(server);
    await runCommand([program, ...rest, "nft", "-f", "-"], { input: text.join("\n") });
  }

  async #connect(link: {
    readonly hub: string;
    readonly port: string;
    readonly device: string;
    readonly target: readonly string[];
  }): Promise<void> {
    const { hub, port, device, target } = link;
    const own = ["type", "veth", "peer", "name", port, "netns", hub];
    await runCommand(["ip", "link", "add", device, ...target, ...own]);
    await this.#ip(hub, "link", "set", port, "master", "bridge", "up");
  }

  #ip(namespace: string, ...args: string[]): Promise<string> {
    return runCommand(["ip", "-n", namespace, ...args]);
  }

  /** This process's end of its way to the bridge; device names have 15 bytes at most. */
  get #ownDevice(): string {
    return `hf${this.#id}`;
  }

  #name(part: number | "hub"): string {
    return `${namePrefix}${this.#id}-${part}`;
  }

  /** With a namespace go its devices, though some time later; with a device its other end. */
  #removeNow(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    runCommandAtExit(["ip", "link", "del", this.#ownDevice]);
    for (const part of [...this.#servers, "hub"] as const) {
      runCommandAtExit(["ip", "netns", "del", this.#name(part)]);
    }
  }
}

/** Makes the network; what is half made is removed when that fails. */
export async function openNetwork(servers: readonly number[]): Promise<Network> {
  const network = new Network(servers);
  try {
    await network.open();
  } catch (error) {
    await network.close();
    throw error;
  }
  return network;
}

/** Removes what processes have left that were killed before they could. */
export function removeAbandonedNetworks(): void {
  let names: string[] = [];
  try {
    names = readdirSync(namespaceFolder);
  } catch {
    // No namespace was ever made here.
  }
  for (const name of names) {
    const pid = Number(new RegExp(`^${namePrefix}(\\d+)-`).exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || isRunning(pid)) continue;
    runCommandAtExit(["ip", "netns", "del", name]);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
