// A whole simulated cluster: servers, the network between them and to their clients, and everything
// that may be done to them. Tells the checkers and the trace what happens. When which fault strikes
// is decided elsewhere (faults.ts); what is right is judged elsewhere (checkers/).
import { Random } from "../base/random.ts";
import type { Observer } from "../raft/index.ts";
import type {
  CrashPoint,
  MembershipChange,
  ReplicaSizes,
  ReplicaTimings,
} from "../replica/index.ts";
import { Admissions } from "./admissions.ts";
import { drawOne } from "./chance.ts";
import type { ClusterChecker, FinalServer } from "./checker.ts";
import type { ServerLogs } from "./checkers/server-logs.ts";
import { ClientNetwork } from "./client-network.ts";
import { createClientWorld } from "./client-world.ts";
import type { ClusterEvent, ClusterEventBody, ServerId } from "./cluster-event.ts";
import { isDiskFailure } from "./disk-failure.ts";
import type { DiskFaults, FaultTarget, ServerCondition } from "./fault-target.ts";
import { memberAt } from "./network-addresses.ts";
import { PeerNetwork } from "./peer-network.ts";
import { type FolderCopy, SimServer } from "./server.ts";
import { MachineDate } from "./sim-clock.ts";
import { SimDatabase } from "./sim-database.ts";
import { SimDisk } from "./sim-disk.ts";
import type { VirtualTime } from "./virtual-time.ts";
import type { WorkloadWorld } from "./workload.ts";

/** How long a process that ended by itself stays down, as under a supervisor. */
const restartMs = 1_000;
/** How long a wish may come true after it was uttered: membershipTimeoutMs, and a commit. */
const wishMs = 20_000;
/** Machines that may join besides those that found the cluster. */
const spareMachines = 4;

/** What a cluster is made with. */
export interface ClusterOptions {
  /** A source of seeds: each part draws its own from it. */
  readonly random: Random;
  readonly time: VirtualTime;
  readonly servers: number;
  readonly timings: ReplicaTimings;
  readonly segmentBytes: number;
  readonly sizes: ReplicaSizes;
  /** What all servers' logs say, for who is a member. */
  readonly logs: ServerLogs;
  /** How far each machine's date is off, by server. */
  readonly dateOffsetsMs: readonly number[];
  readonly checkers: readonly ClusterChecker[];
  readonly onEvent?: ((event: ClusterEvent) => void) | undefined;
  /** Hears, besides, everything that a server's core tells. */
  readonly observerOf?: ((server: ServerId) => Observer) | undefined;
}

/** The cluster. It runs as virtual time is stepped. */
export class Cluster implements FaultTarget {
  readonly random: Random;
  readonly time: VirtualTime;
  /** Those that have founded the cluster. */
  readonly founders: readonly ServerId[];
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
  /** Machines that are members, are to join, or do not know yet that they were removed. */
  readonly #inUse: Set<ServerId>;
  /** By server with a damaged or emptied folder: in which of its lives that was done. */
  readonly #damaged = new Map<ServerId, number>();
  readonly #misread = new Set<ServerId>();
  /** Servers whose state is not what the log says, until it was replaced. */
  readonly #rotten = new Set<ServerId>();
  /** The newest folder of each server, by birth number. */
  readonly #births = new Map<ServerId, string>();
  readonly #admissions: Admissions;
  readonly #copies = new Map<ServerId, FolderCopy>();
  readonly #swapped = new Set<string>();
  #shrinkingUntilMs = 0;
  #failure: Error | undefined;

  constructor(options: ClusterOptions) {
    const { random, time } = options;
    this.#options = options;
    this.random = new Random(random.nextUint32());
    this.time = time;
    const servers = Array.from({ length: options.servers + spareMachines }, (_, at) => at + 1);
    this.founders = servers.slice(0, options.servers);
    this.#inUse = new Set(this.founders);
    const network = new PeerNetwork({ time, random: new Random(random.nextUint32()), servers });
    this.#network = network;
    this.#clients = new ClientNetwork({ time, random: new Random(random.nextUint32()) });
    this.links = network.faults;
    this.clientLinks = this.#clients.faults;
    this.#admissions = new Admissions({
      time,
      random: new Random(random.nextUint32()),
      upServers: () => this.#whoCanBeAsked(),
    });
    const world = {
      time,
      network,
      clients: this.#clients,
      founders: this.founders.map(memberAt),
      timings: options.timings,
      sizes: options.sizes,
      limits: { accountPerSecondPerUsername: 5, pingIntervalMs: 20_000 },
      segmentBytes: options.segmentBytes,
      observerOf: options.observerOf,
      tell: (server: ServerId, body: ClusterEventBody) => this.#tell(server, body),
      crash: (error: Error) => this.#stopRun(error),
      mayRefuse: (server: ServerId) => this.#isSwapped(server),
      isDamaged: (server: ServerId) => this.#damaged.has(server) || this.#misread.has(server),
      mayBeRemoved: (server: ServerId) => this.#mayBeRemoved(server),
    };
    this.#machines = new Map(
      servers.map((id) => {
        const machine = this.#createMachine(id, random);
        return [id, new SimServer(id, world, { machine, random: new Random(random.nextUint32()) })];
      }),
    );
  }

  #createMachine(id: ServerId, random: Random) {
    const { time, dateOffsetsMs } = this.#options;
    const disk = new SimDisk({
      time,
      random: new Random(random.nextUint32()),
      onDamage: ({ kind }) => {
        // What was read amiss is right on the disk.
        if (kind === "misdirectedRead") this.#misread.add(id);
        else this.#damage(id);
        this.#tell(id, { kind: "diskDamaged" });
      },
    });
    return {
      disk,
      database: new SimDatabase({ time, random: new Random(random.nextUint32()), disk }),
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

  /** Machines in use, by id. */
  get servers(): readonly ServerId[] {
    return [...this.#inUse].sort((a, b) => a - b);
  }

  /** Whether two servers can talk to each other, and know it. */
  isConnected(a: ServerId, b: ServerId): boolean {
    return a === b || this.#network.isConnected(a, b);
  }

  /** A client's world, for the workload. */
  clientWorld(random: Random): WorkloadWorld {
    const { time, founders } = this;
    return createClientWorld({ time, random, clients: this.#clients, founders });
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
      isWhole: this.#isWhole(server),
      lives: this.server(server).lives,
      isFounder: this.server(server).isFounder,
      durableIndex,
      ...(durableTerm === undefined ? {} : { durableTerm }),
      term: this.#terms.get(server) ?? 0,
    };
  }

  /**
   * Whether a server takes full part: it runs with a folder in which no damage can be left, and
   * everything that it had lost is here again.
   */
  #isWhole(id: ServerId): boolean {
    const server = this.server(id);
    const { replica, identity, lives } = server;
    if (replica === undefined || identity?.formed === undefined || identity.abstains) return false;
    if (this.#isSwapped(id) || this.#rotten.has(id) || replica.condition !== "") return false;
    if (lives <= (this.#damaged.get(id) ?? 0)) return false;
    const { configuration } = this.#options.logs.committedConfiguration;
    const member = configuration.members.get(id);
    if (member === undefined) return false;
    // The founding table is in no entry: whoever has formed with it is a member.
    if (member.birth !== undefined && member.birth !== this.#births.get(id)) return false;
    if (!member.reader && !configuration.voters.includes(id)) return false;
    this.#damaged.delete(id);
    return true;
  }

  /** What a server says of itself, for people. */
  describe(id: ServerId): string {
    const { replica, identity, up } = this.server(id);
    if (!up) return "down";
    if (replica === undefined) return "starting or joining";
    if (this.#rotten.has(id)) return "its state has rotted";
    const words = replica.condition || replica.readiness().reason || "no vote";
    return identity?.formed === undefined ? `${words}; not formed` : words;
  }

  voterSets(): readonly (readonly ServerId[])[] {
    return this.#options.logs
      .countingConfigurations()
      .flatMap(({ voters, votersOutgoing }) => [voters, votersOutgoing])
      .filter((voters) => voters.length > 0);
  }

  isShrinking(): boolean {
    return this.time.nowMs < this.#shrinkingUntilMs;
  }

  #shrink(withinMs: number): void {
    this.#shrinkingUntilMs = Math.max(this.#shrinkingUntilMs, this.time.nowMs + withinMs);
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
    this.#shrink(wishMs);
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
    this.#damage(server);
    this.#replaced(server, "empty");
  }

  keepDiskCopy(server: ServerId): void {
    if (this.server(server).up) return;
    const { disk, database } = this.server(server).machine;
    const birth = this.#births.get(server);
    this.#copies.set(server, { disk: disk.copy(), database: database.copy(), birth });
  }

  restoreDiskCopy(server: ServerId): boolean {
    const copy = this.#copies.get(server);
    if (copy === undefined || this.server(server).up) return false;
    if (copy.birth === undefined || copy.birth !== this.#births.get(server)) return false;
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
  }

  #isSwapped(server: ServerId): boolean {
    return [...this.#swapped].some((pair) => pair.split("-").includes(String(server)));
  }

  rotRow(server: ServerId): boolean {
    if (this.server(server).up || this.server(server).machine.database.rotRow() === undefined) {
      return false;
    }
    this.#rotten.add(server);
    this.#tell(server, { kind: "stateDamaged", by: "rot" });
    return true;
  }

  corruptState(server: ServerId): void {
    this.server(server).machine.database.corrupt();
    this.#damage(server);
    this.#tell(server, { kind: "stateDamaged", by: "corruption" });
  }

  #damage(server: ServerId): void {
    const machine = this.#machines.get(server);
    this.#damaged.set(server, machine?.lives ?? 0);
  }

  #replaced(server: ServerId, by: "empty" | "older"): void {
    this.#durable.set(server, 0);
    this.#rotten.delete(server);
    this.#tell(server, { kind: "diskReplaced", by });
  }

  // ---- Members ----------------------------------------------------------------------------------

  spareMachine(): ServerId | undefined {
    return [...this.#machines.keys()].find((id) => !this.#inUse.has(id));
  }

  /** Members by the newest committed configuration. */
  members(): readonly ServerId[] {
    const { configuration } = this.#options.logs.committedConfiguration;
    return [...configuration.members.keys()];
  }

  joinServer(server: ServerId, as: { readonly reader: boolean }): void {
    if (this.#inUse.has(server)) return;
    const { disk, database } = this.server(server).machine;
    disk.clear();
    database.clear();
    this.#inUse.add(server);
    this.#damaged.delete(server);
    this.#copies.delete(server);
    this.#tell(server, { kind: "machineAdded" });
    this.#replaced(server, "empty");
    this.server(server).joinBy(this.#admissions.askFor(server, as));
    this.start(server);
  }

  changeMembers(change: MembershipChange): boolean {
    const asked = drawOne(this.random, this.#whoCanBeAsked());
    if (change.kind === "remove") this.#shrink(wishMs);
    asked?.replica?.admin.changeMembers(change, () => {});
    return asked !== undefined;
  }

  transferLeadership(target: ServerId): boolean {
    const asked = drawOne(this.random, this.#whoCanBeAsked());
    asked?.replica?.admin.transferLeadership(target, () => {});
    return asked !== undefined;
  }

  takeCheckpoint(): boolean {
    const asked = drawOne(this.random, this.#whoCanBeAsked());
    asked?.replica?.admin.takeCheckpoint((answer) => {
      if (answer.kind === "done") answer.snapshot.close();
    });
    return asked !== undefined;
  }

  #whoCanBeAsked(): SimServer[] {
    return this.servers
      .map((id) => this.server(id))
      .filter(({ replica, paused }) => replica !== undefined && !paused);
  }

  /** Some log says that this server's newest folder is a member no more. */
  #mayBeRemoved(server: ServerId): boolean {
    const birth = this.#births.get(server);
    return this.#options.logs.isRemovedSomewhere(birth ?? "");
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
        this.#births.set(server, event.birth);
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
      case "stateInstalled":
        this.#rotten.delete(server);
        break;
      case "mended":
        if (event.finding.startsWith("the chat state")) this.#rotten.delete(server);
        break;
      case "died":
        if (event.how === "fatal") this.#restartLater(server);
        else if (event.how === "removed") this.#inUse.delete(server);
        break;
      case "refusedToStart":
        if (isDiskFailure(new Error(event.reason))) this.#restartLater(server);
        else if (this.#mayBeRemoved(server)) this.#inUse.delete(server);
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
