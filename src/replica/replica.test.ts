// The replica as its gateways see it, over virtual time: acknowledgement, forwarding, changes of
// leader, hangs, losses.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import type { ProposalAnswer } from "./index.ts";
import { type Outcome, World } from "./replica-world.test-support.ts";

type Result = { answer: ProposalAnswer<Outcome> | undefined };

function worldOf(size: number, options: { seed?: number; liveTimeoutMs?: number } = {}): World {
  const { seed = 1, ...timings } = options;
  const world = new World({ seed, size, timings });
  world.startAll();
  return world;
}

function untilAnswered(world: World, result: Result, boundMs?: number): ProposalAnswer<Outcome> {
  world.until(() => result.answer !== undefined, "an answer", boundMs);
  return result.answer!;
}

describe("acknowledgement (R5)", () => {
  it("R1: one server alone is a cluster of one", () => {
    const world = worldOf(1);
    world.untilLeader();
    const answer = untilAnswered(world, world.propose(1, "a"));
    expect(answer).toMatchObject({ kind: "applied", disks: 1, outcome: { number: 1 } });
  });

  it("R4: a command given to any server is applied everywhere and is on three disks", () => {
    const world = worldOf(3);
    world.untilLeader();
    for (const id of [1, 2, 3]) {
      const answer = untilAnswered(world, world.propose(id, `c${id}`));
      expect(answer).toMatchObject({ kind: "applied", disks: 3, outcome: { number: id } });
    }
    world.run(200);
    for (const server of world.servers) expect(server.disk.applied.commands.size).toBe(3);
  });

  it("R5: a killed follower delays nobody, and the answer says two disks", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    world.run(100);
    world.server((leader.id % 3) + 1).kill();
    world.run(10);
    const before = world.time.nowMs;
    expect(untilAnswered(world, world.propose(leader.id, "a"))).toMatchObject({ disks: 2 });
    expect(world.time.nowMs - before).toBeLessThan(20);
  });

  it("R5: a hung follower delays writes for liveTimeoutMs, then no more, and comes back", () => {
    const world = worldOf(3, { liveTimeoutMs: 500 });
    const leader = world.untilLeader();
    const hung = world.server((leader.id % 3) + 1);
    world.run(600);
    hung.diskHangs = true;
    const before = world.time.nowMs;
    expect(untilAnswered(world, world.propose(leader.id, "a"))).toMatchObject({ disks: 2 });
    const delayMs = world.time.nowMs - before;
    expect(delayMs).toBeGreaterThan(400);
    expect(delayMs).toBeLessThan(600);
    const again = world.time.nowMs;
    untilAnswered(world, world.propose(leader.id, "b"));
    expect(world.time.nowMs - again).toBeLessThan(20);
    hung.diskHangs = false;
    world.run(300);
    expect(untilAnswered(world, world.propose(leader.id, "c"))).toMatchObject({ disks: 3 });
  });

  it("R5: after two have died at once the third one's log has all that was acknowledged", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = worldOf(3, { seed });
      world.untilLeader();
      world.run(100);
      const results = Array.from({ length: 60 }, (_, i) => world.propose((i % 3) + 1, `c${i}`));
      world.run(1 + (seed % 7));
      const survivor = world.server((seed % 3) + 1);
      for (const server of world.servers) if (server !== survivor) server.kill();
      const acknowledged = results.filter((result) => result.answer?.kind === "applied").length;
      const text = survivor.disk.entries
        .slice(0, survivor.disk.durable)
        .map((entry) => new TextDecoder().decode(entry.payload))
        .join("");
      for (const [i, result] of results.entries()) {
        if (result.answer?.kind === "applied") expect(text).toMatch(new RegExp(`c${i}(?!\\d)`));
      }
      if (seed % 7 === 6) expect(acknowledged).toBeGreaterThan(0);
    }
  });
});

describe("a log that fails", () => {
  it("stops the replica with the log's own error, also when it says so at once", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    leader.diskFails = true;
    world.propose(leader.id, "lost");
    world.run(10);
    expect(leader.fatal?.error.message).toBe("EIO: write");
  });
});

describe("changes of leader (R3, R4)", () => {
  it("R4: commands under way when the leader dies are answered by their server", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const follower = world.server((leader.id % 3) + 1);
    world.run(100);
    const results = Array.from({ length: 50 }, (_, i) => world.propose(follower.id, `c${i}`));
    world.run(0.5);
    leader.kill();
    const before = world.time.nowMs;
    for (const result of results) untilAnswered(world, result);
    expect(world.time.nowMs - before).toBeLessThan(300);
    const numbers = results.map((result) =>
      result.answer?.kind === "applied" ? result.answer.outcome.number : 0,
    );
    expect(numbers).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  it("R3: a leader paused for 5 s comes back as a follower, with nothing stale", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    world.run(100);
    leader.paused = true;
    const stale = world.propose(leader.id, "stale");
    const other = world.server((leader.id % 3) + 1);
    expect(untilAnswered(world, world.propose(other.id, "fresh"), 3_000)).toMatchObject({
      outcome: { number: 1 },
    });
    world.run(5_000);
    leader.resume();
    expect(untilAnswered(world, stale)).toMatchObject({ outcome: { number: 2 } });
    expect(leader.replica?.leads).toBe(false);
  });

  it("R7: a server that was killed catches up from its own log and the others'", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const killed = world.server((leader.id % 3) + 1);
    untilAnswered(world, world.propose(leader.id, "before"));
    killed.kill();
    for (let i = 0; i < 100; i++) untilAnswered(world, world.propose(leader.id, `while${i}`));
    killed.start();
    world.until(() => killed.disk.applied.commands.size === 101, "caught up");
    expect([...killed.disk.applied.commands]).toEqual([...leader.disk.applied.commands]);
  });

  it("answers unavailable where no majority is left, and takes the same command once later", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    for (const server of world.servers) if (server !== leader) server.kill();
    const result = world.propose(leader.id, "a");
    expect(untilAnswered(world, result, 12_000)).toMatchObject({ kind: "unavailable" });
    for (const server of world.servers) if (server !== leader) server.start();
    world.untilLeader();
    const again = untilAnswered(world, world.propose(leader.id, "a"));
    expect(again).toMatchObject({ kind: "applied", outcome: { number: 1 } });
    expect(leader.disk.applied.commands.size).toBe(1);
  });

  it("hands leadership over before it stops", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    world.run(200);
    let stopped = false;
    const before = world.time.nowMs;
    leader.replica?.depart(() => {
      stopped = true;
    });
    world.until(() => stopped, "stopped");
    world.until(() => world.servers.some((s) => s !== leader && s.replica?.leads), "another");
    expect(world.time.nowMs - before).toBeLessThan(100);
  });
});

describe("reads", () => {
  it("waits for a position that another server has applied", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const answer = untilAnswered(world, world.propose(leader.id, "a"));
    const follower = world.server((leader.id % 3) + 1);
    let waited = "";
    const position = answer.kind === "applied" ? answer.position : 0;
    follower.replica?.waitForPosition({ position, timeoutMs: 1_000 }, ({ kind }) => {
      waited = kind;
      expect(follower.disk.applied.commands.has("a")).toBe(true);
    });
    world.until(() => waited !== "", "the wait");
    expect(waited).toBe("reached");
  });

  it("a linearizable read sees what was acknowledged before it, and needs a leader", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    untilAnswered(world, world.propose(leader.id, "a"));
    const follower = world.server((leader.id % 3) + 1);
    let read = "";
    follower.replica?.waitForRead({ timeoutMs: 1_000 }, ({ kind }) => {
      read = kind;
    });
    world.until(() => read !== "", "the read");
    expect(read).toBe("reached");
    expect(follower.disk.applied.commands.has("a")).toBe(true);
    for (const server of world.servers) if (server !== follower) server.kill();
    read = "";
    follower.replica?.waitForRead({ timeoutMs: 500 }, ({ kind }) => {
      read = kind;
    });
    world.until(() => read !== "", "the second read");
    expect(read).toBe("timedOut");
  });
});

describe("formation", () => {
  it("R7: a known server with an empty data folder does not vote where nobody takes it in", () => {
    const world = worldOf(3);
    const leader = world.untilLeader();
    const lost = world.server((leader.id % 3) + 1);
    leader.kill();
    lost.kill();
    lost.loseDisk();
    lost.start();
    world.run(3_000);
    expect(lost.replica?.readiness()).toMatchObject({
      ready: false,
      reason: expect.stringContaining("its data folder is new"),
    });
    expect(world.leader()).toBeUndefined();
    expect(lost.disk.hardState.term).toBe(0);
  });

  it("the first start needs all servers, later ones a majority", () => {
    const world = new World({ seed: 3, size: 3 });
    world.server(1).start();
    world.server(2).start();
    world.run(2_000);
    expect(world.server(1).replica?.readiness().reason).toContain("waiting for server 3");
    world.server(3).start();
    world.untilLeader();
    for (const server of world.servers) server.kill();
    world.server(1).start();
    world.server(3).start();
    world.untilLeader();
  });
});

describe("cluster time (R12)", () => {
  it("one clock that is a day off moves no stamp, whoever leads", () => {
    for (const wrong of [86_400_000, -86_400_000]) {
      for (const wrongServer of [1, 2, 3]) {
        const world = worldOf(3, { seed: 7 });
        world.server(wrongServer).wallOffsetMs = wrong;
        const leader = world.untilLeader();
        untilAnswered(world, world.propose(leader.id, "a"));
        const { timestampMs } = leader.disk.applied.commands.get("a")!;
        expect(Math.abs(timestampMs - 1_000_000 - world.time.nowMs)).toBeLessThan(1_000);
      }
    }
  });
});

describe("bugs and damage", () => {
  it("a log that ends before what was applied is refused", () => {
    const world = worldOf(1);
    world.untilLeader();
    const server = world.server(1);
    untilAnswered(world, world.propose(1, "a"));
    server.kill();
    server.disk.entries = server.disk.entries.slice(0, 1);
    server.disk.durable = 1;
    server.start();
    expect(server.fatal?.error.message).toContain("ahead of the log");
  });

  it("a throw of the state machine stops the replica and names the entry", () => {
    const world = worldOf(1);
    world.untilLeader();
    const result = world.propose(1, "poison");
    expect(untilAnswered(world, result)).toMatchObject({ kind: "unavailable" });
    expect(world.server(1).fatal?.poisonIndex).toBeGreaterThan(0);
    expect(world.server(1).fatal?.error.message).toBe("poisonous command");
  });
});

/** One random run: load on all servers while they die, hang, lose links; then peace. */
function randomRun(seed: number): void {
  const world = worldOf(seed % 5 === 0 ? 5 : 3, { seed });
  const random = new Random(seed * 7919);
  world.untilLeader();
  const results: { id: string; origin: number; result: Result }[] = [];
  for (let round = 0; round < 150; round++) {
    const server = world.servers[random.nextInteger(0, world.servers.length)]!;
    const other = world.servers[random.nextInteger(0, world.servers.length)]!;
    const name = server.id < other.id ? `${server.id}-${other.id}` : `${other.id}-${server.id}`;
    const fault = random.nextInteger(0, 14);
    if (fault === 0) server.kill();
    if (fault === 1 && server.replica === undefined) server.start();
    if (fault === 2) server.paused = true;
    if (fault === 3) server.resume();
    if (fault === 4) world.cuts.add(name);
    if (fault === 5) world.cuts.clear();
    if (fault === 6) server.diskHangs = true;
    if (fault === 7) server.diskHangs = false;
    if (fault === 8 && server !== other) world.dropConnection(server.id, other.id);
    const origin = world.servers[random.nextInteger(0, world.servers.length)]!;
    if (origin.replica !== undefined) {
      const id = `r${round}`;
      results.push({ id, origin: origin.id, result: world.propose(origin.id, id) });
    }
    world.run(random.nextInteger(1, 60));
  }
  world.cuts.clear();
  for (const server of world.servers) {
    server.resume();
    server.diskHangs = false;
    if (server.replica === undefined) server.start();
  }
  world.untilLeader();
  const last = world.propose(1, "last");
  untilAnswered(world, last);
  world.run(1_000);
  const reference = [...world.server(1).disk.applied.commands];
  for (const server of world.servers) {
    expect(server.fatal).toBeUndefined();
    expect([...server.disk.applied.commands]).toEqual(reference);
  }
  for (const { id, result } of results) {
    if (result.answer?.kind !== "applied") continue;
    const stored = world.server(1).disk.applied.commands.get(id);
    expect(stored, `acknowledged ${id} is there`).toBeDefined();
    expect(stored?.number).toBe(result.answer.outcome.number);
  }
  const stamps = reference.map(([, { timestampMs }]) => timestampMs);
  expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
}

describe("random faults", () => {
  it("nothing acknowledged is lost or doubled, and all servers become equal", () => {
    const count = Number(process.env["HOLDFAST_SEEDS"] ?? 40);
    for (let seed = 1; seed <= count; seed++) {
      try {
        randomRun(seed);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
});
