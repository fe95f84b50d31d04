// The laws of the fault plan, over many schedules against a cluster that finds out when the plan
// goes too far. Not here: what the product makes of faults; that is what simulated runs are for.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { FakeCluster } from "./fake-cluster.test-support.ts";
import { destroyingKinds, type FaultKind, faultKinds } from "./fault-kind.ts";
import { FaultPlan } from "./faults.ts";
import { drawSwarm, type Swarm } from "./swarm.ts";

/** How long the rough cluster runs in each schedule, in election time-outs. */
const lengthElections = 120;

/** Runs a schedule from a seed up to the moment before the faults stop. */
function run(
  seed: number,
  fixed: Partial<Swarm> = {},
  after: (cluster: FakeCluster) => void = () => {},
) {
  const swarm = drawSwarm(new Random(seed), fixed);
  const electionMs = swarm.timings.tickMs * swarm.timings.electionTimeoutTicksMax;
  const { servers } = swarm;
  const cluster = new FakeCluster({ servers, seed: seed ^ 0xfa17, turnMs: electionMs / 2 });
  // Formed: a leader, and something committed.
  cluster.runUntil(10 * electionMs);
  const plan = new FaultPlan(cluster, swarm);
  plan.start();
  cluster.runUntil(cluster.time.nowMs + lengthElections * electionMs, () => after(cluster));
  return { cluster, plan, swarm, electionMs };
}

function seeds(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

/** Everything at once, as often as it comes, in a cluster that is spared little. */
function harsh(servers: number): Partial<Swarm> {
  const meanWaitMs = Object.fromEntries(
    faultKinds.map((kind) => [kind, destroyingKinds.includes(kind) ? 60_000 : 9_000]),
  );
  return { servers, pace: "fast", faults: faultKinds, meanWaitMs, outageShare: 0.5 };
}

describe("the budget of good copies", () => {
  // FakeCluster throws where too many copies are destroyed, something committed is lost, a term has
  // two leaders or a server comes up on damage that it cannot see.
  it.each([1, 2, 3, 4])("loses nothing committed and doubles no leader (part %i)", (part) => {
    for (const seed of seeds(300)) {
      const { cluster, plan } = run(1_000 * part + seed);
      plan.stop();
      cluster.runUntil(cluster.time.nowMs + 30_000);
    }
  });

  it.each([3, 5])("holds in clusters of %i where everything strikes", (servers) => {
    const counts: Record<string, number> = {};
    for (const seed of seeds(200)) {
      const { cluster, plan } = run(seed, harsh(servers));
      plan.stop();
      cluster.runUntil(cluster.time.nowMs + 30_000);
      for (const [kind, count] of Object.entries(plan.counts)) {
        counts[kind] = (counts[kind] ?? 0) + count;
      }
    }
    const never = faultKinds.filter((kind) => (counts[kind] ?? 0) === 0);
    expect(never).toEqual([]);
  });

  it("destroys and forgets nothing in a cluster of one", () => {
    for (const seed of seeds(50)) {
      const { cluster, plan } = run(seed, harsh(1));
      expect([...cluster.struck]).toEqual([]);
      expect(plan.counts).toMatchObject({ olderDisk: 0, emptyDisk: 0, bitFlip: 0 });
    }
  });
});

describe("the end of the faults", () => {
  it("leaves everything mended and everybody running who can", () => {
    for (const seed of seeds(200)) {
      const { cluster, plan } = run(seed, seed % 2 === 0 ? harsh(seed % 4 === 0 ? 3 : 5) : {});
      plan.stop();
      expectMended(cluster, plan);
      const { length } = cluster.calls;
      const committed = cluster.committed.length;
      cluster.runUntil(cluster.time.nowMs + 120_000);
      expect(cluster.calls.slice(length), `seed ${seed}: calls after the end`).toEqual([]);
      expect(cluster.committed.length, `seed ${seed}: commits after`).toBeGreaterThan(committed);
      expectMended(cluster, plan);
    }
  });

  it("expects of all servers whose copy was not struck that they can go on alone", () => {
    for (const seed of seeds(100)) {
      const { cluster, plan, swarm } = run(seed, harsh(seed % 2 === 0 ? 3 : 5));
      plan.stop();
      const whole = cluster.servers.filter((server) => !cluster.struck.has(server));
      expect(plan.expectedUp()).toEqual(whole);
      expect(whole.length).toBeGreaterThan(swarm.servers / 2);
    }
  });
});

function expectMended(cluster: FakeCluster, plan: FaultPlan): void {
  expect(cluster.isCut).toBe(false);
  expect([...cluster.swapped]).toEqual([]);
  expect(Object.values(cluster.weather).every((strength) => strength === 0)).toBe(true);
  for (const server of cluster.servers) {
    expect(cluster.machine(server)).toMatchObject({
      paused: false,
      stopping: false,
      crashPasses: undefined,
      armedFailures: 0,
      armedRead: false,
      strayIn: undefined,
      slowMs: 0,
      rate: 1,
      clientsCut: false,
    });
  }
  for (const server of plan.expectedUp()) {
    expect(cluster.machine(server), `server ${server}`).toMatchObject({ up: true });
    expect(cluster.machine(server).disk).toMatchObject({ owner: server, flips: 0 });
  }
}

describe("the schedule", () => {
  it("is the same for the same seed, and another for another", () => {
    for (const seed of seeds(20)) {
      const calls = run(seed, harsh(3)).cluster.calls;
      expect(run(seed, harsh(3)).cluster.calls).toEqual(calls);
      expect(run(seed + 1_000, harsh(3)).cluster.calls).not.toEqual(calls);
    }
  });

  it("has only the kinds of faults that exist in the run", () => {
    for (const seed of seeds(200)) {
      const { plan, swarm } = run(seed);
      const struck = faultKinds.filter((kind) => plan.counts[kind] !== 0);
      expect(struck.filter((kind) => !swarm.faults.includes(kind))).toEqual([]);
    }
  });

  it("does nothing where there are no faults but set the clocks", () => {
    const { cluster } = run(1, { faults: [], calmMs: 0 });
    expect(cluster.calls.filter((call) => !call.includes("setClockRate"))).toEqual([]);
  });

  it("always leaves a majority that can work where no outage is drawn", () => {
    // Those that are an outage by their nature, and those that strike when nobody knows.
    const excepted: readonly FaultKind[] = [
      "powerLossOfAll",
      "olderDisk",
      "swappedDisks",
      "majorityDown",
      "islands",
      "diskError",
      "diskFull",
      "misdirectedRead",
    ];
    const faults = faultKinds.filter((kind) => !excepted.includes(kind));
    for (const seed of seeds(100)) {
      const servers = seed % 2 === 0 ? 3 : 5;
      run(seed, { ...harsh(servers), faults, outageShare: 0 }, (cluster) => {
        expect(hasMajority(cluster), `seed ${seed} at ${cluster.time.nowMs}`).toBe(true);
      });
    }
  });

  it("is calm long enough for commits in most runs, harsh ones included", () => {
    let idle = 0;
    for (const seed of seeds(200)) {
      const { cluster } = run(seed);
      // A commit every turn of half an election time-out is the most there could be.
      if (cluster.committed.length < lengthElections / 4) idle += 1;
    }
    expect(idle).toBeLessThan(20);
  });
});

function hasMajority(cluster: FakeCluster): boolean {
  const working = cluster.servers.filter((server) => {
    const { up, paused } = cluster.machine(server);
    return up && !paused && !cluster.struck.has(server);
  });
  return working.some((one) => {
    const linked = working.filter((other) => cluster.isLinked(one, other));
    return linked.length > cluster.servers.length / 2;
  });
}
