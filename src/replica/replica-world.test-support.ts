// A small world for tests of the replica: several replicas in one thread on virtual time, with
// links that can be cut, processes that die, hang and come back, and disks that lose what was not
// durable. The simulator is another matter.

import { decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import { positionOf } from "../base/position.ts";
import { Random } from "../base/random.ts";
import type { Clock, Timer } from "../io/clock.ts";
import type { Transport, TransportHandler } from "../io/transport.ts";
import type { Entry, HardState } from "../raft/index.ts";
import {
  type AppliedCommand,
  type CommittedEntry,
  type ProposalAnswer,
  Replica,
  type ReplicaIdentity,
  type ReplicaLog,
  type ReplicaTimings,
  type StateMachine,
} from "./index.ts";

/** Virtual time: callbacks run in the order of their moment, then of their making. */
export class VirtualTime {
  nowMs = 0;
  #sequence = 0;
  #waiting: { atMs: number; sequence: number; callback: () => void }[] = [];

  at(delayMs: number, callback: () => void): Timer {
    const entry = { atMs: this.nowMs + delayMs, sequence: this.#sequence++, callback };
    this.#waiting.push(entry);
    return {
      cancel: () => {
        const index = this.#waiting.indexOf(entry);
        if (index >= 0) this.#waiting.splice(index, 1);
      },
    };
  }

  /** Runs what is due next; false where nothing is. */
  step(): boolean {
    let next = 0;
    for (let i = 1; i < this.#waiting.length; i++) {
      const a = this.#waiting[i]!;
      const b = this.#waiting[next]!;
      if (a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)) next = i;
    }
    const [due] = this.#waiting.splice(next, 1);
    if (due === undefined) return false;
    this.nowMs = Math.max(this.nowMs, due.atMs);
    due.callback();
    return true;
  }
}

/** What survives a death of the process. */
interface Disk {
  entries: Entry[];
  durable: number;
  hardState: HardState;
  identity: ReplicaIdentity;
  applied: AppliedState;
}

interface AppliedState {
  index: number;
  /** Command ids with the position and stamp of their first application. */
  readonly commands: Map<string, { position: number; number: number; timestampMs: number }>;
}

/** The number that a command got: 1, 2, 3, … in the order of application. */
export interface Outcome {
  readonly number: number;
  readonly repeated: boolean;
}

/** Counts commands, each id once; throws on the command "poison". */
class CountingMachine implements StateMachine<Outcome, string> {
  readonly #state: AppliedState;
  constructor(state: AppliedState) {
    this.#state = state;
  }
  appliedIndex(): number {
    return this.#state.index;
  }
  apply(entries: readonly CommittedEntry[]): AppliedCommand<Outcome, string>[] {
    const applied: AppliedCommand<Outcome, string>[] = [];
    for (const entry of entries) {
      if (entry.index !== this.#state.index + 1) throw new Error("gap in the applied entries");
      for (const [ordinal, bytes] of entry.commands.entries()) {
        const id = decodeUtf8(bytes)!;
        if (id === "poison") throw new Error("poisonous command");
        const position = positionOf(entry.index, ordinal);
        const first = this.#state.commands.get(id);
        const number = first?.number ?? this.#state.commands.size + 1;
        const { timestampMs } = entry;
        if (!first) this.#state.commands.set(id, { position, number, timestampMs });
        const outcome = { number, repeated: first !== undefined };
        applied.push({ position, outcome, events: first ? [] : [id] });
      }
      this.#state.index = entry.index;
    }
    return applied;
  }
}

/** One server of the world: its disk stays, its process comes and goes. */
export class WorldServer {
  readonly id: number;
  readonly #world: World;
  disk: Disk;
  replica: Replica<Outcome, string> | undefined;
  /** Paused processes keep their connections and do nothing. */
  paused = false;
  /** fsyncs do not come back while set. */
  diskHangs = false;
  /** The log has failed and says so to each append, before it returns. */
  diskFails = false;
  wallOffsetMs = 0;
  fatal: { error: Error; poisonIndex?: number } | undefined;
  #life = 0;
  #deferred: (() => void)[] = [];
  handler: TransportHandler | undefined;

  constructor(world: World, id: number) {
    this.#world = world;
    this.id = id;
    this.disk = world.emptyDisk(id);
  }

  start(): void {
    this.#life += 1;
    this.paused = false;
    this.diskHangs = false;
    this.fatal = undefined;
    const world = this.#world;
    this.replica = new Replica<Outcome, string>({
      identity: this.disk.identity,
      members: world.members,
      clientAddress: `http://server-${this.id}`,
      version: "test",
      timings: world.timings,
      seed: world.random.nextUint32(),
      clock: this.#clock(),
      transport: this.#transport(),
      log: this.#log(),
      votes: {
        load: () => this.disk.hardState,
        save: (hardState) => {
          this.disk.hardState = { ...hardState };
        },
      },
      stateMachine: new CountingMachine(this.disk.applied),
      saveIdentity: (identity) => {
        this.disk.identity = identity;
      },
      freeBytes: () => 1e9,
      onNote: () => {},
      onFatal: (failure) => {
        this.fatal = failure;
      },
    });
    this.replica.start();
  }

  /** The process ends at once; what was not durable is gone. */
  kill(): void {
    this.#life += 1;
    this.replica = undefined;
    this.handler = undefined;
    this.#deferred = [];
    this.disk.entries = this.disk.entries.slice(0, this.disk.durable);
    this.#world.dropConnections(this.id);
  }

  loseDisk(): void {
    this.disk = this.#world.emptyDisk(this.id);
  }

  resume(): void {
    this.paused = false;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const callback of deferred) this.#world.time.at(0, callback);
  }

  /** A callback that only runs in this life, and not while paused. */
  inLife(callback: () => void): () => void {
    const life = this.#life;
    const run = (): void => {
      if (life !== this.#life) return;
      if (this.paused) this.#deferred.push(run);
      else callback();
    };
    return run;
  }

  #clock(): Clock {
    const { time } = this.#world;
    return {
      monotonicMs: () => time.nowMs,
      wallMs: () => 1_000_000 + time.nowMs + this.wallOffsetMs,
      setTimer: (delayMs, callback) => time.at(delayMs, this.inLife(callback)),
      setSoon: (callback) => void time.at(0, this.inLife(callback)),
    };
  }

  #transport(): Transport {
    const world = this.#world;
    return {
      start: (handler) => {
        this.handler = handler;
      },
      setPeers: () => {},
      send: (peer, frame) => world.deliver(this.id, peer, frame),
      disconnect: (peer) => void world.time.at(0, () => world.dropConnection(this.id, peer)),
      close: () => world.dropConnections(this.id),
    };
  }

  #log(): ReplicaLog {
    const { disk } = this;
    const world = this.#world;
    let unfinished: (() => void)[] = [];
    const finish = (): void => {
      if (this.diskHangs) {
        world.time.at(5, this.inLife(finish));
        return;
      }
      const callbacks = unfinished;
      unfinished = [];
      for (const callback of callbacks) callback();
    };
    return {
      firstIndex: () => 1,
      lastIndex: () => disk.entries.length,
      term: (index) => (index === 0 ? 0 : disk.entries[index - 1]?.term),
      entries: (start, end) => disk.entries.slice(start - 1, end - 1),
      bytes: () => disk.entries.length,
      append: (entries, done) => {
        if (this.diskFails) {
          done(new Error("EIO: write"));
          return;
        }
        const first = entries[0];
        if (first !== undefined) {
          disk.entries = [...disk.entries.slice(0, first.index - 1), ...entries];
          disk.durable = Math.min(disk.durable, first.index - 1);
        }
        const length = disk.entries.length;
        unfinished.push(() => {
          disk.durable = Math.max(disk.durable, Math.min(length, disk.entries.length));
          done();
        });
        world.time.at(0.1 + world.random.nextFloat(), this.inLife(finish));
      },
    };
  }
}

/** The servers, their links, and the clients' view of them. */
export class World {
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly servers: WorldServer[];
  readonly members: { replicaId: number; peerAddress: string }[];
  readonly timings: ReplicaTimings;
  /** Links "a-b" that swallow everything, a < b. */
  readonly cuts = new Set<string>();
  readonly #connected = new Set<string>();
  readonly #lastArrival = new Map<string, number>();

  constructor(options: { seed: number; size: number; timings?: Partial<ReplicaTimings> }) {
    this.random = new Random(options.seed);
    this.timings = {
      tickMs: 10,
      heartbeatIntervalTicks: 5,
      electionTimeoutTicksMin: 30,
      electionTimeoutTicksMax: 60,
      liveTimeoutMs: 500,
      proposalTimeoutMs: 10_000,
      acks: "live",
      ...options.timings,
    };
    this.members = Array.from({ length: options.size }, (_, i) => ({
      replicaId: i + 1,
      peerAddress: `peer-${i + 1}`,
    }));
    this.servers = this.members.map(({ replicaId }) => new WorldServer(this, replicaId));
    this.#connectAgain();
  }

  emptyDisk(id: number): Disk {
    return {
      entries: [],
      durable: 0,
      hardState: { term: 0, votedFor: 0 },
      identity: {
        replicaId: id,
        birthNonce: BigInt(this.random.nextUint32()) + 1n,
        clusterName: "test",
        formed: undefined,
      },
      applied: { index: 0, commands: new Map() },
    };
  }

  server(id: number): WorldServer {
    return this.servers[id - 1]!;
  }

  startAll(): void {
    for (const server of this.servers) server.start();
  }

  /** Runs virtual time until the condition holds; throws after `boundMs` of it. */
  until(condition: () => boolean, what: string, boundMs = 20_000): void {
    const endMs = this.time.nowMs + boundMs;
    while (!condition()) {
      if (this.time.nowMs > endMs || !this.time.step()) {
        throw new Error(`not within ${boundMs} ms: ${what}`);
      }
    }
  }

  run(durationMs: number): void {
    const endMs = this.time.nowMs + durationMs;
    this.time.at(durationMs, () => {});
    while (this.time.nowMs < endMs) this.time.step();
  }

  leader(): WorldServer | undefined {
    const leaders = this.servers.filter((server) => server.replica?.leads && !server.paused);
    return leaders.sort((a, b) => b.disk.hardState.term - a.disk.hardState.term)[0];
  }

  untilLeader(boundMs?: number): WorldServer {
    this.until(() => this.leader()?.replica?.readiness().ready === true, "a leader", boundMs);
    return this.leader()!;
  }

  propose(id: number, command: string): { answer: ProposalAnswer<Outcome> | undefined } {
    const result: { answer: ProposalAnswer<Outcome> | undefined } = { answer: undefined };
    this.server(id).replica?.propose(encodeUtf8(command), (answer) => {
      result.answer = answer;
    });
    return result;
  }

  deliver(from: number, to: number, frame: Uint8Array): boolean {
    const name = link(from, to);
    if (!this.#connected.has(name)) return false;
    const route = `${from}>${to}`;
    const arrivalMs = Math.max(
      this.#lastArrival.get(route) ?? 0,
      this.time.nowMs + 0.2 + this.random.nextFloat(),
    );
    this.#lastArrival.set(route, arrivalMs);
    const receiver = this.server(to);
    const receive = receiver.inLife(() => {
      if (this.#connected.has(name)) receiver.handler?.handleFrame(from, frame);
    });
    this.time.at(arrivalMs - this.time.nowMs, () => {
      if (!this.cuts.has(name)) receive();
    });
    return true;
  }

  dropConnection(a: number, b: number): void {
    if (!this.#connected.delete(link(a, b))) return;
    for (const [self, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const server = this.server(self);
      const tell = server.inLife(() => server.handler?.handleDisconnected(other, "broken"));
      this.time.at(0.1 + this.random.nextFloat(), tell);
    }
  }

  dropConnections(id: number): void {
    for (const { replicaId } of this.members) {
      if (replicaId !== id) this.dropConnection(id, replicaId);
    }
  }

  /** Tries all missing connections, over and over, as a transport does. */
  #connectAgain(): void {
    this.time.at(20, () => this.#connectAgain());
    for (const { id: a } of this.servers) {
      for (const { id: b } of this.servers) {
        if (a < b && !this.#connected.has(link(a, b)) && !this.cuts.has(link(a, b))) {
          this.#connect(this.server(a), this.server(b));
        }
      }
    }
  }

  #connect(a: WorldServer, b: WorldServer): void {
    if (a.paused || b.paused || a.handler === undefined || b.handler === undefined) return;
    const first = b.handler.handleHello(a.handler.hello());
    const second = a.handler.handleHello(b.handler.hello());
    if (first.kind === "refused" || second.kind === "refused") return;
    this.#connected.add(link(a.id, b.id));
    a.handler.handleConnected(b.id);
    b.handler.handleConnected(a.id);
  }
}

function link(a: number, b: number): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
