// A whole simulated cluster: servers, the network between them and to their clients, and everything
// that may be done to them. Tells the checkers and the trace what happens. When which fault strikes
// is decided elsewhere (faults.ts); what is right is judged elsewhere (checkers/).
import { Random } from "../base/random.ts";
import type { ClientClock, ClientRandom } from "../client/index.ts";
import type { Observer } from "../raft/index.ts";
import type { CrashPoint, ReplicaMember, ReplicaTimings } from "../replica/index.ts";
import type { ClusterChecker, FinalServer } from "./checker.ts";
import { ClientNetwork } from "./client-network.ts";
import type { ClusterEvent, ClusterEventBody, ServerId } from "./cluster-event.ts";
import { isDiskFailure } from "./disk-failure.ts";
import type { DiskFaults, FaultTarget, ServerCondition } from "./fault-target.ts";
import { PeerNetwork } from "./peer-network.ts";
import { clientAddressOf, SimServer } from "./server.ts";
import { MachineDate, virtualEpochMs } from "./sim-clock.ts";
import { SimDatabase } from "./sim-database.ts";
import { SimDisk } from "./sim-disk.ts";
import type { VirtualTime } from "./virtual-time.ts";
import type { WorkloadWorld } from "./workload.ts";

/** How long a process that ended by itself stays down, as under a supervisor. */
const restartMs = 1_000;

/** What a cluster is made with. */
export interface ClusterOptions {
  /** A source of seeds: each part draws its own from it. */
  readonly random: Random;
  readonly time: VirtualTime;
  readonly servers: number;
  readonly timings: ReplicaTimings;
  readonly segmentBytes: number;
  /** How far each machine's date is off, by server. */
  readonly dateOffsetsMs: readonly number[];
  readonly checkers: readonly ClusterChecker[];
  readonly onEvent?: ((event: ClusterEvent) => void) | undefined;
  /** Hears, besides, everything that a server's core tells. */
  readonly observerOf?: ((server: ServerId) => Observer) | undefined;
}

/** A copy of a folder as it was, for the fault of an older disk. */
interface FolderCopy {
  readonly disk: ReturnType<SimDisk["copy"]>;
  readonly database: ReturnType<SimDatabase["copy"]>;
}

/** The cluster. It runs as virtual time is stepped. */
export class Cluster implements FaultTarget {
  readonly random: Random;
  readonly time: VirtualTime;
  readonly servers: readonly ServerId[];
  readonly links: FaultTarget["links"];
  readonly clientLinks: FaultTarget["clientLinks"];
  readonly crashPoints: Record<string, number> = {};
  readonly #options: ClusterOptions;
  readonly #machines: Map<ServerId, SimServer>;
  readonly #network: PeerNetwork;
  readonly #clients: ClientNetwork;
  readonly #durable = new Map<ServerId, number>();
  /** The highest term that each server ever kept, on whatever disk. */
  readonly #terms = new Map<ServerId, number>();
  /** Servers whose folder was damaged, emptied or is another's: they may refuse to start. */
  readonly #damaged = new Set<ServerId>();
  readonly #copies = new Map<ServerId, FolderCopy>();
  readonly #swapped = new Set<string>();
  #failure: Error | undefined;

  constructor(options: ClusterOptions) {
    const { random, time } = options;
    this.#options = options;
    this.random = new Random(random.nextUint32());
    this.time = time;
    this.servers = Array.from({ length: options.servers }, (_, at) => at + 1);
    const servers = this.servers;
    const network = new PeerNetwork({ time, random: new Random(random.nextUint32()), servers });
    this.#network = network;
    this.#clients = new ClientNetwork({ time, random: new Random(random.nextUint32()) });
    this.links = network.faults;
    this.clientLinks = this.#clients.faults;
    const members: ReplicaMember[] = this.servers.map((id) => ({
      replicaId: id,
      peerAddress: `server-${id}:9080`,
    }));
    const world = {
      time,
      network,
      clients: this.#clients,
      members,
      timings: options.timings,
      limits: { accountPerSecondPerUsername: 5, pingIntervalMs: 20_000 },
      segmentBytes: options.segmentBytes,
      observerOf: options.observerOf,
      tell: (server: ServerId, body: ClusterEventBody) => this.#tell(server, body),
      crash: (error: Error) => this.#stopRun(error),
      mayRefuse: (server: ServerId) => this.#damaged.has(server),
    };
    this.#machines = new Map(
      this.servers.map((id) => {
        const machine = this.#createMachine(id, random);
        return [id, new SimServer(id, world, { machine, random: new Random(random.nextUint32()) })];
      }),
    );
  }

  #createMachine(id: ServerId, random: Random) {
    const { time, dateOffsetsMs } = this.#options;
    return {
      disk: new SimDisk({
        time,
        random: new Random(random.nextUint32()),
        onDamage: () => {
          this.#damaged.add(id);
          this.#tell(id, { kind: "diskDamaged" });
        },
      }),
      database: new SimDatabase({ time, random: new Random(random.nextUint32()) }),
      date: new MachineDate(time, { offsetMs: dateOffsetsMs[id - 1] ?? 0 }),
    };
  }

  /** The first thing that went wrong: a SafetyViolation, or what must never be thrown. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  server(id: ServerId): SimServer {
    const server = this.#machines.get(id);
    if (server === undefined) throw new Error(`there is no server ${id}`);
    return server;
  }

  /** Whether two servers can talk to each other, and know it. */
  isConnected(a: ServerId, b: ServerId): boolean {
    return a === b || this.#network.isConnected(a, b);
  }

  /** A client's world, for the workload. */
  clientWorld(random: Random): WorkloadWorld {
    const { time } = this;
    const clock: ClientClock = {
      monotonicMs: () => time.nowMs,
      wallMs: () => virtualEpochMs + time.nowMs,
      setTimer: (delayMs, callback) => time.at(delayMs, callback),
      setSoon: (callback) => void time.at(0, callback),
    };
    const chance = new Random(random.nextUint32());
    const clientRandom: ClientRandom = {
      fillBytes: (bytes) => {
        for (let at = 0; at < bytes.length; at++) bytes[at] = chance.nextInteger(0, 256);
      },
      nextFloat: () => chance.nextFloat(),
    };
    return {
      random: new Random(random.nextUint32()),
      clock,
      clientRandom,
      nowNs: () => Math.round(time.nowMs * 1e6),
      addresses: this.servers.map(clientAddressOf),
      connect: (address, listener) => this.#clients.connect(address, listener),
      transport: (address) => this.#clients.transport(address),
      serverOf: (address) => this.servers.find((id) => clientAddressOf(id) === address) ?? 0,
    };
  }

  /** What every server that runs holds, for the last judgement. */
  finalServers(): FinalServer[] {
    return this.servers.flatMap((id) => {
      const { chat, machine } = this.server(id);
      if (chat === undefined) return [];
      return [
        {
          server: id,
          appliedIndex: chat.appliedIndex(),
          stateDigest: machine.database.digest(),
          rows: (sql: string) => machine.database.rows(sql),
        },
      ];
    });
  }

  // ---- What may be done to it -------------------------------------------------------------------

  condition(server: ServerId): ServerCondition {
    const { up, paused, folder } = this.server(server);
    const durableIndex = this.#durable.get(server) ?? 0;
    const durableTerm = folder?.log.term(durableIndex);
    return {
      server,
      up,
      paused,
      diskGood: !this.#damaged.has(server),
      durableIndex,
      ...(durableTerm === undefined ? {} : { durableTerm }),
      term: this.#terms.get(server) ?? 0,
    };
  }

  nowMs(): number {
    return this.time.nowMs;
  }

  after(delayMs: number, callback: () => void): void {
    this.time.at(delayMs, callback);
  }

  kill(server: ServerId): void {
    this.server(server).kill("killed");
  }

  losePower(server: ServerId): void {
    this.server(server).losePower();
  }

  stop(server: ServerId): void {
    this.server(server).stop();
  }

  start(server: ServerId): void {
    this.server(server).start();
  }

  pause(server: ServerId): void {
    this.server(server).pause();
  }

  resume(server: ServerId): void {
    this.server(server).resume();
  }

  armCrashPoint(server: ServerId, point: CrashPoint, passes: number): void {
    this.server(server).armCrashPoint(point, passes);
  }

  disarmCrashPoints(): void {
    for (const id of this.servers) this.server(id).disarmCrashPoint();
  }

  jumpClock(server: ServerId, byMs: number): void {
    this.server(server).machine.date.jump(byMs);
  }

  setClockRate(server: ServerId, rate: number): void {
    this.server(server).machine.date.setRate(rate);
  }

  disk(server: ServerId): DiskFaults {
    return this.server(server).machine.disk;
  }

  emptyDisk(server: ServerId): void {
    if (this.server(server).up) return;
    const { disk, database } = this.server(server).machine;
    disk.clear();
    database.clear();
    this.#damaged.add(server);
    this.#replaced(server, "empty");
  }

  keepDiskCopy(server: ServerId): void {
    if (this.server(server).up) return;
    const { disk, database } = this.server(server).machine;
    this.#copies.set(server, { disk: disk.copy(), database: database.copy() });
  }

  restoreDiskCopy(server: ServerId): boolean {
    const copy = this.#copies.get(server);
    if (copy === undefined || this.server(server).up) return false;
    const { disk, database } = this.server(server).machine;
    disk.restore(copy.disk);
    database.restore(copy.database);
    this.#replaced(server, "older");
    return true;
  }

  swapDisks(a: ServerId, b: ServerId): void {
    const [one, other] = [this.server(a), this.server(b)];
    if (one.up || other.up) return;
    const { disk, database } = one.machine;
    one.machine = { ...one.machine, disk: other.machine.disk, database: other.machine.database };
    other.machine = { ...other.machine, disk, database };
    const pair = `${Math.min(a, b)}-${Math.max(a, b)}`;
    const isUndone = this.#swapped.delete(pair);
    if (!isUndone) this.#swapped.add(pair);
    for (const id of [a, b]) {
      if (isUndone) this.#damaged.delete(id);
      else this.#damaged.add(id);
    }
  }

  #replaced(server: ServerId, by: "empty" | "older"): void {
    this.#durable.set(server, 0);
    this.#tell(server, { kind: "diskReplaced", by });
  }

  // ---- What it tells ----------------------------------------------------------------------------

  #tell(server: ServerId, body: ClusterEventBody): void {
    const event = { atMs: this.time.nowMs, server, ...body } as ClusterEvent;
    this.#options.onEvent?.(event);
    this.#note(event);
    if (this.#failure !== undefined) return;
    try {
      for (const checker of this.#options.checkers) checker.see(event);
    } catch (error) {
      // Not thrown on: the replica inside whose turn this is told would take it for its own.
      this.#stopRun(error as Error);
    }
  }

  #note(event: ClusterEvent): void {
    const { server } = event;
    switch (event.kind) {
      case "started":
        this.#durable.set(server, event.lastIndex);
        this.#noteTerm(server, event.hardState.term);
        break;
      case "hardStateSaved":
        this.#noteTerm(server, event.hardState.term);
        break;
      case "logDurable":
        this.#durable.set(server, event.index);
        break;
      case "crashPoint":
        this.crashPoints[event.point] = (this.crashPoints[event.point] ?? 0) + 1;
        break;
      case "died":
        if (event.how === "fatal") this.#restartLater(server);
        break;
      case "refusedToStart":
        if (isDiskFailure(new Error(event.reason))) this.#restartLater(server);
        break;
    }
  }

  #noteTerm(server: ServerId, term: number): void {
    this.#terms.set(server, Math.max(term, this.#terms.get(server) ?? 0));
  }

  #restartLater(server: ServerId): void {
    this.time.at(restartMs, () => this.server(server).start());
  }

  #stopRun(error: Error): void {
    this.#failure ??= error;
  }
}
