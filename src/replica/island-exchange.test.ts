// How held items get to other servers (docs/decisions/0013), and what is made of bad input.
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../base/bytes.ts";
import { createItem, encodeItem } from "./island-items.ts";
import {
  heldOn,
  makeWorld,
  untilIsland,
  untilLed,
  untilMerged,
} from "./island-steps.test-support.ts";

describe("copies", () => {
  it("a server that comes late gets everything, in whatever mode", () => {
    const world = makeWorld({ voters: 5 });
    untilLed(world);
    world.split([1, 2, 3], [4], [5]);
    const [a] = untilIsland(world, [4]);
    for (let i = 0; i < 300; i++) a!.take(`m:${i}`);
    world.run(100);
    world.split([1, 2, 3], [4, 5]);
    const [, b] = untilIsland(world, [4, 5]);
    expect(b!.heldKeys()).toEqual(a!.heldKeys());
    // Server 5 follows the leader now, and still hears from 4 alone.
    world.split([1, 2, 3, 5], [4]);
    world.broken.delete("4-5");
    world.until(() => b!.leader !== 0 && !b!.island!.open, "5 follows");
    const taken = a!.take("m:late");
    world.until(() => world.committedKeys().has("late"), "5 proposes what 4 holds");
    expect(taken.answer).toMatchObject({ kind: "held" });
    expect(a!.island!.open).toBe(true);
  });

  it("a server with survival quorum holds copies and merges them", () => {
    const world = makeWorld({ voters: 3, survival: "quorum" });
    const item = createItem({
      island: { replicaId: 2, nonce: 9n },
      sequence: 1,
      hybridTime: 5n,
      command: encodeUtf8("m:found"),
    });
    world.server(1).kill();
    world.server(1).disk = [encodeItem(item)];
    world.server(1).start();
    expect(world.server(1).heldKeys()).toEqual(["found"]);
    untilMerged(world);
    expect(world.committedKeys()).toContain("found");
  });

  it("large items go in bounded frames", () => {
    const world = makeWorld({ voters: 5 });
    untilLed(world);
    world.split([1, 2, 3], [4], [5]);
    const [a] = untilIsland(world, [4]);
    for (let i = 0; i < 120; i++) a!.take(`m:${i}-${"x".repeat(60_000)}`);
    world.run(200);
    world.split([1, 2, 3], [4, 5]);
    const b = world.server(5);
    world.until(() => b.heldKeys().length === 120, "all 7 MB are copied");
  });

  it("ignores what is wrong with a note, a bounded number of times", () => {
    const world = makeWorld({ voters: 3 });
    untilLed(world);
    const server = world.server(1);
    const island = { replicaId: 2, nonce: 9n };
    const good = { island, sequence: 1, hybridTime: 5n, command: encodeUtf8("m:good") };
    const give = (...items: Parameters<typeof createItem>[0][]): void =>
      server.turn(() =>
        server.island!.handleItems(2, {
          $typeName: "cluster.v1.IslandItems",
          items: items.map(createItem),
        }),
      );
    give(good, { ...good, command: encodeUtf8("m:other") });
    give({ ...good, sequence: 3 }, { sequence: 1 }, { ...good, sequence: 0 });
    give({ ...good, sequence: 2, command: new Uint8Array(70_000) });
    give({ ...good, sequence: 2, command: encodeUtf8("x:room") });
    give({ ...good, sequence: 2, command: encodeUtf8("merge:m:poison") });
    give({ ...good, sequence: 2, timestampMs: -1n });
    for (let i = 0; i < 100; i++) give({ ...good, sequence: 7 });
    expect(server.fatal).toBeUndefined();
    expect(server.notes.length).toBeGreaterThan(4);
    expect(server.notes.length).toBeLessThan(12);
    untilMerged(world);
    expect([...world.committedKeys()]).toEqual(["good"]);
  });

  it("a clock that is a day off moves its own items only", () => {
    const world = makeWorld({ voters: 5 });
    world.server(4).wallOffsetMs = 86_400_000;
    untilLed(world);
    world.split([1, 2, 3], [4, 5]);
    const [wild, good] = untilIsland(world, [4, 5]);
    wild!.take("m:wild");
    world.run(50);
    good!.take("m:after");
    world.run(50);
    const times = new Map(
      good!.island!.heldItems().map((item) => [item.island!.replicaId, item.hybridTime >> 16n]),
    );
    expect(Number(times.get(5)!) - world.nowMs).toBeLessThan(1_000_000 + 61_000);
    // A clock that is behind still comes after what it has seen.
    good!.wallOffsetMs = -5_000;
    wild!.wallOffsetMs = 0;
    good!.take("m:last");
    world.run(50);
    expect(good!.heldKeys()).toEqual(["after", "last", "wild"]);
  });

  it("what is written after an item was seen comes after it, also after a restart", () => {
    const world = makeWorld({ voters: 5 });
    world.server(4).wallOffsetMs = 20_000;
    untilLed(world);
    world.split([1, 2, 3], [4, 5]);
    const [ahead, good] = untilIsland(world, [4, 5]);
    ahead!.take("m:z");
    world.run(50);
    good!.take("m:y");
    world.run(50);
    expect(good!.heldKeys()).toEqual(["z", "y"]);
    good!.kill();
    good!.start();
    untilIsland(world, [4, 5]);
    good!.take("m:x");
    world.run(50);
    expect(good!.heldKeys()).toEqual(["z", "y", "x"]);
  });

  it("one whose first word was lost is told again, and gets what it lacks", () => {
    const world = makeWorld({ voters: 5 });
    untilLed(world);
    world.split([1, 2, 3], [4], [5]);
    const [server] = untilIsland(world, [4]);
    server!.take("m:1");
    world.run(50);
    const sinceMs = world.nowMs;
    // Server 1 has nothing to tell of itself; all its first frames are lost.
    world.swallow = (from) => from === 1 && world.nowMs < sinceMs + 300;
    world.server(1).kill();
    world.server(2).kill();
    world.server(3).kill();
    world.split([1, 4], [2, 3], [5]);
    world.server(1).start();
    world.until(() => world.server(1).heldKeys().length === 1, "it has a copy", 2_000);
  });

  it("what is known already is told again, where the first word of it was lost", () => {
    const world = makeWorld({ voters: 5 });
    untilLed(world);
    world.split([1, 2, 3, 5], [4]);
    const [alone] = untilIsland(world, [4]);
    world.broken.delete("4-5");
    world.run(200);
    world.swallow = (from) => from === 5;
    const taken = alone!.take("m:1");
    world.until(() => world.committedKeys().has("1") && !world.server(5).island!.hasHeld, "merged");
    expect(taken.answer).toEqual(heldOn(1));
    world.swallow = () => false;
    world.run(2_000);
    // Server 5 is in no island and has nothing to merge: it speaks only when it is spoken to.
    expect(alone!.take("m:1").answer).toEqual(heldOn(2));
  });

  it("what is merged is not copied any more", () => {
    const world = makeWorld({ voters: 3 });
    world.server(3).kill();
    world.split([1], [2], [3]);
    const [server] = untilIsland(world, [1]);
    server!.take("m:1");
    world.run(20);
    world.heal();
    const isMerged = (id: number): boolean => world.server(id).machine.keys.has("1");
    world.until(() => isMerged(1) && isMerged(2), "it is merged");
    world.server(3).start();
    world.run(2_000);
    expect(isMerged(3)).toBe(true);
    expect(world.server(3).disk).toHaveLength(0);
  });
});
