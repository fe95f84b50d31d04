// A world for tests of the workload: real gateways over one real chat state, which stands for a
// cluster that always agrees, and the simulated network between them and the clients. What a
// cluster does to clients (being slow, not answering, answering "unavailable" for what it has done)
// is drawn. No raft, no disk.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Position, positionOf } from "../base/position.ts";
import { Random } from "../base/random.ts";
import { type Chat, type ChatEvent, type ChatOutcome, openChat } from "../chat/index.ts";
import { createInProcessGateway } from "../gateways/index.ts";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { StatusResponseSchema } from "../proto/gen/cluster/v1/admin_pb.js";
import type {
  AppliedCommand,
  IslandService,
  ProposalAnswer,
  ReplicaAdmin,
  ReplicaService,
  WaitAnswer,
} from "../replica/index.ts";
import { ClientNetwork } from "./client-network.ts";
import { drain, installVirtualGlobals } from "./globals.ts";
import type { HistoryRecord } from "./history.ts";
import { ProcessLife } from "./process-life.ts";
import { MachineDate, SimClock, virtualEpochMs } from "./sim-clock.ts";
import { SimDatabase } from "./sim-database.ts";
import { simSecrets } from "./sim-secrets.ts";
import { VirtualTime } from "./virtual-time.ts";
import type { CommandCase } from "./workload-operations.ts";
import type { WorkloadWorld } from "./workload-world.ts";

type Applied = readonly AppliedCommand<ChatOutcome, ChatEvent>[];

const clientAddressOf = (id: number) => `http://server-${id}:4801`;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** A cluster that always agrees is never on an island. */
const noIsland: IslandService = {
  islandState: () => ({ open: false, servers: 0 }),
  heldItems: () => [],
  subscribeIsland: () => () => {},
};

/** The workload has no operators. */
const noAdmin: ReplicaAdmin = {
  changeMembers: (_change, done) => done({ kind: "refused", reason: "not here" }),
  transferLeadership: (_target, done) => done({ kind: "refused", reason: "not here" }),
  takeCheckpoint: (done) => done({ kind: "unavailable", message: "not here" }),
  clusterFacts: () => undefined,
  clusterTimeMs: () => 0,
};

/** How badly the cluster treats its clients. */
export interface Weather {
  /** Share of proposals that are answered "unavailable" though they are applied. */
  readonly unansweredShare: number;
  /** Mean time between two broken or hung servers; 0: never. */
  readonly troubleMs: number;
  /** Missed events that are replayed at most; default: the gateways'. */
  readonly replayEventsMax?: number;
}

/** One replica; all of them share a chat state. */
class OneReplica implements ReplicaService<ChatOutcome, ChatEvent> {
  readonly #id: number;
  readonly #world: TestWorld;

  constructor(id: number, world: TestWorld) {
    this.#id = id;
    this.#world = world;
  }

  propose(command: Uint8Array, done: (answer: ProposalAnswer<ChatOutcome>) => void): void {
    this.#world.propose(command, done);
  }

  waitForPosition(
    { position, timeoutMs }: { readonly position: Position; readonly timeoutMs: number },
    done: (answer: WaitAnswer) => void,
  ): void {
    const isReached = this.appliedPosition() >= position;
    this.#world.time.at(isReached ? 0 : timeoutMs, () =>
      done({ kind: isReached ? "reached" : "timedOut" }),
    );
  }

  waitForRead(_wait: { readonly timeoutMs: number }, done: (answer: WaitAnswer) => void): void {
    this.#world.time.at(1, () => done({ kind: "reached" }));
  }

  appliedPosition(): Position {
    return positionOf(this.#world.chat.appliedIndex() + 1, 0) - 1;
  }

  subscribe(listener: (applied: Applied) => void): () => void {
    this.#world.listeners.add(listener);
    return () => this.#world.listeners.delete(listener);
  }

  readiness() {
    return { ready: true, reason: "" };
  }

  status() {
    return create(StatusResponseSchema, { clusterName: "test", answeredBy: this.#id });
  }

  clientAddresses() {
    return [1, 2, 3].map((i) => clientAddressOf(((this.#id - 1 + i - 1) % 3) + 1));
  }

  replicaId() {
    return this.#id;
  }

  clusterId() {
    return "00c0ffee00c0ffee";
  }
}

/** Three servers, their clients' network, and virtual time. */
export class TestWorld {
  readonly time = new VirtualTime();
  readonly chat: Chat;
  readonly network: ClientNetwork;
  readonly listeners = new Set<(applied: Applied) => void>();
  /** How many commands of each kind were accepted, repetitions apart. */
  readonly accepted = new Map<CommandCase, number>();
  readonly addresses = [1, 2, 3].map(clientAddressOf);
  readonly #random: Random;
  readonly #weather: Weather;
  /** When the last proposal that has come is applied. */
  #appliedMs = 0;

  constructor(seed: number, weather: Weather) {
    const { time } = this;
    this.#random = new Random(seed);
    this.#weather = weather;
    const life = new ProcessLife(time);
    const clock = new SimClock({ time, life, date: new MachineDate(time) });
    const database = new SimDatabase({ time, random: this.#newRandom() });
    this.chat = openChat(database.openLife(clock));
    this.network = new ClientNetwork({ time, random: this.#newRandom() });
    const secrets = simSecrets;
    for (const id of [1, 2, 3]) {
      const replica = new OneReplica(id, this);
      const randomBytes = (length: number) => new Uint8Array(length).map(() => this.#drawByte());
      const { chat } = this;
      const { replayEventsMax } = weather;
      const limits = replayEventsMax === undefined ? {} : { replayEventsTotalMax: replayEventsMax };
      const parts = { replica, admin: noAdmin, island: noIsland, chat, clock, logger: silent };
      const options = { ...parts, randomBytes, secrets, limits };
      this.network.serve(id, life, createInProcessGateway(options));
    }
    const tokenKey = new Uint8Array(32).fill(7);
    const body = { case: "initializeCluster", value: { tokenKey } } as const;
    this.#apply(toBinary(CommandSchema, create(CommandSchema, { id: new Uint8Array(16), body })));
    if (weather.troubleMs > 0) this.#troubleLater();
  }

  /** The world as the workload has it. */
  workloadWorld(onRecord?: (record: HistoryRecord) => void): WorkloadWorld {
    const { time, addresses, network } = this;
    const chance = this.#newRandom();
    return {
      random: this.#newRandom(),
      clock: {
        monotonicMs: () => time.nowMs,
        wallMs: () => virtualEpochMs + time.nowMs,
        setTimer: (delayMs, callback) => time.at(delayMs, callback),
        setSoon: (callback) => void time.at(0, callback),
      },
      clientRandom: {
        fillBytes: (bytes) => {
          for (let i = 0; i < bytes.length; i++) bytes[i] = chance.nextUint32() & 0xff;
        },
        nextFloat: () => chance.nextFloat(),
      },
      nowNs: () => Math.round(time.nowMs * 1e6),
      addresses,
      connect: network.connect,
      transport: network.transport,
      serverOf: (address) => addresses.indexOf(address) + 1,
      ...(onRecord !== undefined && { onRecord }),
    };
  }

  propose(command: Uint8Array, done: (answer: ProposalAnswer<ChatOutcome>) => void): void {
    const isUnanswered = this.#random.nextBoolean(this.#weather.unansweredShare);
    // In the order in which they came.
    const drawnMs = this.time.nowMs + 1 + this.#random.nextFloat() * 10;
    this.#appliedMs = Math.max(this.#appliedMs, drawnMs);
    this.time.at(this.#appliedMs - this.time.nowMs, () => {
      const { outcome, position } = this.#apply(command);
      this.time.at(this.#random.nextFloat() * 5, () => {
        if (isUnanswered) done({ kind: "unavailable", message: "No leader in time." });
        else done({ kind: "applied", outcome, position, disks: 3 });
      });
    });
  }

  /** Lets so much time pass. */
  async run(ms: number): Promise<void> {
    let isOver = false;
    this.time.at(ms, () => {
      isOver = true;
    });
    await this.#runWhile(() => !isOver);
  }

  /** Runs until the promise settles, and answers as it does. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.#runWhile(() => !isSettled);
    return promise;
  }

  async #runWhile(condition: () => boolean): Promise<void> {
    const uninstall = installVirtualGlobals(this.time, new Random(1));
    try {
      await drain();
      while (condition()) {
        if (!this.time.step()) throw new Error("nothing is left to happen");
        await drain();
      }
    } finally {
      uninstall();
    }
  }

  #apply(encoded: Uint8Array): Applied[number] {
    const index = this.chat.appliedIndex() + 1;
    const timestampMs = Math.floor(virtualEpochMs + this.time.nowMs);
    const applied = this.chat.apply([{ index, timestampMs, commands: [encoded] }]);
    const [first] = applied;
    if (first === undefined) throw new Error("nothing was applied");
    const { case: kind } = fromBinary(CommandSchema, encoded).body;
    if (kind === undefined || kind === "mergeHeld") throw new Error("no client can give this");
    if (first.outcome.kind === "accepted" && !first.outcome.repeated) {
      this.accepted.set(kind, (this.accepted.get(kind) ?? 0) + 1);
    }
    for (const listener of [...this.listeners]) listener(applied);
    return first;
  }

  #troubleLater(): void {
    const { troubleMs } = this.#weather;
    this.time.at(this.#random.nextFloat() * 2 * troubleMs, () => {
      const server = this.#random.nextInteger(1, 4);
      const { faults } = this.network;
      if (this.#random.nextBoolean(0.5)) {
        faults.breakConnections(server);
      } else {
        faults.cut(server);
        this.time.at(this.#random.nextFloat() * 4_000, () => faults.mend(server));
      }
      this.#troubleLater();
    });
  }

  #newRandom(): Random {
    return new Random(this.#random.nextUint32());
  }

  #drawByte(): number {
    return this.#random.nextUint32() & 0xff;
  }
}
