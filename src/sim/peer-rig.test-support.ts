// Servers that do nothing but write down what their transport tells them, for tests of the peer
// network.
import { decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import { Random } from "../base/random.ts";
import type { HelloVerdict, PeerId, Transport, TransportHandler } from "../io/transport.ts";
import type { Death, ServerId } from "./cluster-event.ts";
import type { NetworkLimits } from "./network-limits.ts";
import { PeerNetwork } from "./peer-network.ts";
import { ProcessLife } from "./process-life.ts";
import { VirtualTime } from "./virtual-time.ts";

/** One server's process and what it heard. */
export class RigServer implements TransportHandler {
  readonly #rig: PeerRig;
  readonly server: ServerId;
  /** Who it says it is; another's where the folders were swapped. */
  identity: PeerId;
  /** Set: everybody's hello is refused. */
  refuses = false;
  life!: ProcessLife;
  transport!: Transport;
  readonly connected = new Set<PeerId>();
  /** `1 connected`, `1 disconnected`, `1: text`, in order. */
  readonly heard: string[] = [];
  hellos = 0;
  #isInside = false;

  constructor(rig: PeerRig, server: ServerId) {
    this.#rig = rig;
    this.server = server;
    this.identity = server;
    this.boot();
  }

  boot(): void {
    this.connected.clear();
    this.life = new ProcessLife(this.#rig.time);
    this.transport = this.#rig.network.transport(this.server, this.life);
    const peers = this.#rig.ids.filter((id) => id !== this.identity);
    this.#inside(() => {
      this.transport.setPeers(
        peers.map((peerId) => ({ peerId, address: `server-${peerId}:9080` })),
      );
      this.transport.start(this);
    });
  }

  end(how: Death = "killed"): void {
    this.life.end();
    this.#rig.network.handleDeath(this.server, how);
  }

  send(peer: PeerId, text: string): boolean {
    return this.#inside(() => this.transport.send(peer, encodeUtf8(text)));
  }

  /** Frames of a peer, and nothing else. */
  framesOf(peer: PeerId): string[] {
    const start = `${peer}: `;
    return this.heard
      .filter((line) => line.startsWith(start))
      .map((line) => line.slice(start.length));
  }

  hello(): Uint8Array {
    this.hellos++;
    return encodeUtf8(String(this.identity));
  }

  handleHello(hello: Uint8Array): HelloVerdict {
    if (this.refuses) return { kind: "refused", reason: "not you" };
    return { kind: "accepted", peerId: Number(decodeUtf8(hello)) };
  }

  /** `1 refused: reason` of each refusal that it heard of. */
  readonly refusals: string[] = [];

  handleRefused(peer: PeerId, reason: string): void {
    this.refusals.push(`${peer} refused: ${reason}`);
  }

  handleConnected(peer: PeerId): void {
    this.#note(`${peer} connected`);
    if (this.connected.has(peer)) throw new Error(`${peer} was connected twice`);
    this.connected.add(peer);
  }

  handleDisconnected(peer: PeerId): void {
    this.#note(`${peer} disconnected`);
    if (!this.connected.delete(peer)) throw new Error(`${peer} was not connected`);
  }

  handleFrame(peer: PeerId, frame: Uint8Array): void {
    this.#note(`${peer}: ${decodeUtf8(frame)}`);
    if (!this.connected.has(peer)) throw new Error(`a frame of ${peer}, which is not connected`);
  }

  #note(line: string): void {
    if (!this.life.alive || this.life.paused)
      throw new Error(`told while it does not run: ${line}`);
    this.#inside(() => this.heard.push(line));
    this.#rig.trace.push(`${this.#rig.time.nowMs.toFixed(3)} ${this.server} ${line}`);
  }

  /** The port forbids calls of the handler from inside its own calls. */
  #inside<Result>(body: () => Result): Result {
    if (this.#isInside) throw new Error("the handler was called from inside a call");
    this.#isInside = true;
    try {
      return body();
    } finally {
      this.#isInside = false;
    }
  }
}

/** A peer network with a server at each place. */
export class PeerRig {
  readonly time = new VirtualTime();
  readonly ids: readonly ServerId[];
  readonly network: PeerNetwork;
  readonly trace: string[] = [];
  readonly #servers: Map<ServerId, RigServer>;
  /** Events since the beginning. */
  events = 0;

  constructor(options: { size?: number; seed?: number; limits?: Partial<NetworkLimits> } = {}) {
    const { size = 3, seed = 1, limits = {} } = options;
    this.ids = Array.from({ length: size }, (_, at) => at + 1);
    const random = new Random(seed);
    this.network = new PeerNetwork({ time: this.time, random, servers: this.ids, limits });
    this.#servers = new Map(this.ids.map((id) => [id, new RigServer(this, id)]));
  }

  server(id: ServerId): RigServer {
    return this.#servers.get(id)!;
  }

  run(durationMs: number): void {
    const endMs = this.time.nowMs + durationMs;
    this.time.at(durationMs, () => {});
    while (this.time.nowMs < endMs) {
      this.time.step();
      this.events++;
    }
  }

  /** Runs until the condition holds; answers how long that took. */
  until(condition: () => boolean, boundMs = 10_000): number {
    const startMs = this.time.nowMs;
    while (!condition()) {
      if (this.time.nowMs - startMs > boundMs || !this.time.step()) {
        throw new Error(`not within ${boundMs} ms`);
      }
    }
    return this.time.nowMs - startMs;
  }

  cutBoth(a: ServerId, b: ServerId): void {
    this.network.faults.cut(a, b);
    this.network.faults.cut(b, a);
  }

  mendBoth(a: ServerId, b: ServerId): void {
    this.network.faults.mend(a, b);
    this.network.faults.mend(b, a);
  }
}
