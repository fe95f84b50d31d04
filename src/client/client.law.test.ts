// Client law: whatever breaks, and whenever, a client's timelines equal the servers', every message
// is stored exactly once, and those of one client in the order in which they were sent (K1, C5).
import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { type Client, createClient } from "./client.ts";
import { FakeCluster } from "./fake-cluster.test-support.ts";
import { refusal } from "./fake-history.test-support.ts";
import type { Timeline } from "./live-timelines.ts";
import { seededRandom } from "./manual-clock.test-support.ts";
import type { OutboxMessage, OutboxStore } from "./outbox-store.ts";
import { type SendReceipt, untilStored } from "./types.ts";

/** A store that survives the client and does everything late, as a disk does. */
function createLateStore(): OutboxStore & { readonly kept: Map<string, OutboxMessage> } {
  const kept = new Map<string, OutboxMessage>();
  let last: Promise<void> = Promise.resolve();
  const later = (action: () => void): Promise<void> => {
    last = last.then(action);
    return last;
  };
  return {
    kept,
    load: () => last.then(() => [...kept.values()]),
    save: (message) => later(() => void kept.set(message.commandId, message)),
    remove: (commandId) => later(() => void kept.delete(commandId)),
  };
}

/** One person at work, over restarts of the program. */
class Person {
  readonly name: string;
  readonly cluster: FakeCluster;
  readonly outbox = createLateStore();
  /** Everything that was written, in order. */
  readonly written: string[] = [];
  readonly receipts: SendReceipt[] = [];
  readonly told = new Map<number, number[]>();
  client: Client;
  timeline: Timeline | undefined;
  #seed: number;
  #gaps = 0;

  constructor(name: string, cluster: FakeCluster, seed: number) {
    this.name = name;
    this.cluster = cluster;
    this.#seed = seed;
    this.client = this.#make();
  }

  #make(): Client {
    const client = createClient({
      addresses: this.cluster.servers.map(({ address }) => address),
      token: `token-${this.name}`,
      connect: this.cluster.connect,
      clock: this.cluster.clock,
      random: seededRandom(this.#seed++),
      outbox: this.outbox,
    });
    this.#gaps = 0;
    this.told.clear();
    client.on("reloaded", () => this.#gaps++);
    client.on("item", ({ roomId, number }) => {
      const numbers = this.told.get(roomId) ?? [];
      this.told.set(roomId, numbers);
      const before = numbers.at(-1);
      if (before !== undefined && this.#gaps === 0) expect(number).toBe(before + 1);
      if (before !== undefined) expect(number).toBeGreaterThan(before);
      numbers.push(number);
    });
    client.start();
    return client;
  }

  write(body: string): void {
    this.written.push(body);
    this.client
      .send({ room: "general", body })
      .then(untilStored)
      .then(
        (receipt) => this.receipts.push(receipt),
        // Only a stop rejects here; the message stays in the outbox.
        (error) => expect(error).toMatchObject({ code: "UNAVAILABLE" }),
      );
  }

  open(): void {
    const { client } = this;
    client.openRoom("general").then(
      (timeline) => {
        if (client === this.client) this.timeline = timeline;
      },
      (error) => expect(error).toMatchObject({ code: "UNAVAILABLE" }),
    );
  }

  async restart(): Promise<void> {
    await this.client.stop();
    this.timeline = undefined;
    this.client = this.#make();
    this.open();
  }
}

async function prepare(seed: number) {
  const cluster = new FakeCluster(3);
  const ada = new Person("ada", cluster, seed * 1_000);
  const bob = new Person("bob", cluster, seed * 1_000 + 500);
  const created = ada.client.createRoom("general");
  await cluster.settle();
  await created;
  const joined = bob.client.joinRoom("general");
  await cluster.settle();
  await joined;
  for (const person of [ada, bob]) person.open();
  await cluster.settle();
  return { cluster, people: [ada, bob] };
}

async function disturb(cluster: FakeCluster, random: Random): Promise<void> {
  const server = cluster.server(random.nextInteger(1, 4));
  const chance = random.nextFloat();
  if (chance < 0.3) cluster.breakConnections(server);
  else if (chance < 0.5) cluster.kill(server);
  else if (chance < 0.6) server.mode = "hung";
  else if (chance < 0.7) cluster.sayGoodbye(RejectionCode.UNAVAILABLE, 100);
  else if (chance < 0.8) server.replays = random.nextBoolean(0.5);
  else server.mode = "up";
  if (random.nextBoolean(0.3)) await cluster.run(random.nextInteger(1, 1_500));
}

test.each(Array.from({ length: 60 }, (_, i) => i + 1))(
  "law: timelines equal the servers', messages are stored once and in order (seed %i)",
  async (seed) => {
    const random = new Random(seed);
    const { cluster, people } = await prepare(seed);
    for (let step = 0; step < 120; step++) {
      const person = people[random.nextInteger(0, 2)];
      const chance = random.nextFloat();
      if (chance < 0.5) person?.write(`${person.name} ${step}`);
      else if (chance < 0.65) await disturb(cluster, random);
      else if (chance < 0.67) await person?.restart();
      else if (chance < 0.85) cluster.clock.runSoon();
      else cluster.step(random.nextInteger(1, 4));
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const server of cluster.servers) server.mode = "up";
    await cluster.run(40_000);

    const stored = cluster.bodiesOf(1);
    const numbers = cluster.itemsOf(1).map(({ number }) => number);
    for (const person of people) {
      expect(stored.filter((body) => body.startsWith(person.name))).toEqual(person.written);
      expect(person.client.store.getState().pending).toEqual([]);
      expect(person.outbox.kept.size).toBe(0);
      if (person.timeline === undefined) {
        person.open();
        await cluster.settle();
      }
      const { timeline } = person;
      while (timeline?.hasOlder) {
        const older = timeline.loadOlder(500);
        await cluster.settle();
        await older;
      }
      expect(timeline?.items().map(({ number }) => number)).toEqual(numbers);
      for (const { number, commandId } of person.receipts) {
        expect(timeline?.items()[number - 1]?.commandId).toBe(commandId);
      }
      await person.client.stop();
    }
    expect(cluster.clock.timers).toBe(0);
  },
);

test.each(Array.from({ length: 40 }, (_, i) => i + 1))(
  "law: over islands, messages are stored once and in order, and nothing stays held (seed %i)",
  async (seed) => {
    const random = new Random(seed);
    const { cluster, people } = await prepare(seed + 200);
    for (let step = 0; step < 100; step++) {
      const person = people[random.nextInteger(0, 2)];
      const chance = random.nextFloat();
      if (chance < 0.5) person?.write(`${person.name} ${step}`);
      else if (chance < 0.65) await separate(cluster, random);
      else if (chance < 0.72) await disturb(cluster, random);
      else if (chance < 0.74) await person?.restart();
      else if (chance < 0.9) cluster.clock.runSoon();
      else cluster.step(random.nextInteger(1, 4));
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const server of cluster.servers) {
      server.mode = "up";
      if (server.island !== undefined) cluster.closeIsland(server.island);
    }
    await cluster.run(40_000);

    const stored = cluster.bodiesOf(1);
    for (const person of people) {
      expect(stored.filter((body) => body.startsWith(person.name))).toEqual(person.written);
      expect(person.client.store.getState().pending).toEqual([]);
      expect(person.outbox.kept.size).toBe(0);
      expect(person.timeline?.held() ?? []).toEqual([]);
      const shown = person.timeline?.items().map(({ number }) => number) ?? [];
      expect(shown).toEqual(
        cluster
          .itemsOf(1)
          .map(({ number }) => number)
          .slice(-shown.length || stored.length + 2),
      );
      await person.client.stop();
    }
    expect(cluster.clock.timers).toBe(0);
  },
);

/** Some servers lose their majority, or all of an island get it back. */
async function separate(cluster: FakeCluster, random: Random): Promise<void> {
  const server = cluster.server(random.nextInteger(1, 4));
  if (server.island !== undefined) {
    cluster.closeIsland(server.island);
  } else {
    const others = cluster.servers.filter((other) => other !== server && !other.island);
    cluster.openIsland(server, ...others.slice(0, random.nextInteger(0, 3)));
  }
  if (random.nextBoolean(0.3)) await cluster.run(random.nextInteger(1, 2_000));
}

test("law: under refusals for load, every message is still stored exactly once", async () => {
  for (let seed = 100; seed < 110; seed++) {
    const random = new Random(seed);
    const { cluster, people } = await prepare(seed);
    for (const server of cluster.servers) {
      server.script = ({ body }) =>
        body.case === "sendMessage" && random.nextBoolean(0.2)
          ? refusal(RejectionCode.OVERLOADED, random.nextInteger(0, 50))
          : undefined;
    }
    for (let i = 0; i < 100; i++) {
      for (const person of people) person.write(`${person.name} ${i}`);
      if (random.nextBoolean(0.3)) await cluster.run(random.nextInteger(0, 50));
      if (random.nextBoolean(0.05)) await disturb(cluster, random);
    }
    for (const server of cluster.servers) {
      server.mode = "up";
      server.script = undefined;
    }
    await cluster.run(40_000);
    const written = people.flatMap((person) => person.written);
    expect(cluster.bodiesOf(1).sort()).toEqual(written.sort());
    for (const { client } of people) await client.stop();
  }
});
