// One server of the world of island-world.test-support.ts: its process, its disk, its turns.
import { assert } from "../base/assert.ts";
import { decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import { Island, type TailCommand, type TakeAnswer } from "./island.ts";
import type { IslandExtras } from "./island-exchange.ts";
import type { IslandLogPort } from "./island-items.ts";
import { KeyMachine, keyIn } from "./island-machine.test-support.ts";
import type { IslandChange } from "./island-service.ts";
import type { IslandWorld } from "./island-world.test-support.ts";

const tickMs = 10;

/** One server: its disk stays, its process comes and goes. */
export class IslandServer {
  readonly id: number;
  readonly world: IslandWorld;
  /** What is durable in the island log. */
  disk: Uint8Array[] = [];
  /** Survives deaths, as what the log can bring back. */
  machine = new KeyMachine();
  tail: TailCommand[] = [];
  island: Island<string> | undefined;
  paused = false;
  diskHangs = false;
  diskFails = false;
  /** What it proposes is answered "unavailable" and not committed. */
  losesProposals = false;
  wallOffsetMs = 0;
  /** The index that it was told to be safe. */
  safeIndex = 0;
  leader = 0;
  leaderAtMs = 0;
  leaderlessSinceMs = 0;
  fatal: unknown;
  readonly changes: IslandChange[] = [];
  readonly notes: string[] = [];
  /** What it proposed. */
  proposed: string[] = [];
  life = 0;
  #inTurn = false;
  #outgoing: { peer: number; extras: IslandExtras }[] = [];
  #deferred: (() => void)[] = [];

  constructor(world: IslandWorld, id: number) {
    this.world = world;
    this.id = id;
  }

  get isUp(): boolean {
    return this.island !== undefined;
  }

  start(): void {
    this.life += 1;
    this.paused = false;
    this.diskHangs = false;
    this.fatal = undefined;
    this.leader = 0;
    this.leaderlessSinceMs = this.world.nowMs;
    const { world } = this;
    this.island = new Island<string>({
      ownId: this.id,
      survival: world.options.survival ?? "island",
      islandAfterMs: 3_000,
      liveTimeoutMs: 500,
      log: this.#log(),
      stateMachine: this.machine,
      clusterTimeMs: () => 1_000_000 + world.nowMs + this.wallOffsetMs,
      drawNonce: () => world.nonces.shift() ?? BigInt(world.random.nextUint32()),
      configurationIndex: () => 1,
      commitIndex: () => this.machine.index,
      tail: () => this.tail,
      send: (peer, extras) => void this.#outgoing.push({ peer, extras }),
      turn: (body) => this.turn(body),
      propose: (command, done) => this.#propose(command, done),
      handleOpened: () => {},
      note: (_level, message, fields) => void this.notes.push(`${message} ${fields["problem"]}`),
    });
    this.island.subscribeIsland((change) => {
      world.checkChange(this, change);
      this.changes.push(change);
    });
    const tick = this.inLife(() => {
      world.at(tickMs, tick);
      this.turn(() => this.#tick());
    });
    tick();
  }

  /** The process ends at once; a write under way may reach the disk in part. */
  kill(): void {
    this.life += 1;
    this.island = undefined;
    this.#deferred = [];
    this.#outgoing = [];
    this.world.dropConnections(this.id);
  }

  resume(): void {
    this.paused = false;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const callback of deferred) this.world.at(0, callback);
  }

  /** A callback of this life, put off while paused. */
  inLife(callback: () => void): () => void {
    const { life } = this;
    const run = (): void => {
      if (life !== this.life) return;
      if (this.paused) this.#deferred.push(run);
      else callback();
    };
    return run;
  }

  turn(body: () => void): void {
    if (this.island === undefined || this.fatal !== undefined) return;
    assert(!this.#inTurn, "a turn does not begin inside another");
    this.#inTurn = true;
    try {
      body();
    } catch (error) {
      if (!this.diskFails) throw error;
      this.fatal = error;
    } finally {
      this.#inTurn = false;
    }
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    if (this.fatal !== undefined) return;
    for (const { peer, extras } of outgoing) this.world.deliver(this.id, peer, extras);
  }

  /** Hands a command in. */
  take(text: string): { answer: TakeAnswer<string> | undefined } {
    const result: { answer: TakeAnswer<string> | undefined } = { answer: undefined };
    this.turn(() =>
      this.island!.take(encodeUtf8(text), (answer) => {
        assert(result.answer === undefined, "an answer comes once");
        result.answer = answer;
        this.world.checkAnswer(this, text, answer);
      }),
    );
    return result;
  }

  /** The keys on its disk. */
  keysOnDisk(): Set<string> {
    return new Set(this.disk.map(keyIn));
  }

  heldKeys(): string[] {
    const items = this.island?.heldItems() ?? [];
    return items.map(({ command }) => this.machine.heldKey(command)!);
  }

  #tick(): void {
    const { world } = this;
    world.elect(this);
    if (this.leader !== 0) this.applyCommitted();
    this.island!.tick({
      nowMs: world.nowMs,
      leader: this.leader,
      isMajorityConnected: world.hasMajority(this.id),
      isVoter: this.id <= world.options.voters,
    });
    if (world.random.nextBoolean(0.1)) world.checkHeld(this);
  }

  /** Applies what is committed, some at a time. */
  applyCommitted(): void {
    const { committed } = this.world;
    const commands = committed.slice(this.machine.index, this.machine.index + 50);
    for (const command of commands) this.machine.apply(command);
    if (commands.length > 0) this.island!.handleApplied(commands, this.machine.index);
  }

  #propose(command: Uint8Array, done: (answer: "applied" | "unavailable") => void): void {
    const { world } = this;
    this.proposed.push(decodeUtf8(command)!);
    let index = 0;
    const poll = (): void => {
      if (this.leader === 0) done("unavailable");
      else if (this.machine.index < index) world.at(tickMs, this.inLife(poll));
      else done("applied");
    };
    const arrive = this.inLife(() => {
      const isLost = this.losesProposals || world.random.nextBoolean(0.1);
      if (this.leader === 0 || isLost) return done("unavailable");
      index = world.committed.push(command);
      // It may be committed and the answer lost.
      if (world.random.nextBoolean(0.1)) return done("unavailable");
      poll();
    });
    world.at(1 + world.random.nextFloat() * 20, arrive);
  }

  #log(): IslandLogPort {
    const { world } = this;
    let underWay: { items: readonly Uint8Array[]; done: (error?: Error) => void }[] = [];
    const { life } = this;
    const write = (): void => {
      if (this.diskHangs && life === this.life) {
        world.at(5, write);
        return;
      }
      const first = underWay.shift()!;
      if (life !== this.life) {
        // Killed meanwhile: the front of what was under way may be there, and nothing after it.
        const count = world.random.nextInteger(0, first.items.length + 1);
        this.disk.push(...first.items.slice(0, count));
        underWay = [];
        return;
      }
      this.disk.push(...first.items);
      this.inLife(() => first.done())();
    };
    return {
      items: () => [...this.disk],
      append: (items, done) => {
        if (this.diskFails) {
          done(new Error("EIO: write"));
          return;
        }
        underWay.push({ items, done });
        world.at(0.1 + world.random.nextFloat() * 2, () => {
          if (underWay.length > 0) write();
        });
      },
      erase: () => {
        assert(underWay.length === 0, "nothing is erased while an append is under way");
        world.checkErase(this);
        this.disk = [];
      },
      bytes: () => this.disk.reduce((sum, { length }) => sum + length, 0),
    };
  }
}
