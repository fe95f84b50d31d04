// A small world for tests of the replica: several replicas in one thread on virtual time, with
// links that can be cut, processes that die, hang and come back, and disks that lose what was not
// durable. The simulator is another matter.

import { decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import { positionOf } from "../base/position.ts";
import { Random } from "../base/random.ts";
import type { Clock } from "../io/clock.ts";
import type { Transport, TransportHandler } from "../io/transport.ts";
import type { Entry, HardState } from "../raft/index.ts";
import {
  type AppliedCommand,
  type CommittedEntry,
  newIdentity,
  type ProposalAnswer,
  Replica,
  type ReplicaIdentity,
  type ReplicaLog,
  type ReplicaSizes,
  type ReplicaTimings,
  type StateMachine,
} from "./index.ts";
import { type AppliedState, decodeState, TestDisk } from "./replica-disk.test-support.ts";
import { VirtualTime } from "./virtual-time.test-support.ts";

/** What survives a death of the process. */
interface Disk {
  base: { index: number; term: number; context: Uint8Array };
  /** After the base. */
  entries: Entry[];
  /** Up to this index the log is durable. */
  durable: number;
  hardState: HardState;
  identity: ReplicaIdentity;
  applied: AppliedState;
  readonly store: TestDisk;
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
  judgeHeld(command: Uint8Array): Outcome | undefined {
    const text = decodeUtf8(command)!;
    const first = this.#state.commands.get(text);
    if (first !== undefined) return { number: first.number, repeated: true };
    return this.isHoldable(command) ? undefined : { number: 0, repeated: false };
  }
  isHoldable(command: Uint8Array): boolean {
    return !decodeUtf8(command)!.startsWith("majority only");
  }
  heldKey(command: Uint8Array): string {
    return decodeUtf8(command)!;
  }
  isMerged(command: Uint8Array): boolean {
    return this.#state.commands.has(decodeUtf8(command)!);
  }
  mergeCommand({ command }: { readonly command: Uint8Array }): Uint8Array {
    return command;
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
  /** Whom it would found a cluster with. */
  founders: readonly { readonly replicaId: number; readonly peerAddress: string }[];
  /** What it said when it learned that the cluster has removed it. */
  removed: string | undefined;
  /** Paused processes keep their connections and do nothing. */
  paused = false;
  /** fsyncs do not come back while set. */
  diskHangs = false;
  /** The log has failed and says so to each append, before it returns. */
  diskFails = false;
  wallOffsetMs = 0;
  version = "test";
  /** Where it says that it is reached. */
  peerAddress: string;
  fatal: { error: Error; poisonIndex?: number } | undefined;
  #life = 0;
  #deferred: (() => void)[] = [];
  handler: TransportHandler | undefined;

  constructor(world: World, id: number) {
    this.#world = world;
    this.id = id;
    this.peerAddress = `peer-${id}`;
    this.disk = world.emptyDisk(id);
    this.founders = world.members;
  }

  start(): void {
    this.#life += 1;
    this.paused = false;
    this.diskHangs = false;
    this.fatal = undefined;
    const world = this.#world;
    this.#install();
    const soon = (callback: () => void) => void world.time.at(1, this.inLife(callback));
    this.disk.store.soon = soon;
    this.replica = new Replica<Outcome, string>({
      identity: this.disk.identity,
      members: this.founders,
      peerAddress: this.peerAddress,
      clientAddress: `http://server-${this.id}`,
      version: this.version,
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
      state: this.disk.store.stateStore(this.disk.applied, soon),
      snapshots: this.disk.store,
      islandLog: this.disk.store.islandLog(soon),
      sizes: world.sizes,
      drawNonce: () => BigInt(world.random.nextUint32()) + 1n,
      freeBytes: () => 1e9,
      onNote: (note) => world.notes.push({ server: this.id, ...note }),
      onRestart: () => {
        this.kill();
        this.start();
      },
      onRemoved: (condition) => {
        this.kill();
        this.removed = condition;
      },
      onFatal: (failure) => {
        this.fatal = failure;
      },
    });
    this.replica.start();
  }

  /** A state that was fetched takes the place of the state, as mending.ts does it on a disk. */
  #install(): void {
    const { disk } = this;
    const { ready } = disk.store;
    if (ready === undefined) return;
    disk.store.ready = undefined;
    const { index, term, configuration } = ready.facts;
    disk.applied = decodeState(ready.bytes);
    const isHeld =
      (index === disk.base.index && term === disk.base.term) ||
      disk.entries[index - disk.base.index - 1]?.term === term;
    if (isHeld) return;
    disk.base = { index, term, context: configuration };
    disk.entries = [];
    disk.durable = index;
  }

  /** The process ends at once; what was not durable is gone. */
  kill(): void {
    this.#life += 1;
    this.replica = undefined;
    this.handler = undefined;
    this.#deferred = [];
    const { base, durable } = this.disk;
    this.disk.entries = this.disk.entries.slice(0, durable - base.index);
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
    const lastIndex = (): number => disk.base.index + disk.entries.length;
    return {
      firstIndex: () => disk.base.index + 1,
      lastIndex,
      term: (index) =>
        index === disk.base.index
          ? disk.base.term
          : disk.entries[index - disk.base.index - 1]?.term,
      entries: (start, end) =>
        disk.entries.slice(start - disk.base.index - 1, end - disk.base.index - 1),
      bytes: () => disk.entries.length,
      base: () => disk.base,
      compact: ({ index, context }, done) => {
        const term = disk.entries[index - disk.base.index - 1]!.term;
        disk.entries = disk.entries.slice(index - disk.base.index);
        disk.base = { index, term, context };
        world.time.at(1, this.inLife(done));
      },
      append: (entries, done) => {
        if (this.diskFails) {
          done(new Error("EIO: write"));
          return;
        }
        const first = entries[0];
        if (first !== undefined) {
          const kept = disk.entries.slice(0, first.index - disk.base.index - 1);
          disk.entries = [...kept, ...entries];
          disk.durable = Math.min(disk.durable, first.index - 1);
        }
        const last = lastIndex();
        unfinished.push(() => {
          disk.durable = Math.max(disk.durable, Math.min(last, lastIndex()));
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
  readonly sizes: ReplicaSizes;
  readonly notes: { readonly server: number; readonly message: string }[] = [];
  /** Links "a-b" that swallow everything, a < b. */
  readonly cuts = new Set<string>();
  readonly #connected = new Set<string>();
  readonly #lastArrival = new Map<string, number>();
  /** Who has not heard yet that a connection broke, as "self<other". */
  readonly #untold = new Map<string, () => void>();

  constructor(options: {
    seed: number;
    size: number;
    timings?: Partial<ReplicaTimings>;
    sizes?: ReplicaSizes;
  }) {
    this.sizes = options.sizes ?? { checkpointBytes: 2 ** 26, logKeepBytes: 2 ** 24 };
    this.random = new Random(options.seed);
    this.timings = {
      tickMs: 10,
      heartbeatIntervalTicks: 5,
      electionTimeoutTicksMin: 30,
      electionTimeoutTicksMax: 60,
      liveTimeoutMs: 500,
      islandAfterMs: 3_000,
      survival: "quorum",
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
      base: { index: 0, term: 0, context: new Uint8Array(0) },
      entries: [],
      durable: 0,
      hardState: { term: 0, votedFor: 0 },
      identity: newIdentity({
        replicaId: id,
        birthNonce: BigInt(this.random.nextUint32()) + 1n,
        clusterName: "test",
      }),
      applied: { index: 0, commands: new Map() },
      store: new TestDisk(),
    };
  }

  server(id: number): WorldServer {
    return this.servers[id - 1]!;
  }

  /** A new machine that belongs to no cluster yet. */
  addServer(): WorldServer {
    const server = new WorldServer(this, this.servers.length + 1);
    this.servers.push(server);
    return server;
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
      const name = `${self}<${other}`;
      const tell = server.inLife(() => {
        if (this.#untold.delete(name)) server.handler?.handleDisconnected(other, "broken");
      });
      this.#untold.set(name, tell);
      this.time.at(0.1 + this.random.nextFloat(), tell);
    }
  }

  dropConnections(id: number): void {
    for (const server of this.servers) {
      if (server.id !== id) this.dropConnection(id, server.id);
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
    // As every transport does: the end of a connection comes before the next one's beginning.
    for (const name of [`${a.id}<${b.id}`, `${b.id}<${a.id}`]) {
      this.#untold.get(name)?.();
      this.#untold.delete(name);
    }
    const first = b.handler.handleHello(a.handler.hello());
    const second = a.handler.handleHello(b.handler.hello());
    if (first.kind === "refused") a.handler.handleRefused(b.id, first.reason);
    if (second.kind === "refused") b.handler?.handleRefused(a.id, second.reason);
    if (first.kind === "refused" || second.kind === "refused") return;
    this.#connected.add(link(a.id, b.id));
    a.handler.handleConnected(b.id);
    b.handler.handleConnected(a.id);
  }
}

function link(a: number, b: number): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
