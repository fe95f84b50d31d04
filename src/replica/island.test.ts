// Island mode, rule by rule (docs/decisions/0013): opening, taking, healing, erasing.
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../base/bytes.ts";
import { createItem } from "./island-items.ts";
import {
  changeKinds,
  heldOn,
  makeWorld,
  untilIsland,
  untilLed,
  untilMerged,
} from "./island-steps.test-support.ts";
import { IslandWorld } from "./island-world.test-support.ts";

describe("opening", () => {
  it("a lone survivor opens after islandAfterMs, and not before", () => {
    const world = makeWorld({ voters: 3 });
    untilLed(world);
    world.server(1).kill();
    world.server(2).kill();
    const sinceMs = world.nowMs;
    const survivor = world.server(3);
    world.until(() => survivor.island!.open, "an island");
    expect(world.nowMs - sinceMs).toBeGreaterThanOrEqual(3_000);
    expect(world.nowMs - sinceMs).toBeLessThan(3_100);
    expect(survivor.changes).toEqual([{ kind: "opened", servers: 1 }]);
  });

  it("a majority opens none, with a leader or without", () => {
    const world = makeWorld({ voters: 3 });
    untilLed(world);
    world.server(3).kill();
    world.run(10_000);
    expect(world.server(1).island!.open).toBe(false);

    const island = world.server(1).island!;
    for (let nowMs = 20_000; nowMs < 40_000; nowMs += 10) {
      island.tick({ nowMs, leader: 0, isMajorityConnected: true, isVoter: true });
    }
    expect(island.open).toBe(false);
  });

  it("a leader that is known for one tick only does not close it", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const island = untilIsland(world, [1])[0]!.island!;
    const tick = (leader: number): void => {
      const { nowMs } = world;
      island.tick({ nowMs, leader, isMajorityConnected: false, isVoter: true });
    };
    tick(2);
    tick(0);
    tick(2);
    expect(island.open).toBe(true);
    tick(2);
    expect(island.open).toBe(false);
  });

  it("a server that starts alone counts from its start", () => {
    const world = new IslandWorld({ voters: 3 });
    world.run(5_000);
    world.server(2).start();
    world.run(2_900);
    expect(world.server(2).island!.open).toBe(false);
    world.run(200);
    expect(world.server(2).island!.open).toBe(true);
  });

  it("survival quorum never opens, and answers nothing", () => {
    const world = makeWorld({ voters: 3, survival: "quorum" });
    world.split([1], [2], [3]);
    world.run(10_000);
    expect(world.server(1).island!.open).toBe(false);
    expect(world.server(1).take("m:a").answer).toEqual({ kind: "released" });
  });

  it("a learner opens no island alone, and joins that of a voter", () => {
    const world = makeWorld({ voters: 3, learners: 2 });
    untilLed(world);
    world.split([1, 2], [3, 4], [5]);
    const [voter, learner] = untilIsland(world, [3, 4]);
    expect(world.server(5).island!.open).toBe(false);
    const taken = voter!.take("m:a");
    const other = learner!.take("m:b");
    world.run(50);
    expect(taken.answer).toEqual(heldOn(2));
    expect(other.answer).toEqual(heldOn(2));
  });

  it("takes the log's tail first, durable before anything is told, what is merged left out", () => {
    const world = makeWorld({ voters: 3 });
    untilLed(world);
    const survivor = world.server(3);
    survivor.machine.keys.set("old", 1);
    survivor.tail = ["m:old", "m:t1", "x:room", "merge:m:other", "m:t2", "m:t1"].map((text) => ({
      command: encodeUtf8(text),
      timestampMs: 900_000,
    }));
    world.split([1, 2], [3]);
    survivor.diskHangs = true;
    world.run(5_000);
    expect(survivor.changes).toEqual([]);
    survivor.diskHangs = false;
    untilIsland(world, [3]);
    expect(changeKinds(survivor)).toEqual(["opened", "held"]);
    expect(survivor.heldKeys()).toEqual(["t1", "t2"]);
    expect(survivor.island!.heldItems().map(({ timestampMs }) => timestampMs)).toEqual([
      900_000n,
      900_000n,
    ]);
    const retry = survivor.take("m:t1");
    expect(retry.answer).toEqual({ kind: "held", disks: 1, timestampMs: 900_000 });
  });

  it("an opening that a leader overtakes is not told", () => {
    const world = makeWorld({ voters: 3 });
    untilLed(world);
    const survivor = world.server(3);
    survivor.tail = [{ command: encodeUtf8("m:t"), timestampMs: 1 }];
    world.split([1, 2], [3]);
    survivor.diskHangs = true;
    world.run(5_000);
    world.heal();
    world.run(1_000);
    survivor.diskHangs = false;
    untilMerged(world);
    expect(changeKinds(survivor)).not.toContain("opened");
    expect(world.committedKeys()).toContain("t");
  });
});

describe("taking", () => {
  it("refuses what the state machine will not have held, and gives earlier answers again", () => {
    const world = makeWorld({ voters: 1 + 2 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    server!.machine.keys.set("before", 1);
    expect(server!.take("x:room").answer).toEqual({ kind: "notHeld", outcome: "needs a majority" });
    expect(server!.take("m:refused").answer).toEqual({ kind: "notHeld", outcome: "refused" });
    expect(server!.take("m:before").answer).toMatchObject({ outcome: "accepted before: before" });
    expect(server!.island!.heldCount).toBe(0);
  });

  it("waits for this disk, and for every server of the island", () => {
    const world = makeWorld({ voters: 5 });
    untilLed(world);
    world.split([1, 2, 3], [4, 5]);
    const [a, b] = untilIsland(world, [4, 5]);
    a!.diskHangs = true;
    const own = a!.take("m:own");
    world.run(2_000);
    expect(own.answer).toBeUndefined();
    a!.diskHangs = false;
    world.run(50);
    expect(own.answer).toEqual(heldOn(2));
    expect(b!.heldKeys()).toEqual(["own"]);
    expect(b!.changes.at(-1)).toMatchObject({ kind: "held" });
  });

  it("a server that hangs is waited for so long at most, and again when it has caught up", () => {
    const world = makeWorld({ voters: 5 });
    untilLed(world);
    world.split([1, 2, 3], [4, 5]);
    const [a, b] = untilIsland(world, [4, 5]);
    b!.diskHangs = true;
    const first = a!.take("m:1");
    const sinceMs = world.nowMs;
    world.until(() => first.answer !== undefined, "an answer");
    expect(world.nowMs - sinceMs).toBeGreaterThan(480);
    expect(world.nowMs - sinceMs).toBeLessThan(530);
    expect(first.answer).toEqual(heldOn(1));
    for (let i = 2; i < 20; i++) {
      const next = a!.take(`m:${i}`);
      world.run(100);
      expect(next.answer).toEqual(heldOn(1));
    }
    b!.diskHangs = false;
    world.run(1_500);
    const later = a!.take("m:later");
    world.run(50);
    expect(later.answer).toEqual(heldOn(2));
    expect(b!.heldKeys()).toHaveLength(20);
  });

  it("a paused server drops out of the island's count, a killed one at once", () => {
    const world = makeWorld({ voters: 7 });
    untilLed(world);
    world.split([1, 2, 3, 4], [5, 6, 7]);
    const [a, b, c] = untilIsland(world, [5, 6, 7]);
    b!.paused = true;
    world.run(600);
    expect(a!.island!.islandState()).toEqual({ open: true, servers: 2 });
    expect(a!.changes.at(-1)).toEqual({ kind: "opened", servers: 2 });
    c!.kill();
    const taken = a!.take("m:1");
    world.run(20);
    expect(taken.answer).toEqual(heldOn(1));
  });

  it("the same id again waits for the same copies, here and at another server", () => {
    const world = makeWorld({ voters: 5 });
    untilLed(world);
    world.split([1, 2, 3], [4, 5]);
    const [a, b] = untilIsland(world, [4, 5]);
    const both = [a!.take("m:1"), b!.take("m:1"), a!.take("m:1")];
    expect(both.map(({ answer }) => answer)).toEqual([undefined, undefined, undefined]);
    world.run(50);
    for (const { answer } of both) expect(answer).toEqual(heldOn(2));
    expect(b!.take("m:1").answer).toEqual(heldOn(2));
    expect(a!.heldKeys()).toEqual(["1"]);
    expect(b!.heldKeys()).toEqual(["1"]);
  });

  it("many commands share few writes", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    const sinceMs = world.nowMs;
    const taken = Array.from({ length: 500 }, (_, i) => server!.take(`m:${i}`));
    world.until(() => taken.every(({ answer }) => answer !== undefined), "all answers");
    expect(world.nowMs - sinceMs).toBeLessThan(10);
  });

  it("releases what waits when the own disk hangs too long, and when the replica ends", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    server!.diskHangs = true;
    const first = server!.take("m:1");
    world.run(9_900);
    expect(first.answer).toBeUndefined();
    world.run(200);
    expect(first.answer).toEqual({ kind: "released" });
    const second = server!.take("m:2");
    server!.island!.stop();
    expect(second.answer).toEqual({ kind: "released" });
    expect(server!.take("m:3").answer).toEqual({ kind: "released" });
  });

  it("takes no more than it has room for, and says so", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    const body = "x".repeat(65_000);
    const taken = Array.from({ length: 1_100 }, (_, i) => server!.take(`m:${i} ${body}`));
    world.run(50);
    const kinds = taken.map(({ answer }) => answer?.kind);
    const room = kinds.indexOf("overloaded");
    expect(room).toBeGreaterThan(1_000);
    expect(new Set(kinds.slice(0, room))).toEqual(new Set(["held"]));
    expect(new Set(kinds.slice(room))).toEqual(new Set(["overloaded"]));
    expect(server!.island!.heldCount).toBe(room);
    // What is held already needs no room.
    expect(server!.take(`m:0 ${body}`).answer).toEqual(heldOn(1));
  });

  it("a failure of the island log is final", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    server!.diskFails = true;
    const taken = server!.take("m:1");
    world.run(1_000);
    expect(String(server!.fatal)).toContain("EIO");
    expect(taken.answer).toBeUndefined();
  });
});

describe("healing", () => {
  it("three islands of five servers: everything is merged once there is a leader", () => {
    const world = makeWorld({ voters: 5 });
    untilLed(world);
    world.split([1, 2], [3, 4], [5]);
    untilIsland(world, [1, 2]);
    untilIsland(world, [3, 4]);
    untilIsland(world, [5]);
    const taken = [1, 2, 3, 4, 5].map((id) => world.server(id).take(`m:from-${id}`));
    // The same client command reaches two islands.
    taken.push(world.server(1).take("m:twice"), world.server(5).take("m:twice"));
    world.run(50);
    expect(taken.map(({ answer }) => answer?.kind === "held" && answer.disks)).toEqual([
      2, 2, 2, 2, 1, 2, 1,
    ]);
    untilMerged(world);
    expect([...world.committedKeys()].sort()).toEqual([
      ...[1, 2, 3, 4, 5].map((id) => `from-${id}`),
      "twice",
    ]);
    for (const server of world.servers) {
      expect(server.changes.findLast(({ kind }) => kind !== "held")).toEqual({ kind: "closed" });
    }
  });

  it("proposes in the order of hybrid time, at most so many at a time", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    for (let i = 0; i < 600; i++) server!.take(`m:${i}`);
    world.run(20);
    world.heal();
    world.until(() => server!.proposed.length > 0, "healing has begun");
    const first = server!.proposed.slice();
    expect(first).toEqual(Array.from({ length: 256 }, (_, i) => `merge:m:${i}`));
    untilMerged(world);
    expect(world.committedKeys().size).toBe(600);
  });

  it("what waits for its answer is released when the island closes", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    server!.diskHangs = true;
    const taken = server!.take("m:1");
    world.heal();
    world.until(() => !server!.island!.open, "it closes");
    expect(taken.answer).toEqual({ kind: "released" });
    expect(world.committedKeys().size).toBe(0);
    expect(changeKinds(server!)).not.toContain("held");
    expect(server!.take("m:2").answer).toEqual({ kind: "released" });
    server!.diskHangs = false;
    untilMerged(world);
    expect(world.committedKeys()).toContain("1");
  });

  it("what is applied while it waits for its answer is released", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    server!.diskHangs = true;
    const taken = server!.take("m:1");
    const command = encodeUtf8("m:1");
    world.committed.push(command);
    server!.turn(() => {
      server!.machine.apply(command);
      server!.island!.handleApplied([command], server!.machine.index);
    });
    expect(taken.answer).toEqual({ kind: "released" });
    server!.diskHangs = false;
    world.run(50);
    expect(server!.heldKeys()).toEqual([]);
  });

  it("what comes back from the leader is proposed again until it is merged", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    for (let i = 0; i < 5; i++) server!.take(`m:${i}`);
    world.run(20);
    for (const { id } of world.servers) world.server(id).losesProposals = true;
    world.heal();
    world.run(5_000);
    expect(server!.proposed.length).toBeGreaterThan(20);
    expect(server!.island!.heldCount).toBe(5);
    for (const { id } of world.servers) world.server(id).losesProposals = false;
    untilMerged(world);
    expect(world.committedKeys().size).toBe(5);
  });

  it("a plain copy from the log merges an item, a refused one does not", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    for (const key of ["plain", "banned"]) server!.take(`m:${key}`);
    world.run(20);
    for (const key of ["plain", "banned"]) {
      const command = encodeUtf8(`m:${key}`);
      world.committed.push(command);
      server!.turn(() => {
        server!.machine.apply(command);
        server!.island!.handleApplied([command], server!.machine.index);
      });
    }
    expect(server!.heldKeys()).toEqual(["banned"]);
    untilMerged(world);
    expect(world.committedKeys()).toContain("banned");
  });

  it("a leader that is gone before it could merge leaves everything to the next", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    for (let i = 0; i < 600; i++) server!.take(`m:${i}`);
    world.run(50);
    world.heal();
    world.until(() => server!.proposed.length > 0, "healing has begun");
    world.split([1], [2], [3]);
    untilIsland(world, [1]);
    const proposed = server!.proposed.length;
    const later = server!.take("m:later");
    world.run(2_000);
    expect(server!.proposed.length).toBe(proposed);
    expect(later.answer).toEqual(heldOn(1));
    untilMerged(world);
    expect(world.committedKeys().size).toBe(601);
  });
});

describe("restart and erasing", () => {
  it("items are loaded, shown as held, and merged; the next island has another number", () => {
    const world = makeWorld({ voters: 3 });
    world.nonces.push(7n, 7n, 8n);
    world.server(2).kill();
    world.server(3).kill();
    const [server] = untilIsland(world, [1]);
    server!.take("m:1");
    world.run(20);
    server!.kill();
    server!.start();
    expect(server!.heldKeys()).toEqual(["1"]);
    untilIsland(world, [1]);
    server!.take("m:2");
    world.run(20);
    const items = server!.island!.heldItems();
    expect(server!.heldKeys()).toEqual(["1", "2"]);
    expect(items.map(({ island }) => island!.nonce)).toEqual([7n, 8n]);
    expect(items[1]!.sequence).toBe(1);
    untilMerged(world);
    expect(world.committedKeys().size).toBe(2);
  });

  it("what the state has already is not shown after a restart, nor proposed", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    server!.take("m:1");
    world.run(20);
    untilMerged(world);
    server!.kill();
    server!.proposed = [];
    server!.start();
    expect(server!.heldKeys()).toEqual([]);
    world.run(3_000);
    expect(server!.proposed).toEqual([]);
    // A snapshot taken on a lost state may bring it, too.
    server!.kill();
    server!.machine.keys.delete("1");
    server!.start();
    expect(server!.heldKeys()).toEqual(["1"]);
    server!.machine.keys.set("1", 1);
    server!.turn(() => server!.island!.handleStateReplaced());
    expect(server!.heldKeys()).toEqual([]);
  });

  it("is erased when the merge is in a snapshot of a majority, and is not taken again", () => {
    const world = makeWorld({ voters: 3 });
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    server!.take("m:1");
    world.run(20);
    world.heal();
    world.until(() => server!.leader !== 0, "a leader");
    world.tellSnapshots();
    expect(server!.disk).toHaveLength(1);
    untilMerged(world);
    expect(server!.disk).toHaveLength(1);
    world.tellSnapshots();
    expect(server!.disk).toHaveLength(0);
    world.run(2_000);
    world.split([1], [2], [3]);
    world.run(5_000);
    world.tellSnapshots();
    for (const { disk } of world.servers) expect(disk).toHaveLength(0);
    const second = server!.take("m:2");
    world.run(20);
    expect(second.answer).toEqual(heldOn(1));
    server!.kill();
    server!.start();
    expect(server!.heldKeys()).toEqual(["2"]);
    untilMerged(world);
  });

  it("items of an erased island that come again are not taken again, and later ones are", () => {
    const world = makeWorld({ voters: 3 });
    untilLed(world);
    const server = world.server(1);
    const island = { replicaId: 2, nonce: 9n };
    const give = (sequence: number): void =>
      server.turn(() => {
        const command = encodeUtf8(`m:${sequence}`);
        const items = [createItem({ island, sequence, hybridTime: 5n, command })];
        server.island!.handleItems(2, { $typeName: "cluster.v1.IslandItems", items });
      });
    give(1);
    untilMerged(world);
    world.tellSnapshots();
    expect(server.disk).toHaveLength(0);
    give(1);
    world.run(50);
    expect(server.disk).toHaveLength(0);
    give(2);
    world.run(50);
    expect(server.disk).toHaveLength(1);
    // The log begins with the second one now.
    server.kill();
    server.start();
    untilMerged(world);
    expect(world.committedKeys().size).toBe(2);
  });
});
