// Island mode under whatever comes: seeded runs of servers that die, hang, are cut apart and lose
// disks while commands are taken. What was answered "held" is merged in the end, if one of the
// disks that had it then is still there. The world checks its own laws all the while.
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../base/bytes.ts";
import type { IslandServer } from "./island-server.test-support.ts";
import { IslandWorld } from "./island-world.test-support.ts";

/** A take must be answered so soon where the own process and disk run. */
const answerBoundMs = 700;

interface Taken {
  readonly server: IslandServer;
  readonly life: number;
  readonly atMs: number;
  readonly result: { readonly answer: unknown };
}

class Run {
  readonly world: IslandWorld;
  readonly #keys: string[] = [];
  #taken: Taken[] = [];
  /** When a server last hung or was paused. */
  readonly #troubledAtMs = new Map<IslandServer, number>();

  constructor(seed: number) {
    const voters = [1, 2, 3, 3, 5, 5][seed % 6]!;
    this.world = new IslandWorld({ seed, voters, learners: seed % 4 === 0 ? 1 : 0, loss: 0.01 });
    this.world.startAll();
    for (const server of this.world.servers) server.wallOffsetMs = this.#pick([0, 0, 40, -3_000]);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.world.random.nextInteger(0, from.length)]!;
  }

  step(): void {
    const { random } = this.world;
    const isTrouble = random.nextBoolean(0.15);
    if (isTrouble) this.#trouble();
    else this.#use();
    const endMs = this.world.nowMs + random.nextFloat() * (random.nextBoolean(0.1) ? 2_000 : 60);
    while (this.world.nowMs < endMs) {
      this.world.run(Math.min(50, endMs - this.world.nowMs));
      this.#checkAnswered();
    }
  }

  #use(): void {
    const { world } = this;
    const { random } = world;
    const server = this.#pick(world.servers);
    if (!server.isUp || server.paused) return;
    const key = this.#key();
    if (random.nextBoolean(0.05) && server.leader !== 0) {
      // Some other server's way into the log.
      world.committed.push(encodeUtf8(`m:${key}`));
    } else if (random.nextBoolean(0.1)) {
      server.tail.push({ command: encodeUtf8(`m:${key}`), timestampMs: 1_000_000 + world.nowMs });
    } else if (random.nextBoolean(0.05)) {
      world.tellSnapshots();
    } else {
      const { life } = server;
      const result = server.take(`m:${key}`);
      this.#taken.push({ server, life, atMs: world.nowMs, result });
    }
  }

  #key(): string {
    const { random } = this.world;
    if (this.#keys.length > 0 && random.nextBoolean(0.2)) return this.#pick(this.#keys);
    const key = `${random.nextBoolean(0.1) ? "banned" : "k"}-${this.#keys.length}`;
    this.#keys.push(key);
    return key;
  }

  #trouble(): void {
    const { world } = this;
    const { random } = world;
    const server = this.#pick(world.servers);
    const other = this.#pick(world.servers);
    const name = `${Math.min(server.id, other.id)}-${Math.max(server.id, other.id)}`;
    const choice = random.nextInteger(0, 10);
    if (choice === 0) world.heal();
    else if (choice === 1) world.split(...this.#groups());
    else if (choice === 2 && server !== other) world.breakLink(server.id, other.id);
    else if (choice === 3) world.silent.add(name);
    else if (choice === 4) world.silent.clear();
    else if (choice === 5 && random.nextBoolean(0.1)) world.loseDisk(server.id);
    else if (!server.isUp) server.start();
    else if (choice === 6) server.kill();
    else if (choice === 7) server.diskHangs = !server.diskHangs;
    else if (server.paused) server.resume();
    else if (choice === 8) server.paused = true;
    this.#noteTrouble();
  }

  #groups(): number[][] {
    const groups: number[][] = [[], [], []];
    for (const { id } of this.world.servers) groups[this.world.random.nextInteger(0, 3)]!.push(id);
    return groups;
  }

  #noteTrouble(): void {
    const { nowMs, servers } = this.world;
    for (const server of servers) {
      if (server.paused || server.diskHangs) {
        this.#troubledAtMs.set(server, Number.POSITIVE_INFINITY);
      } else if (this.#troubledAtMs.get(server) === Number.POSITIVE_INFINITY) {
        this.#troubledAtMs.set(server, nowMs);
      }
    }
  }

  #checkAnswered(): void {
    const { nowMs } = this.world;
    this.#taken = this.#taken.filter(({ server, life, atMs, result }) => {
      if (result.answer !== undefined || server.life !== life) return false;
      const sinceMs = Math.max(atMs, this.#troubledAtMs.get(server) ?? 0);
      expect(nowMs - sinceMs, `server ${server.id} owes an answer`).toBeLessThan(answerBoundMs);
      return true;
    });
  }

  finish(): void {
    const { world } = this;
    world.heal();
    for (const server of world.servers) {
      server.diskHangs = false;
      if (!server.isUp) server.start();
      if (server.paused) server.resume();
    }
    this.#noteTrouble();
    const isMerged = ({ leader, island, fatal }: IslandServer): boolean => {
      expect(fatal).toBeUndefined();
      return leader !== 0 && !island!.hasHeld && !island!.open;
    };
    world.until(() => world.servers.every(isMerged), "everything is merged", 60_000);
    const merged = world.committedKeys();
    for (const { key, disks } of world.promises) {
      const survives = disks.some(({ id, births }) => world.birthsOf(id) === births);
      if (survives) expect(merged, `${key} was held`).toContain(key);
    }
    // Late copies may begin another round; it ends as well.
    world.run(2_000);
    world.until(() => world.servers.every(isMerged), "late copies are merged");
    world.tellSnapshots();
    for (const { disk } of world.servers) expect(disk).toHaveLength(0);
  }
}

describe("island mode, at random", () => {
  const seeds = Array.from({ length: 40 }, (_, i) => i + 1);
  it("answers something in most runs", () => {
    let promises = 0;
    for (const seed of seeds.slice(0, 6)) {
      const run = new Run(seed);
      for (let i = 0; i < 300; i++) run.step();
      promises += run.world.promises.length;
    }
    expect(promises).toBeGreaterThan(100);
  });

  it.each(seeds)("holds what it has promised, seed %i", (seed) => {
    const run = new Run(seed);
    for (let i = 0; i < 300; i++) run.step();
    run.finish();
  });
});
