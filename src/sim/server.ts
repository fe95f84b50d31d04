// One simulated server: a machine with its disk, its chat state and its date, which outlive the
// processes that run on it one after the other. A process is put together here as src/server does
// it on a real machine. Tells everything that it does; decides nothing about when it dies.
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { type Chat, type ChatEvent, type ChatOutcome, openChat } from "../chat/index.ts";
import {
  type ChatReplica,
  createInProcessGateway,
  ensureTokenKey,
  type GatewayLimits,
  type InProcessGateway,
} from "../gateways/index.ts";
import type { Database } from "../io/database.ts";
import type { Observer } from "../raft/index.ts";
import {
  type CrashPoint,
  FolderRefusedError,
  openFolder,
  Replica,
  type ReplicaFolder,
  type ReplicaLog,
  type ReplicaMember,
  type ReplicaObserver,
  type ReplicaTimings,
  type StateMachine,
  whenLogExists,
} from "../replica/index.ts";
import type { ClientNetwork } from "./client-network.ts";
import type { ClusterEventBody, Death, ServerId } from "./cluster-event.ts";
import { isDiskFailure } from "./disk-failure.ts";
import { forbidden } from "./globals.ts";
import type { PeerNetwork } from "./peer-network.ts";
import { ProcessLife } from "./process-life.ts";
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
  readonly members: readonly ReplicaMember[];
  readonly timings: ReplicaTimings;
  readonly limits: Partial<GatewayLimits>;
  readonly segmentBytes: number;
  readonly tell: (server: ServerId, body: ClusterEventBody) => void;
  /** Hears, besides, everything that a server's core tells. */
  readonly observerOf: ((server: ServerId) => Observer) | undefined;
  /** Something happened that must never happen: the run is over. */
  crash(error: Error): void;
  /** Whether damage was done to this server's folder, so that it may refuse to start. */
  mayRefuse(server: ServerId): boolean;
}

/** A machine's parts that outlive its processes. */
export interface Machine {
  readonly disk: SimDisk;
  readonly database: SimDatabase;
  readonly date: MachineDate;
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
  database?: Database;
  chat?: Chat;
  replica?: Replica<ChatOutcome, ChatEvent>;
  gateway?: InProcessGateway;
  stopTokenKey?: () => void;
}

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

  constructor(id: ServerId, world: ServerWorld, parts: { machine: Machine; random: Random }) {
    this.id = id;
    this.#world = world;
    this.machine = parts.machine;
    this.#random = parts.random;
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
        memberIds: this.#world.members.map((member) => member.replicaId),
        drawBirthNonce: () => this.#drawNonce(),
        log: { segmentBytes: this.#world.segmentBytes, cacheBytes: 64 * 1024 },
      });
      const process: Process = { life, folder };
      this.#process = process;
      whenLogExists(
        folder,
        clock,
        life.guard((error?: Error) => {
          if (error !== undefined) this.#fail(error);
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

  /** The second half of a start, when the log has a file. */
  #run(process: Process, clock: SimClock): void {
    const { life, folder } = process;
    let chat: Chat;
    try {
      chat = this.#openChat(process, clock);
      process.chat = chat;
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    const replica = this.#createReplica(process, clock, chat);
    process.replica = replica;
    this.#world.tell(this.id, {
      kind: "started",
      life: this.#lives,
      hardState: folder.votes.current(),
      lastIndex: folder.log.lastIndex(),
      lastTerm: folder.log.term(folder.log.lastIndex()) ?? 0,
      appliedIndex: chat.appliedIndex(),
    });
    process.gateway = createInProcessGateway({
      replica: this.#tellingReplica(replica, life),
      chat,
      clock,
      logger: silent,
      limits: this.#world.limits,
      randomBytes: (length) => this.#randomBytes(length),
      secrets: simSecrets,
    });
    this.#world.clients.serve(this.id, life, process.gateway);
    replica.start();
    process.stopTokenKey = ensureTokenKey({
      clock,
      leads: () => replica.leads,
      hasTokenKey: () => chat.tokenKey() !== undefined,
      propose: (command, done) => replica.propose(command, done),
      randomBytes: (length) => this.#randomBytes(length),
    });
  }

  /** As src/server/chat-state.ts opens it. */
  #openChat(process: Process, clock: SimClock): Chat {
    const { life, folder } = process;
    const database = this.machine.database.openLife(clock, (error) => {
      if (life.alive) this.#fail(error);
    });
    process.database = database;
    const chat = openChat(database);
    const lastIndex = folder.log.lastIndex();
    if (chat.appliedIndex() <= lastIndex) return chat;
    throw new FolderRefusedError(
      `its chat state holds entry ${chat.appliedIndex()}, but its log ends at ${lastIndex}`,
    );
  }

  #createReplica(process: Process, clock: SimClock, chat: Chat): Replica<ChatOutcome, ChatEvent> {
    const { life, folder } = process;
    const world = this.#world;
    return new Replica({
      identity: folder.identity,
      members: world.members,
      clientAddress: clientAddressOf(this.id),
      version: "simulated",
      timings: world.timings,
      seed: this.#random.nextUint32(),
      clock,
      transport: world.network.transport(this.id, life),
      log: this.#tellingLog(folder),
      votes: {
        load: () => folder.votes.current(),
        save: (hardState) => {
          folder.votes.save(hardState);
          world.tell(this.id, { kind: "hardStateSaved", hardState });
        },
      },
      stateMachine: this.#tellingStateMachine(chat),
      saveIdentity: (identity) => folder.saveIdentity(identity),
      freeBytes: () => folder.disk.freeBytes(),
      onNote: () => {},
      onFatal: ({ error }) => {
        if (life.alive) this.#fail(error);
      },
      observer: this.#observer(),
      crashPoint: (point) => this.#passCrashPoint(point),
    });
  }

  #tellingLog({ log }: ReplicaFolder): ReplicaLog {
    const { tell } = this.#world;
    return {
      firstIndex: () => log.firstIndex(),
      lastIndex: () => log.lastIndex(),
      term: (index) => log.term(index),
      entries: (start, end, bytesMax) => log.entries(start, end, bytesMax),
      bytes: () => log.bytes(),
      append: (entries, done) => {
        if (entries.length > 0) tell(this.id, { kind: "appended", entries });
        log.append(entries, (error) => {
          const index = log.durableIndex();
          if (error === undefined) tell(this.id, { kind: "logDurable", index });
          done(error);
        });
      },
    };
  }

  #tellingStateMachine(chat: Chat): StateMachine<ChatOutcome, ChatEvent> {
    return {
      appliedIndex: () => chat.appliedIndex(),
      apply: (entries) => {
        const applied = forbidden(() => chat.apply(entries));
        this.#world.tell(this.id, { kind: "applied", entries, applied });
        return applied;
      },
    };
  }

  #observer(): ReplicaObserver {
    const { tell, observerOf } = this.#world;
    const besides = observerOf?.(this.id);
    return {
      ...besides,
      roleChanged: (change) => {
        const { role, hardState, leader } = change;
        tell(this.id, { kind: "roleChanged", role, hardState, leader });
        besides?.roleChanged?.(change);
      },
      messageLeft: (message) => tell(this.id, { kind: "messageSent", message }),
      messageReceived: (message) => {
        tell(this.id, { kind: "messageReceived", message });
        besides?.messageReceived?.(message);
      },
      committed: (change) => {
        tell(this.id, { kind: "committed", commitIndex: change.commitIndex });
        besides?.committed?.(change);
      },
    };
  }

  /** The replica as the gateway sees it, with each promise told as it is given. */
  #tellingReplica(replica: Replica<ChatOutcome, ChatEvent>, life: ProcessLife): ChatReplica {
    return {
      propose: (command, done) =>
        replica.propose(command, (answer) => {
          if (!life.alive) return;
          if (answer.kind === "applied") {
            const { outcome, position, disks } = answer;
            this.#world.tell(this.id, { kind: "answered", command, outcome, position, disks });
          }
          done(answer);
        }),
      waitForPosition: (wait, done) =>
        replica.waitForPosition(wait, (answer) => {
          if (life.alive) done(answer);
        }),
      waitForRead: (wait, done) => {
        const readId = ++this.#readCount;
        this.#world.tell(this.id, { kind: "readAsked", readId });
        replica.waitForRead(wait, (answer) => {
          if (!life.alive) return;
          const reached = answer.kind === "reached";
          const position = replica.appliedPosition();
          this.#world.tell(this.id, { kind: "readAnswered", readId, reached, position });
          done(answer);
        });
      },
      appliedPosition: () => replica.appliedPosition(),
      subscribe: (listener) => replica.subscribe(listener),
      readiness: () => replica.readiness(),
      status: () => replica.status(),
      clientAddresses: () => replica.clientAddresses(),
      replicaId: () => replica.replicaId(),
      clusterId: () => replica.clusterId(),
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
    this.#world.clients.stopListening(this.id);
    gateway.drain();
    this.#world.time.at(
      goodbyeMs,
      life.guard(() => {
        gateway.close();
        replica.stop(
          life.guard(() => {
            process.database?.close();
            this.kill("stopped");
          }),
        );
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

  /** The process has failed by itself: a broken disk is part of the run, all else is a bug. */
  #fail(error: Error): void {
    if (!isDiskFailure(error) && !this.#world.mayRefuse(this.id)) {
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

/** Where clients reach a server. */
export function clientAddressOf(server: ServerId): string {
  return `http://server-${server}:8080`;
}
