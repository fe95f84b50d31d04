// Island mode through a whole replica, on virtual time; the island by itself is in island*.test.ts.
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../base/bytes.ts";
import type { ProposalAnswer } from "./index.ts";
import { type Outcome, World, type WorldServer } from "./replica-world.test-support.ts";

function worldOf(size: number): World {
  const world = new World({ seed: 5, size, timings: { survival: "island", islandAfterMs: 3_000 } });
  world.startAll();
  world.untilLeader();
  return world;
}

function propose(world: World, at: WorldServer, command: string): ProposalAnswer<Outcome> {
  let answer: ProposalAnswer<Outcome> | undefined;
  at.replica!.propose(encodeUtf8(command), (came) => {
    answer = came;
  });
  world.until(() => answer !== undefined, `an answer to ${command}`);
  return answer!;
}

function removeMember(world: World, via: WorldServer, replicaId: number): void {
  let answer = "";
  via.replica!.admin.changeMembers({ kind: "remove", replicaId }, ({ kind }) => {
    answer = kind;
  });
  world.until(() => answer === "done", `server ${replicaId} is removed`);
}

function untilOpen(world: World, server: WorldServer): void {
  world.until(() => server.replica!.island.islandState().open, "island mode");
}

function untilAllHave(world: World, commands: readonly string[]): void {
  const has = (server: WorldServer) =>
    commands.every((command) => server.disk.applied.commands.has(command));
  world.until(() => world.servers.every(has), `all have ${commands.join()}`, 60_000);
}

describe("R8: two of three down", () => {
  it("the survivor holds what it takes, and all have it once when the others are back", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    expect(propose(world, leader, "before").kind).toBe("applied");
    const [first, second] = world.servers.filter((server) => server !== leader);
    first!.kill();
    second!.kill();
    untilOpen(world, leader);
    expect(propose(world, leader, "held")).toMatchObject({ kind: "held", disks: 1 });
    expect(propose(world, leader, "before")).toMatchObject({ kind: "notHeld" });
    expect(leader.replica!.island.heldItems()).toHaveLength(1);
    first!.start();
    world.until(() => !leader.replica!.island.islandState().open, "the island has closed");
    second!.start();
    untilAllHave(world, ["before", "held"]);
    world.until(() => leader.replica!.island.heldItems().length === 0, "nothing is held");
    expect(leader.fatal).toBeUndefined();
  });

  it("what was under way when the majority went is answered as held", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const [first, second] = world.servers.filter((server) => server !== leader);
    first!.kill();
    second!.kill();
    expect(propose(world, leader, "late")).toMatchObject({ kind: "held", disks: 1 });
    first!.start();
    second!.start();
    untilAllHave(world, ["late"]);
  });

  it("what is not held and was under way is not refused: it may stand in a log", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const others = world.servers.filter((server) => server !== leader);
    for (const server of others) server.kill();
    expect(propose(world, leader, "majority only")).toMatchObject({ kind: "unavailable" });
    expect(leader.replica!.island.islandState().open).toBe(true);
    expect(propose(world, leader, "majority only, later")).toMatchObject({ kind: "notHeld" });
    for (const server of others) server.start();
    untilAllHave(world, ["majority only"]);
  });

  it("held items survive the death of the survivor", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const others = world.servers.filter((server) => server !== leader);
    for (const server of others) server.kill();
    untilOpen(world, leader);
    expect(propose(world, leader, "held").kind).toBe("held");
    leader.kill();
    leader.start();
    untilOpen(world, leader);
    expect(leader.replica!.island.heldItems()).toHaveLength(1);
    for (const server of others) server.start();
    untilAllHave(world, ["held"]);
  });
});

describe("R8: two islands of five and a majority apart", () => {
  it("each goes on, and all have everything once when the links are back", () => {
    const world = worldOf(5);
    const [a, b, c, d, e] = world.servers.map(({ id }) => id) as [
      number,
      number,
      number,
      number,
      number,
    ];
    for (const alone of [a, b]) {
      for (const other of [a, b, c, d, e]) {
        if (alone === other) continue;
        const name = alone < other ? `${alone}-${other}` : `${other}-${alone}`;
        world.cuts.add(name);
        world.dropConnection(alone, other);
      }
    }
    untilOpen(world, world.server(a));
    untilOpen(world, world.server(b));
    const majority = world.untilLeader();
    expect(propose(world, world.server(a), "on a").kind).toBe("held");
    expect(propose(world, world.server(b), "on b").kind).toBe("held");
    expect(propose(world, world.server(b), "on both").kind).toBe("held");
    expect(propose(world, majority, "on both").kind).toBe("applied");
    world.cuts.clear();
    untilAllHave(world, ["on a", "on b", "on both"]);
    const states = world.servers.map(({ disk }) => [...disk.applied.commands.keys()].join());
    world.until(() => new Set(states).size === 1, "all are equal");
  });

  it("survival quorum opens none", () => {
    const world = new World({ seed: 5, size: 3 });
    world.startAll();
    const leader = world.untilLeader();
    for (const server of world.servers) if (server !== leader) server.kill();
    expect(propose(world, leader, "a").kind).toBe("unavailable");
    expect(leader.replica!.island.islandState().open).toBe(false);
  });

  it("the only voter that is left erases its island log as well", () => {
    const world = worldOf(3);
    const survivor = world.untilLeader();
    const others = world.servers.filter((server) => server !== survivor);
    for (const server of others) server.kill();
    untilOpen(world, survivor);
    expect(propose(world, survivor, "held").kind).toBe("held");
    for (const server of others) server.start();
    untilAllHave(world, ["held"]);
    for (const { id } of others) removeMember(world, survivor, id);
    expect(survivor.disk.store.held.length).toBeGreaterThan(0);
    survivor.replica!.admin.takeCheckpoint((answer) => {
      if (answer.kind === "done") answer.snapshot.close();
    });
    world.until(() => survivor.disk.store.held.length === 0, "its island log is empty", 60_000);
  });
});
