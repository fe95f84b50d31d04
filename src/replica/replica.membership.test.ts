// Members that come and go while a cluster works, and states that are fetched, on virtual time.
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../base/bytes.ts";
import type { ChangeAnswer, MembershipChange } from "./admin-service.ts";
import { World, type WorldServer } from "./replica-world.test-support.ts";

function worldOf(size: number, sizes = { checkpointBytes: 2 ** 26, logKeepBytes: 2 ** 24 }): World {
  const world = new World({ seed: 11, size, sizes });
  world.startAll();
  world.untilLeader();
  return world;
}

function change(world: World, at: WorldServer, wish: MembershipChange): ChangeAnswer {
  let answer: ChangeAnswer | undefined;
  at.replica!.admin.changeMembers(wish, (came) => {
    answer = came;
  });
  world.until(() => answer !== undefined, `an answer to ${wish.kind}`);
  return answer!;
}

/** A new machine joins by way of a server, as `holdfast join` does it. */
function join(world: World, via: WorldServer, token = 7n): WorldServer {
  const server = world.addServer();
  const { replicaId, birthNonce } = server.disk.identity;
  const member = {
    replicaId,
    birthNonce,
    peerAddress: `peer-${replicaId}`,
    clientAddress: `http://server-${replicaId}`,
    tokenNonce: token,
    reader: false,
    away: false,
  };
  const answer = change(world, via, { kind: "add", member });
  expect(answer.kind).toBe("done");
  const facts = via.replica!.admin.clusterFacts()!;
  server.disk.identity = {
    ...server.disk.identity,
    formed: { clusterId: facts.clusterId, founders: facts.founders },
    joinedIndex: answer.kind === "done" ? answer.index : 0,
    contacts: facts.members,
  };
  server.start();
  return server;
}

function voters(world: World): number[] {
  const status = world.leader()?.replica?.status();
  if (status === undefined || status.configurationChanging) return [];
  return status.servers.filter(({ membership }) => membership === 1).map((s) => s.replicaId);
}

function untilVoters(world: World, ids: readonly number[]): void {
  world.until(() => voters(world).join() === ids.join(), `voters ${ids.join()}`, 60_000);
}

function store(world: World, at: WorldServer, command: string): void {
  let isDone = false;
  at.replica!.propose(encodeUtf8(command), (answer) => {
    expect(answer.kind).toBe("applied");
    isDone = true;
  });
  world.until(() => isDone, `${command} is stored`);
}

function takeCheckpoint(world: World, at: WorldServer): void {
  let isTaken = false;
  at.replica!.admin.takeCheckpoint((answer) => {
    if (answer.kind === "done") answer.snapshot.close();
    isTaken = true;
  });
  world.until(() => isTaken, "a checkpoint", 130_000);
  world.run(600);
}

function untilEqual(world: World): void {
  const up = world.servers.filter((server) => server.replica !== undefined);
  const indexes = () => up.map((server) => server.disk.applied.index);
  world.until(() => new Set(indexes()).size === 1, "all servers are equal", 60_000);
  const states = up.map((server) => JSON.stringify([...server.disk.applied.commands]));
  expect(new Set(states).size).toBe(1);
}

describe("R2: servers join while the cluster works", () => {
  it("one becomes three, and each newcomer gets its vote by itself", () => {
    const world = worldOf(1);
    const [first] = world.servers;
    store(world, first!, "a");
    join(world, first!);
    untilVoters(world, [1, 2]);
    store(world, first!, "b");
    const third = join(world, world.server(2), 8n);
    untilVoters(world, [1, 2, 3]);
    store(world, third, "c");
    untilEqual(world);
  });

  it("a token is used up, an id in use and a used address are refused", () => {
    const world = worldOf(1);
    const [first] = world.servers;
    join(world, first!, 5n);
    untilVoters(world, [1, 2]);
    const member = {
      replicaId: 0,
      birthNonce: 99n,
      peerAddress: "peer-9",
      clientAddress: "http://server-9",
      tokenNonce: 5n,
      reader: false,
      away: false,
    };
    const refusalOf = (changed: Partial<typeof member>) =>
      change(world, first!, { kind: "add", member: { ...member, ...changed } });
    expect(refusalOf({})).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining("was used by server 2"),
    });
    expect(refusalOf({ tokenNonce: 6n, replicaId: 2 })).toMatchObject({
      reason: expect.stringContaining("id 2 is in use; the next free one is 3"),
    });
    expect(refusalOf({ tokenNonce: 6n, peerAddress: "peer-2" })).toMatchObject({
      reason: expect.stringContaining("the address peer-2 is server 2's"),
    });
  });

  it("a newcomer far behind fetches a state from a follower, and the log is cut meanwhile", () => {
    const world = worldOf(2, { checkpointBytes: 4_000, logKeepBytes: 1_000 });
    const leader = world.untilLeader();
    for (let i = 0; i < 60; i++) store(world, leader, `command ${i} ${"x".repeat(200)}`);
    world.until(() => leader.disk.base.index > 10, "the log is cut");
    const third = join(world, leader);
    untilVoters(world, [1, 2, 3]);
    expect(third.disk.base.index).toBeGreaterThan(10);
    expect(world.notes.some(({ message }) => message.includes("is fetched"))).toBe(true);
    store(world, third, "after");
    untilEqual(world);
  });
});

describe("R9: servers leave", () => {
  it("one that is removed learns it and ends; the rest goes on", () => {
    const world = worldOf(3);
    const gone = world.server((world.untilLeader().id % 3) + 1);
    expect(change(world, world.leader()!, { kind: "remove", replicaId: gone.id }).kind).toBe(
      "done",
    );
    world.until(() => gone.removed !== undefined, "the removed server has ended");
    expect(gone.removed).toContain("was removed from this cluster");
    store(world, world.untilLeader(), "a");
    expect(voters(world)).toHaveLength(2);
  });

  it("the leader removes itself, and another leads at once", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    expect(change(world, leader, { kind: "remove", replicaId: leader.id }).kind).toBe("done");
    world.until(() => leader.removed !== undefined, "it has ended");
    store(world, world.untilLeader(), "a");
  });

  it("a removal that would leave no majority is refused", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const [dead, other] = world.servers.filter((server) => server !== leader);
    dead!.kill();
    world.run(2_000);
    const answer = change(world, leader, { kind: "remove", replicaId: other!.id });
    expect(answer).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining(`server ${dead!.id} cannot be reached`),
    });
    expect(change(world, leader, { kind: "remove", replicaId: dead!.id }).kind).toBe("done");
    store(world, other!, "a");
  });

  it("two changes at once are refused", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const answers: ChangeAnswer[] = [];
    for (const { id } of world.servers) {
      if (id === leader.id) continue;
      const wish = { kind: "remove", replicaId: id } as const;
      leader.replica!.admin.changeMembers(wish, (answer) => answers.push(answer));
    }
    world.until(() => answers.length === 2, "both are answered");
    const kinds = answers.map(({ kind }) => kind).sort();
    expect(kinds).toEqual(["done", "refused"]);
  });

  it("stops one after the other need no majority: the votes come back with the servers", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const others = world.servers.filter((server) => server !== leader);
    for (const server of [others[0]!, leader]) {
      let hasStopped = false;
      server.replica!.depart(() => {
        hasStopped = true;
      });
      world.until(() => hasStopped, `server ${server.id} has stopped`);
      server.kill();
      world.run(5);
    }
    store(world, others[1]!, "alone");
    expect(voters(world)).toEqual([others[1]!.id]);
    leader.start();
    others[0]!.start();
    untilVoters(world, [1, 2, 3]);
    store(world, leader, "together");
    untilEqual(world);
  });
});

describe("R7: a server that lost its disk", () => {
  it("comes back as a newcomer, with a vote when it has caught up", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    store(world, leader, "a");
    const lost = world.server((leader.id % 3) + 1);
    lost.kill();
    lost.loseDisk();
    lost.start();
    untilVoters(
      world,
      [1, 2, 3].filter((id) => id !== lost.id),
    );
    untilVoters(world, [1, 2, 3]);
    store(world, lost, "b");
    untilEqual(world);
    expect(lost.disk.identity.joinedIndex).toBeGreaterThan(0);
  });

  it("one after the other may lose it, and nothing is lost", () => {
    const world = worldOf(3);
    store(world, world.untilLeader(), "a");
    for (const server of world.servers) {
      server.kill();
      server.loseDisk();
      server.start();
      world.until(() => server.disk.identity.joinedIndex > 0, "it is taken in", 60_000);
      untilVoters(world, [1, 2, 3]);
    }
    store(world, world.untilLeader(), "b");
    untilEqual(world);
    expect(world.server(1).disk.applied.commands.size).toBe(2);
  });
});

/** The machine's log loses its last entries, as mending.ts leaves it. */
function loseLog(server: WorldServer, count: number): void {
  server.kill();
  const { disk } = server;
  disk.entries = disk.entries.slice(0, -count);
  disk.durable = disk.base.index + disk.entries.length;
  disk.identity = { ...disk.identity, abstains: true, logEpoch: disk.identity.logEpoch + 1 };
  if (disk.applied.index > disk.durable) disk.applied = { index: 0, commands: new Map() };
}

describe("R9: stops that meet", () => {
  it("two of three stop at the same moment: the third goes on alone, without a gap", () => {
    for (const withLeader of [true, false]) {
      const world = worldOf(3);
      const leader = world.untilLeader();
      world.run(500);
      const others = world.servers.filter((server) => server !== leader);
      const stopping = withLeader ? [others[0]!, leader] : others;
      let stopped = 0;
      for (const server of stopping) {
        server.replica!.depart(() => {
          stopped += 1;
          server.kill();
        });
      }
      world.until(() => stopped === 2, "both have stopped", 4_500);
      const last = world.servers.find(({ replica }) => replica !== undefined)!;
      store(world, last, "alone");
      for (const server of stopping) server.start();
      untilVoters(world, [1, 2, 3]);
      untilEqual(world);
    }
  });

  it("a server whose log has lost entries is not left alone with the vote", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    for (const command of ["a", "b", "c"]) store(world, leader, command);
    const [maimed, down] = world.servers.filter((server) => server !== leader);
    down!.kill();
    loseLog(maimed!, 2);
    world.run(50);
    maimed!.start();
    world.until(
      () =>
        leader.replica!.status().servers.every((s) => s.replicaId !== maimed!.id || s.connected),
      "it is back",
    );
    let hasStopped = false;
    leader.replica!.depart(() => {
      hasStopped = true;
      leader.kill();
    });
    world.until(() => hasStopped, "the leader has stopped");
    down!.start();
    world.run(1_000);
    leader.start();
    untilVoters(world, [1, 2, 3]);
    store(world, maimed!, "d");
    untilEqual(world);
  });

  it("one that has come back gets its vote also from a leader that found it there", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    world.run(500);
    const others = world.servers.filter((server) => server !== leader);
    for (const server of others) {
      let hasStopped = false;
      server.replica!.depart(() => {
        hasStopped = true;
        server.kill();
      });
      world.until(() => hasStopped, "it has stopped");
    }
    untilVoters(world, [leader.id]);
    // Its disk keeps it from catching up until the leader has been started anew.
    for (const server of others) {
      server.start();
      server.diskHangs = true;
    }
    world.run(1_000);
    leader.kill();
    leader.start();
    world.run(1_000);
    for (const server of others) server.diskHangs = false;
    untilVoters(world, [1, 2, 3]);
  });
});

describe("R9: members that move", () => {
  it("a server that is reached elsewhere after a restart says so, and the table learns it", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    for (const moving of world.servers) {
      moving.kill();
      moving.peerAddress = `elsewhere-${moving.id}`;
      moving.start();
      const addressAt = (server: WorldServer) =>
        server.replica?.admin
          .clusterFacts()
          ?.members.find(({ replicaId }) => replicaId === moving.id)?.peerAddress;
      world.until(
        () => world.servers.every((server) => addressAt(server) === moving.peerAddress),
        `all know where server ${moving.id} is`,
      );
    }
    store(world, leader, "a");
    world.run(1_000);
    const changes = leader.disk.entries.filter(({ kind }) => kind === "configuration");
    expect(changes).toHaveLength(3);
  });
});

describe("R7: a server that lost its disk, more than once", () => {
  it("comes back with yet another folder while it is being taken in", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    store(world, leader, "a");
    const lost = world.server((leader.id % 3) + 1);
    for (let folder = 0; folder < 3; folder++) {
      lost.kill();
      lost.loseDisk();
      lost.start();
      world.run(60 + folder * 20);
    }
    untilVoters(world, [1, 2, 3]);
    store(world, lost, "b");
    untilEqual(world);
  });
});

describe("S5: a state that differs", () => {
  it("is replaced by the others', and says so", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    for (const command of ["a", "b", "c"]) store(world, leader, command);
    const wrong = world.server((leader.id % 3) + 1);
    untilEqual(world);
    wrong.disk.applied.commands.delete("b");
    let isTaken = false;
    leader.replica!.admin.takeCheckpoint((answer) => {
      isTaken = answer.kind === "done";
      if (answer.kind === "done") answer.snapshot.close();
    });
    world.until(() => isTaken, "a checkpoint");
    world.until(() => wrong.disk.applied.commands.has("b"), "it has what it had lost", 60_000);
    const said = world.notes.filter(({ server }) => server === wrong.id);
    expect(said.some(({ message }) => message.includes("differs from the others'"))).toBe(true);
    store(world, wrong, "d");
    untilEqual(world);
  });

  it("a leader's: it hands over first, and gives copies of it to nobody", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    for (const command of ["a", "b", "c"]) store(world, leader, command);
    untilEqual(world);
    world.run(500);
    leader.disk.applied.commands.delete("b");
    takeCheckpoint(world, world.server((leader.id % 3) + 1));
    world.until(() => leader.replica?.leads !== true, "another one leads");
    world.until(() => leader.disk.applied.commands.has("b"), "it has what it had lost", 60_000);
    store(world, leader, "d");
    untilEqual(world);
    expect([...leader.disk.applied.commands.keys()]).toEqual(["a", "b", "c", "d"]);
  });

  it("a build that keeps its state otherwise throws nothing away, and makes nobody do so", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const upgraded = world.server((leader.id % 3) + 1);
    store(world, leader, "a");
    untilEqual(world);
    upgraded.kill();
    upgraded.version = "next";
    // Its tables are others: its digests differ from now on.
    const row = upgraded.disk.applied.commands.get("a")!;
    upgraded.disk.applied.commands.set("a", { ...row, timestampMs: 1 });
    upgraded.start();
    world.run(1_000);
    for (let round = 0; round < 3; round++) takeCheckpoint(world, leader);
    // The others follow, each with the digest of its old build in its snapshots.
    for (const server of world.servers) {
      if (server === upgraded) continue;
      server.kill();
      server.version = "next";
      server.start();
      world.untilLeader();
      world.run(1_000);
    }
    expect(world.notes.some(({ message }) => message.includes("differs"))).toBe(false);
  });
});
