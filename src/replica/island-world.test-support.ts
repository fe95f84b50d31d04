// A small world for tests of island mode: islands of several servers on virtual time, with links
// that break or go silent, processes that die, hang and come back, disks that lose what was not
// durable, and a majority that commits. Consensus is played by the world itself.
import { assert } from "../base/assert.ts";
import { encodeUtf8 } from "../base/bytes.ts";
import { Random } from "../base/random.ts";
import type { TakeAnswer } from "./island.ts";
import type { IslandExtras } from "./island-exchange.ts";
import { KeyMachine } from "./island-machine.test-support.ts";
import { IslandServer } from "./island-server.test-support.ts";
import type { IslandChange } from "./island-service.ts";
import { decodePeerFrame, encodePeerFrame } from "./peer-codec.ts";

/** How long a leader is there before the others know it. */
const electionMs = 300;

export interface IslandWorldOptions {
  readonly seed?: number;
  /** Servers with a vote; they have the first ids. */
  readonly voters: number;
  readonly learners?: number;
  readonly survival?: "island" | "quorum";
  /** How likely a frame is lost. */
  readonly loss?: number;
}

/** The servers, their links, and what the majority has committed. */
export class IslandWorld {
  readonly options: IslandWorldOptions;
  readonly random: Random;
  readonly servers: IslandServer[];
  /** Never falls; the entry at i has the index i + 1. */
  readonly committed: Uint8Array[] = [];
  /** Held answers: the key and the disks that had it then. */
  readonly promises: { readonly key: string; readonly disks: { id: number; births: number }[] }[] =
    [];
  /** How often each server's disk was lost. */
  readonly births = new Map<number, number>();
  /** Links "a-b", a < b: refused, silent. */
  readonly broken = new Set<string>();
  readonly silent = new Set<string>();
  /** What is drawn before chance decides. */
  readonly nonces: bigint[] = [];
  /** Further frames that are lost. */
  swallow: (from: number, to: number) => boolean = () => false;
  nowMs = 0;
  readonly #connected = new Set<string>();
  readonly #lastArrival = new Map<string, number>();
  #sequence = 0;
  #waiting: { atMs: number; sequence: number; callback: () => void }[] = [];

  constructor(options: IslandWorldOptions) {
    this.options = options;
    this.random = new Random(options.seed ?? 1);
    const size = options.voters + (options.learners ?? 0);
    this.servers = Array.from({ length: size }, (_, i) => new IslandServer(this, i + 1));
    this.#connectAgain();
  }

  server(id: number): IslandServer {
    return this.servers[id - 1]!;
  }

  startAll(): void {
    for (const server of this.servers) server.start();
  }

  at(delayMs: number, callback: () => void): void {
    const entry = { atMs: this.nowMs + delayMs, sequence: this.#sequence++, callback };
    let at = this.#waiting.length;
    while (at > 0 && this.#waiting[at - 1]!.atMs > entry.atMs) at -= 1;
    this.#waiting.splice(at, 0, entry);
  }

  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    while (this.#waiting.length > 0 && this.#waiting[0]!.atMs <= endMs) this.#step();
    this.nowMs = endMs;
  }

  until(condition: () => boolean, what: string, boundMs = 20_000): void {
    const endMs = this.nowMs + boundMs;
    while (!condition()) {
      assert(this.nowMs <= endMs && this.#waiting.length > 0, `not within ${boundMs} ms: ${what}`);
      this.#step();
    }
  }

  #step(): void {
    const due = this.#waiting.shift()!;
    this.nowMs = Math.max(this.nowMs, due.atMs);
    due.callback();
  }

  /** Ends all links between the groups, which stay whole in themselves. */
  split(...groups: number[][]): void {
    const groupOf = (id: number): number => groups.findIndex((group) => group.includes(id));
    this.broken.clear();
    for (const { id: a } of this.servers) {
      for (const { id: b } of this.servers) {
        if (a < b && groupOf(a) !== groupOf(b)) this.breakLink(a, b);
      }
    }
  }

  breakLink(a: number, b: number): void {
    this.broken.add(link(a, b));
    this.#disconnect(a, b);
  }

  heal(): void {
    this.broken.clear();
    this.silent.clear();
  }

  loseDisk(id: number): void {
    const server = this.server(id);
    server.kill();
    server.disk = [];
    server.machine = new KeyMachine();
    server.tail = [];
    this.births.set(id, this.birthsOf(id) + 1);
  }

  birthsOf(id: number): number {
    return this.births.get(id) ?? 0;
  }

  isUsable(a: number, b: number): boolean {
    if (a === b) return this.server(a).isUp;
    const name = link(a, b);
    const isUp = [a, b].every((id) => this.server(id).isUp && !this.server(id).paused);
    return isUp && this.#connected.has(name) && !this.silent.has(name);
  }

  /** Whether a server reaches a majority of the voters. */
  hasMajority(id: number): boolean {
    const { voters } = this.options;
    let count = 0;
    for (let voter = 1; voter <= voters; voter++) if (this.isUsable(id, voter)) count += 1;
    return count > voters / 2;
  }

  /** What a server knows of a leader now: one that has been there for a while. */
  elect(server: IslandServer): void {
    const candidates = this.servers.slice(0, this.options.voters);
    const leader = candidates.find(({ id }) => this.hasMajority(id))?.id ?? 0;
    const next = leader !== 0 && this.isUsable(server.id, leader) ? leader : 0;
    if (next === 0) {
      if (server.leader !== 0) server.leaderlessSinceMs = this.nowMs;
      server.leader = 0;
      server.leaderAtMs = this.nowMs + electionMs;
    } else if (this.nowMs >= server.leaderAtMs) {
      server.leader = next;
    }
  }

  deliver(from: number, to: number, extras: IslandExtras): void {
    const name = link(from, to);
    if (!this.#connected.has(name) || this.random.nextBoolean(this.options.loss ?? 0)) return;
    if (this.swallow(from, to)) return;
    const frame = encodePeerFrame({ ...extras });
    assert(frame.length <= 1_100_000, "a frame is bounded");
    const route = `${from}>${to}`;
    const arrivalMs = Math.max(
      this.#lastArrival.get(route) ?? 0,
      this.nowMs + 0.2 + this.random.nextFloat(),
    );
    this.#lastArrival.set(route, arrivalMs);
    const receiver = this.server(to);
    const receive = receiver.inLife(() => {
      if (!this.#connected.has(name)) return;
      const { islandHoldings, islandItems } = decodePeerFrame(frame)!;
      receiver.turn(() => {
        if (islandHoldings !== undefined) receiver.island!.handleHoldings(from, islandHoldings);
        if (islandItems !== undefined) receiver.island!.handleItems(from, islandItems);
      });
    });
    this.at(arrivalMs - this.nowMs, () => {
      if (!this.silent.has(name)) receive();
    });
  }

  dropConnections(id: number): void {
    for (const { id: other } of this.servers) if (other !== id) this.#disconnect(id, other);
  }

  #disconnect(a: number, b: number): void {
    if (!this.#connected.delete(link(a, b))) return;
    for (const [self, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const server = this.server(self);
      const tell = server.inLife(() => {
        server.turn(() => server.island!.handleDisconnected(other));
      });
      if (server.isUp) tell();
    }
  }

  #connectAgain(): void {
    this.at(20, () => this.#connectAgain());
    for (const { id: a } of this.servers) {
      for (const { id: b } of this.servers) if (a < b) this.#maybeConnect(a, b);
    }
  }

  #maybeConnect(a: number, b: number): void {
    const name = link(a, b);
    if (this.#connected.has(name) || this.broken.has(name) || this.silent.has(name)) return;
    const [left, right] = [this.server(a), this.server(b)];
    if (!left.isUp || !right.isUp || left.paused || right.paused) return;
    this.#connected.add(name);
    left.turn(() => left.island!.handleConnected(b));
    right.turn(() => right.island!.handleConnected(a));
  }

  // ---- Laws -------------------------------------------------------------------------------------

  /** A held answer names no more disks than have it, durable, at that moment. */
  checkAnswer(server: IslandServer, text: string, answer: TakeAnswer<string>): void {
    if (answer.kind !== "held") return;
    const key = server.machine.heldKey(encodeUtf8(text))!;
    // What is merged and erased there is in a majority's snapshots, which is better still.
    const holders = this.servers.filter(
      (other) => other.keysOnDisk().has(key) || other.machine.keys.has(key),
    );
    assert(holders.includes(server), `${key}: answered before it was durable here`);
    assert(
      holders.length >= answer.disks,
      `${key}: held on ${holders.length}, ${answer.disks} told`,
    );
    const disks = holders.map(({ id }) => ({ id, births: this.birthsOf(id) }));
    this.promises.push({ key, disks });
  }

  checkChange(server: IslandServer, change: IslandChange): void {
    if (change.kind !== "opened" || server.changes.at(-1)?.kind === "opened") return;
    const wasOpen = server.changes.findLast(({ kind }) => kind !== "held")?.kind === "opened";
    if (wasOpen) return;
    assert(this.options.survival !== "quorum", "survival quorum opens no island");
    const leaderlessMs = this.nowMs - server.leaderlessSinceMs;
    assert(leaderlessMs >= 3_000, `opened after ${leaderlessMs} ms without a leader`);
  }

  /** What is shown is durable, in order, each key once, and not merged. */
  checkHeld(server: IslandServer): void {
    const items = server.island!.heldItems();
    if (items.length === 0) return;
    const held = server.heldKeys();
    const onDisk = server.keysOnDisk();
    assert(new Set(held).size === held.length, "each key is held once");
    for (const [i, { hybridTime }] of items.entries()) {
      assert(onDisk.has(held[i]!), `${held[i]} is shown and not durable`);
      assert(i === 0 || items[i - 1]!.hybridTime <= hybridTime, "held items are in order");
    }
  }

  /** Only what was merged below the safe index is erased. */
  checkErase(server: IslandServer): void {
    const safe = new KeyMachine();
    for (const command of this.committed.slice(0, server.safeIndex)) safe.apply(command);
    for (const key of server.keysOnDisk()) {
      assert(safe.keys.has(key), `${key} is erased, and not in the safe snapshot`);
    }
  }

  /** A majority has a snapshot of all that is committed: every server hears of it. */
  tellSnapshots(): void {
    const index = this.committed.length;
    for (const server of this.servers) {
      if (!server.isUp || server.leader === 0) continue;
      server.safeIndex = Math.max(server.safeIndex, index);
      server.turn(() => server.island!.handleSnapshotsSafeUpTo(index));
    }
  }

  committedKeys(): ReadonlySet<string> {
    const machine = new KeyMachine();
    for (const command of this.committed) machine.apply(command);
    return new Set(machine.keys.keys());
  }
}

function link(a: number, b: number): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
