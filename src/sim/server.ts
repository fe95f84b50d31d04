// One simulated server: a machine with its disk, its chat state and its date, which outlive the
// processes that run on it one after the other. A process is put together here as src/server does
// it on a real machine. Tells everything that it does; decides nothing about when it dies.
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { isCorruption } from "../base/sql-error.ts";
import type { Chat, ChatEvent, ChatOutcome } from "../chat/index.ts";
import {
  createInProcessGateway,
  ensureTokenKey,
  type GatewayLimits,
  type InProcessGateway,
} from "../gateways/index.ts";
import type { Database } from "../io/database.ts";
import type { StateStore } from "../io/state-store.ts";
import type { Observer } from "../raft/index.ts";
import {
  type CrashPoint,
  openFolder,
  Replica,
  type ReplicaFolder,
  type ReplicaIdentity,
  type ReplicaMember,
  type ReplicaSizes,
  type ReplicaTimings,
  whenReady,
} from "../replica/index.ts";
import type { AskToJoin } from "./admissions.ts";
import type { ClientNetwork } from "./client-network.ts";
import type { ClusterEventBody, Death, ServerId } from "./cluster-event.ts";
import { isDamage, isDiskFailure } from "./disk-failure.ts";
import { tellIslandMode, tellingIslandLog, tellingTransport } from "./island-ports.ts";
import { clientAddressOf, memberAt, peerAddressOf } from "./network-addresses.ts";
import type { PeerNetwork } from "./peer-network.ts";
import { ProcessLife } from "./process-life.ts";
import {
  identityFacts,
  tellingLog,
  tellingObserver,
  tellingReplica,
  tellingSnapshots,
  tellingStateMachine,
  tellingVotes,
} from "./server-ports.ts";
import { openState } from "./server-state.ts";
import { type MachineDate, SimClock } from "./sim-clock.ts";
import type { SimDatabase } from "./sim-database.ts";
import type { SimDisk } from "./sim-disk.ts";
import { simSecrets } from "./sim-secrets.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What a server has of the world around it. */
export interface ServerWorld {
  readonly time: VirtualTime;
  readonly network: PeerNetwork;
  readonly clients: ClientNetwork;
  /** The servers that a new cluster is made of. */
  readonly founders: readonly ReplicaMember[];
  readonly timings: ReplicaTimings;
  readonly sizes: ReplicaSizes;
  readonly limits: Partial<GatewayLimits>;
  readonly segmentBytes: number;
  readonly tell: (server: ServerId, body: ClusterEventBody) => void;
  /** Hears, besides, everything that a server's core tells. */
  readonly observerOf: ((server: ServerId) => Observer) | undefined;
  /** Something happened that must never happen: the run is over. */
  crash(error: Error): void;
  /** Whether this server's folder is another's, so that it must refuse to start. */
  mayRefuse(server: ServerId): boolean;
  /** Whether damage was done to this server's disk. */
  isDamaged(server: ServerId): boolean;
  /** Whether the cluster has removed this server, or may have. */
  mayBeRemoved(server: ServerId): boolean;
}

/** A machine's parts that outlive its processes. */
export interface Machine {
  readonly disk: SimDisk;
  readonly database: SimDatabase;
  readonly date: MachineDate;
}

/** A copy of a folder as it was, for the fault of an older disk. */
export interface FolderCopy {
  readonly disk: ReturnType<SimDisk["copy"]>;
  readonly database: ReturnType<SimDatabase["copy"]>;
  /** Whose folder it was: another one may have taken its place since. */
  readonly birth: string | undefined;
}

/** Thrown out of a turn at a crash point: nothing after it happens. */
class CrashPointStruck extends Error {}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** How long a stopping server lets clients finish; src/server's goodbye, at 80 % of 3 s. */
const goodbyeMs = 2_400;

/** Everything of one process. */
interface Process {
  readonly life: ProcessLife;
  readonly folder: ReplicaFolder;
  database?: Database & StateStore;
  chat?: Chat;
  replica?: Replica<ChatOutcome, ChatEvent>;
  gateway?: InProcessGateway;
  stopTokenKey?: () => void;
  /** As the folder has it. */
  identity: ReplicaIdentity;
  /** A state that was fetched, which this start has put in its place. */
  installed?: { readonly index: number };
}

/** How long a newcomer waits before it asks again. */
const joinRetryMs = 500;

/** One server of a simulated cluster. */
export class SimServer {
  readonly id: ServerId;
  readonly #world: ServerWorld;
  readonly #random: Random;
  machine: Machine;
  #process: Process | undefined;
  #lives = 0;
  #armed: { point: CrashPoint; passes: number } | undefined;
  #readCount = 0;
  #stopping = false;

  /** The folder of a machine that is to join; it asks at each start until it is taken in. */
  #askToJoin: AskToJoin | undefined;
  readonly #tell: (body: ClusterEventBody) => void;

  constructor(id: ServerId, world: ServerWorld, parts: { machine: Machine; random: Random }) {
    this.id = id;
    this.#world = world;
    this.machine = parts.machine;
    this.#random = parts.random;
    this.#tell = (body) => world.tell(id, body);
  }

  /** From the next start on this machine, whose folder is new, asks to be taken in. */
  joinBy(ask: AskToJoin | undefined): void {
    this.#askToJoin = ask;
  }

  /** Its settings name those with whom it has founded the cluster. */
  get isFounder(): boolean {
    const founders = this.#world.founders;
    return this.#askToJoin === undefined && founders.some(({ replicaId }) => replicaId === this.id);
  }

  /** What its folder says, while it runs. */
  get identity(): ReplicaIdentity | undefined {
    return this.#process?.identity;
  }

  get lives(): number {
    return this.#lives;
  }

  get up(): boolean {
    return this.#process !== undefined;
  }

  get paused(): boolean {
    return this.#process?.life.paused ?? false;
  }

  get replica(): Replica<ChatOutcome, ChatEvent> | undefined {
    return this.#process?.replica;
  }

  get chat(): Chat | undefined {
    return this.#process?.chat;
  }

  get folder(): ReplicaFolder | undefined {
    return this.#process?.folder;
  }

  /** Starts a process. Where the folder cannot be used it ends at once. */
  start(): void {
    if (this.#process !== undefined) return;
    this.#lives += 1;
    this.#stopping = false;
    const life = new ProcessLife(this.#world.time);
    const clock = new SimClock({ time: this.#world.time, life, date: this.machine.date });
    try {
      const folder = openFolder(this.machine.disk.openLife(life), {
        path: `server-${this.id}`,
        replicaId: this.id,
        clusterName: "simulated",
        drawBirthNonce: () => this.#drawNonce(),
        schedule: (work) => clock.setSoon(work),
        log: { segmentBytes: this.#world.segmentBytes, cacheBytes: 64 * 1024 },
      });
      const process: Process = { life, folder, identity: folder.identity };
      this.#process = process;
      const ready = folder.snapshots.ready();
      if (ready !== undefined) process.installed = ready;
      const isNewcomer = this.#askToJoin !== undefined && folder.identity.formed === undefined;
      if (isNewcomer) folder.saveIdentity({ ...folder.identity, returning: true });
      whenReady(
        folder,
        { clock, files: this.machine.database },
        life.guard((error?: Error) => {
          if (error !== undefined) this.#fail(error);
          else if (isNewcomer) this.#join(process, clock);
          else this.#run(process, clock);
        }),
      );
    } catch (error) {
      life.end();
      this.machine.disk.kill();
      this.#process = undefined;
      this.#refuse(error);
    }
  }

  /** As src/server/join.ts: asks until it is taken in, then starts as any other. */
  #join(process: Process, clock: SimClock): void {
    const { folder, life } = process;
    const own = folder.identity;
    this.#askToJoin?.(
      own,
      life.guard((admission) => {
        if (admission === undefined) {
          clock.setTimer(joinRetryMs, () => this.#join(process, clock));
          return;
        }
        folder.saveIdentity({ ...own, ...admission, returning: false });
        this.kill("restarted");
        this.start();
      }),
    );
  }

  /** The second half of a start, when the log has a file. */
  #run(process: Process, clock: SimClock): void {
    const { life, folder } = process;
    let chat: Chat;
    let identity: ReplicaIdentity;
    try {
      ({ chat, identity } = openState(
        { folder, machine: this.machine, clock, tell: this.#tell },
        {
          opened: (database) => {
            process.database = database;
          },
          failed: life.guard((error) => this.#fail(error)),
        },
      ));
      process.chat = chat;
      process.identity = identity;
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    const replica = this.#createReplica(process, { clock, chat, identity });
    process.replica = replica;
    this.#world.tell(this.id, {
      kind: "started",
      life: this.#lives,
      hardState: folder.votes.current(),
      lastIndex: folder.log.lastIndex(),
      lastTerm: folder.log.term(folder.log.lastIndex()) ?? 0,
      appliedIndex: chat.appliedIndex(),
      baseIndex: folder.log.base().index,
      ...identityFacts(identity),
    });
    if (process.installed !== undefined) {
      const { index } = process.installed;
      const digest = this.machine.database.digest();
      this.#world.tell(this.id, { kind: "stateInstalled", index, digest });
    }
    process.gateway = createInProcessGateway({
      replica: tellingReplica(replica, life, {
        tell: this.#tell,
        nextReadId: () => ++this.#readCount,
      }),
      admin: replica.admin,
      island: replica.island,
      chat,
      clock,
      logger: silent,
      limits: this.#world.limits,
      randomBytes: (length) => this.#randomBytes(length),
      secrets: simSecrets,
    });
    this.#world.clients.serve(this.id, life, process.gateway);
    tellIslandMode(replica.island, life, (body) => this.#world.tell(this.id, body));
    replica.start();
    process.stopTokenKey = ensureTokenKey({
      clock,
      leads: () => replica.leads,
      hasTokenKey: () => chat.tokenKey() !== undefined,
      propose: (command, done) => replica.propose(command, done),
      randomBytes: (length) => this.#randomBytes(length),
    });
  }

  #createReplica(
    process: Process,
    parts: {
      readonly clock: SimClock;
      readonly chat: Chat;
      readonly identity: ReplicaIdentity;
    },
  ): Replica<ChatOutcome, ChatEvent> {
    const { clock, chat, identity } = parts;
    const { life, folder } = process;
    const world = this.#world;
    const tell = this.#tell;
    return new Replica({
      identity,
      members: this.isFounder ? world.founders : [memberAt(this.id)],
      peerAddress: peerAddressOf(this.id),
      clientAddress: clientAddressOf(this.id),
      version: "simulated",
      timings: world.timings,
      seed: this.#random.nextUint32(),
      clock,
      transport: tellingTransport(world.network.transport(this.id, life), tell),
      log: tellingLog(folder, tell),
      votes: tellingVotes(folder, tell),
      stateMachine: tellingStateMachine(chat, tell),
      saveIdentity: (next) => {
        folder.saveIdentity(next);
        process.identity = next;
        tell({ kind: "identitySaved", ...identityFacts(next) });
      },
      state: this.#tellingState(process, chat),
      snapshots: tellingSnapshots(folder, tell),
      islandLog: tellingIslandLog(folder.islandLog, tell),
      sizes: world.sizes,
      drawNonce: () => this.#drawNonce(),
      freeBytes: () => folder.disk.freeBytes(),
      onNote: () => {},
      onRestart: (reason) => this.#restart(life, reason),
      onRemoved: () => {
        if (life.alive) this.kill("removed");
      },
      onFatal: ({ error }) => {
        if (!life.alive) return;
        if (isCorruption(error)) this.#restart(life, error.message);
        else this.#fail(error);
      },
      observer: tellingObserver(world.observerOf?.(this.id), tell),
      crashPoint: (point) => this.#passCrashPoint(point),
    });
  }

  /** The database's copies; what the state is at a checkpoint is shown before it is copied. */
  #tellingState({ database }: Process, chat: Chat): StateStore {
    if (database === undefined) throw new Error("a replica without a database");
    const state = this.machine.database;
    return {
      copyTo: (name, calls) => {
        const index = chat.appliedIndex();
        this.#tell({ kind: "checkpoint", index, rows: (sql) => state.rows(sql) });
        database.copyTo(name, calls);
      },
      inspect: (name, done) => database.inspect(name, done),
    };
  }

  // ---- Endings ----------------------------------------------------------------------------------

  /** The process ends this moment. */
  kill(how: Exclude<Death, "powerLost">): void {
    if (this.#process === undefined) return;
    this.#end(how);
    this.machine.disk.kill();
    this.machine.database.kill();
    this.#world.tell(this.id, { kind: "died", how });
  }

  /** The machine loses power, whether a process runs or not. */
  losePower(): void {
    const wasUp = this.#process !== undefined;
    this.#end("powerLost");
    this.machine.disk.losePower();
    this.machine.database.losePower();
    if (wasUp) this.#world.tell(this.id, { kind: "died", how: "powerLost" });
  }

  /** SIGTERM: as src/server ends, in its order. */
  stop(): void {
    const process = this.#process;
    if (process === undefined || this.#stopping) return;
    this.#stopping = true;
    const { life, replica, gateway } = process;
    if (replica === undefined || gateway === undefined) {
      this.kill("stopped");
      return;
    }
    process.stopTokenKey?.();
    const end = life.guard(() => {
      gateway.close();
      replica.stop();
      process.database?.close();
      this.kill("stopped");
    });
    replica.depart(
      life.guard(() => {
        this.#world.clients.stopListening(this.id);
        gateway.drain();
        this.#world.time.at(goodbyeMs, end);
      }),
    );
  }

  pause(): void {
    if (this.#process === undefined || this.#process.life.paused) return;
    this.#process.life.pause();
    this.#world.tell(this.id, { kind: "paused" });
  }

  resume(): void {
    if (!this.#process?.life.paused) return;
    this.#world.tell(this.id, { kind: "resumed" });
    this.#process.life.resume();
  }

  #end(how: Death): void {
    const { network, clients } = this.#world;
    this.#process?.life.end();
    this.#process = undefined;
    this.#armed = undefined;
    network.handleDeath(this.id, how);
    clients.handleDeath(this.id, how);
  }

  /** The replica has ended since the disk holds something else: as src/server/run.ts goes on. */
  #restart(life: ProcessLife, reason: string): void {
    if (!life.alive) return;
    this.#world.tell(this.id, { kind: "startedAnew", reason });
    this.#world.time.at(0, () => {
      if (!life.alive) return;
      this.kill("restarted");
      this.start();
    });
  }

  /** The process has failed by itself: a broken disk is part of the run, all else is a bug. */
  #fail(error: Error): void {
    const isExpected = isDiskFailure(error) || (isDamage(error) && this.#world.isDamaged(this.id));
    if (!isExpected && !this.#world.mayRefuse(this.id)) {
      const problem = `server ${this.id} failed: ${error.message}`;
      this.#world.crash(new Error(problem, { cause: error }));
    }
    this.kill("fatal");
  }

  #refuse(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#world.tell(this.id, { kind: "refusedToStart", reason });
    if (isDiskFailure(error)) return;
    if (this.#world.mayRefuse(this.id)) return;
    const isRemoved = reason.includes("was removed from this cluster");
    if (isRemoved && this.#world.mayBeRemoved(this.id)) return;
    const problem = `server ${this.id} refused to start on a good disk: ${reason}`;
    this.#world.crash(new Error(problem, { cause: error }));
  }

  // ---- Crash points -----------------------------------------------------------------------------

  /** Ends the process when it passes this point for the `passes`-th time from now. */
  armCrashPoint(point: CrashPoint, passes: number): void {
    assert(passes >= 1, "a crash point strikes at the first pass at the earliest");
    if (this.#process !== undefined) this.#armed = { point, passes };
  }

  disarmCrashPoint(): void {
    this.#armed = undefined;
  }

  #passCrashPoint(point: CrashPoint): void {
    const armed = this.#armed;
    if (armed === undefined || armed.point !== point) return;
    armed.passes -= 1;
    if (armed.passes > 0) return;
    this.#world.tell(this.id, { kind: "crashPoint", point, struck: true });
    this.kill("crashPoint");
    throw new CrashPointStruck(point);
  }

  #drawNonce(): bigint {
    return (BigInt(this.#random.nextUint32()) << 32n) | BigInt(this.#random.nextUint32()) | 1n;
  }

  #randomBytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.#random.nextInteger(0, 256);
    return bytes;
  }
}
