// Snapshots that agree and those that do not, logs that are cut behind them and too far.
import { describe, expect, it } from "vitest";
import type { ClusterEvent } from "../cluster-event.ts";
import {
  compacted,
  diskDamaged,
  goodRun,
  judge,
  snapshotTaken,
  started,
  stateDamaged,
  stateInstalled,
} from "./cluster-events.test-support.ts";
import { SnapshotsAgree } from "./snapshots.ts";
import { SoundStates } from "./sound-states.ts";

describe("snapshots", () => {
  const check = (...more: readonly ClusterEvent[]) =>
    judge(
      (logs) => {
        const states = new SoundStates();
        const checker = new SnapshotsAgree(logs, states);
        return {
          name: checker.name,
          see: (event) => {
            states.see(event);
            checker.see(event);
          },
        };
      },
      [...goodRun(), ...more],
    );

  it("S5 passes equal digests, and catches different ones of one index", () => {
    expect(check(snapshotTaken(1, 1, 7), snapshotTaken(2, 1, 7))).toBeUndefined();
    expect(check(snapshotTaken(1, 1, 7), snapshotTaken(2, 2, 8))).toBeUndefined();
    expect(check(snapshotTaken(1, 1, 7), snapshotTaken(2, 1, 8))).toMatch("servers 1 and 2 differ");
  });

  it("S5 expects another digest of a damaged server until its state was replaced", () => {
    const rotten = [snapshotTaken(1, 1, 7), stateDamaged(2), snapshotTaken(2, 1, 8)];
    expect(check(...rotten)).toBeUndefined();
    expect(check(...rotten, stateInstalled(2, 1, "07"))).toBeUndefined();
    expect(check(...rotten, stateInstalled(2, 1, "08"))).toMatch("servers 1 and 2 differ");
  });

  it("catches a log that is cut beyond its own snapshot", () => {
    expect(check(snapshotTaken(1, 2, 7), compacted(1, 2))).toBeUndefined();
    expect(check(snapshotTaken(1, 1, 7), compacted(1, 2))).toMatch("its snapshot is of 1");
    expect(check(snapshotTaken(2, 2, 7), compacted(1, 1))).toMatch("its snapshot is of 0");
  });

  it("catches a log that begins later than it was cut, but for damage and fetched states", () => {
    const held = { life: 2, lastIndex: 2, lastTerm: 1 };
    const back = started(1, { ...held, appliedIndex: 1, baseIndex: 2 });
    expect(check(back)).toMatch("begins after 2");
    expect(check(snapshotTaken(1, 2, 7), compacted(1, 2), back)).toBeUndefined();
    expect(check(diskDamaged(1), back)).toBeUndefined();
    expect(check(started(1, { ...held, appliedIndex: 2, baseIndex: 2 }))).toBeUndefined();
  });
});
