// What all drawn runs have in common, and what their shares are. Not here: when faults strike.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { type FaultKind, faultKinds, kindsAmongServers } from "./fault-kind.ts";
import { drawSwarm, type Swarm } from "./swarm.ts";

const swarms = Array.from({ length: 2_000 }, (_, seed) => drawSwarm(new Random(seed)));

function share(condition: (swarm: Swarm) => boolean): number {
  return swarms.filter(condition).length / swarms.length;
}

describe("what a run draws", () => {
  it("is plain JSON, the same for the same seed", () => {
    for (const [seed, swarm] of swarms.slice(0, 50).entries()) {
      expect(JSON.parse(JSON.stringify(swarm))).toEqual(swarm);
      expect(drawSwarm(new Random(seed))).toEqual(swarm);
    }
  });

  it("is a cluster of 1, mostly 3, or 5, mostly with slow timings", () => {
    expect([...new Set(swarms.map(({ servers }) => servers))].sort()).toEqual([1, 3, 5]);
    expect(share(({ servers }) => servers === 3)).toBeGreaterThan(0.55);
    expect(share(({ pace }) => pace === "slow")).toBeGreaterThan(0.4);
    expect(share(({ pace }) => pace === "fast")).toBeGreaterThan(0.15);
  });

  it("has each kind of fault in about half of the runs, one only in some, none in some", () => {
    const clusters = share(({ servers }) => servers > 1);
    for (const kind of faultKinds) {
      const possible = kindsAmongServers.includes(kind) ? clusters : 1;
      const found = share(({ faults }) => faults.includes(kind)) / possible;
      expect(found, kind).toBeGreaterThan(0.38);
      expect(found, kind).toBeLessThan(0.52);
    }
    expect(share(({ faults }) => faults.length === 0)).toBeGreaterThan(0.02);
    expect(share(({ faults }) => faults.length === 1)).toBeGreaterThan(0.05);
  });

  it("has no faults among servers in a cluster of one", () => {
    const alone = swarms.filter(({ servers }) => servers === 1);
    const strange = alone.filter(({ faults }) => faults.some((k) => kindsAmongServers.includes(k)));
    expect(strange).toEqual([]);
  });

  it("is what the servers' settings allow", () => {
    for (const { timings, segmentBytes, servers, dateOffsetsMs, clockRates } of swarms) {
      const { heartbeatIntervalTicks, electionTimeoutTicksMin, electionTimeoutTicksMax } = timings;
      expect(electionTimeoutTicksMin).toBeGreaterThanOrEqual(3 * heartbeatIntervalTicks);
      expect(electionTimeoutTicksMax).toBeGreaterThan(electionTimeoutTicksMin + 1);
      const electionMs = timings.tickMs * electionTimeoutTicksMax;
      expect(timings.liveTimeoutMs).toBeGreaterThan(4 * heartbeatIntervalTicks * timings.tickMs);
      expect(timings.liveTimeoutMs).toBeLessThanOrEqual(60_000);
      expect(timings.proposalTimeoutMs).toBeGreaterThan(2 * electionMs);
      expect(timings.proposalTimeoutMs).toBeLessThanOrEqual(600_000);
      expect(segmentBytes % 4096).toBe(0);
      // Entries of 256 KiB and their encoding.
      expect(segmentBytes).toBeGreaterThan(264 * 1024);
      expect([dateOffsetsMs.length, clockRates.length]).toEqual([servers, servers]);
      expect(dateOffsetsMs.every((offsetMs) => Math.abs(offsetMs) <= 86_400_000)).toBe(true);
    }
  });

  it("waits for each kind that exists, and for no other", () => {
    for (const { faults, meanWaitMs } of swarms) {
      expect(Object.keys(meanWaitMs).sort()).toEqual([...faults].sort());
      expect(Object.values(meanWaitMs).every((ms) => ms > 0)).toBe(true);
    }
  });
});

describe("what is fixed", () => {
  it("takes the place of what is drawn, and changes only what follows from it", () => {
    const faults: FaultKind[] = ["kill", "pause"];
    for (const [seed, drawn] of swarms.slice(0, 50).entries()) {
      const fixed = drawSwarm(new Random(seed), { faults });
      expect(fixed.faults).toEqual(faults);
      expect(Object.keys(fixed.meanWaitMs)).toEqual(faults);
      const { faults: _, meanWaitMs: __, ...rest } = drawn;
      expect(fixed).toMatchObject(rest);
    }
  });

  it("brings clocks for as many servers as are asked for", () => {
    const { servers, dateOffsetsMs, clockRates } = drawSwarm(new Random(1), { servers: 5 });
    expect([servers, dateOffsetsMs.length, clockRates.length]).toEqual([5, 5, 5]);
  });
});
