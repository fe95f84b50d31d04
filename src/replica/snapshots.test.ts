// Taking snapshots and cutting the log behind them; comparing digests; which entries are
// checkpoints, and what of the log others still need.
import { describe, expect, it } from "vitest";
import type { StateCopy } from "../io/state-store.ts";
import type { Entry, ProgressView } from "../raft/index.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Digests } from "./digests.ts";
import { logWaitCheckpoints, snapshotReaderIdleMs } from "./limits.ts";
import type { SnapshotFacts } from "./snapshot-port.ts";
import { Snapshots } from "./snapshots.ts";

const sizes = { checkpointBytes: 1_000, logKeepBytes: 300 };
const one = new Uint8Array(32).fill(1);
const two = new Uint8Array(32).fill(2);

class Rig {
  base = 0;
  lastIndex = 0;
  bytes = 0;
  needed = Number.POSITIVE_INFINITY;
  isTrusted = true;
  readonly complete: SnapshotFacts[] = [];
  readonly taken: number[] = [];
  readonly notes: string[] = [];
  damaged = 0;
  again = 0;
  copies: { held(): void; done(copy: StateCopy | Error): void }[] = [];
  snapshots: Snapshots;

  constructor() {
    this.snapshots = this.start(0);
  }

  start(appliedIndex: number): Snapshots {
    const log = {
      firstIndex: () => this.base + 1,
      lastIndex: () => this.lastIndex,
      term: () => 1,
      entries: () => [],
      bytes: () => this.bytes,
      base: () => ({ index: this.base, term: 1, context: one }),
      append: () => {},
      compact: ({ index }: { index: number }, done: () => void) => {
        this.bytes -= (index - this.base) * 100;
        this.base = index;
        done();
      },
    };
    const folder = {
      copyName: "copy",
      newest: () => this.complete.at(-1),
      complete: (facts: SnapshotFacts) => void this.complete.push(facts),
      remove: () => {},
      open: (index: number) => {
        const facts = this.complete.find((known) => known.index === index);
        return facts && { ...facts, read: () => one, close: () => {} };
      },
      incoming: () => ({ name: "", nextOffset: 0, write: () => {}, finish: () => {} }),
      clearIncoming: () => {},
      markReady: () => {},
    };
    this.snapshots = new Snapshots(
      {
        folder,
        log,
        sizes,
        state: {
          copyTo: (_name, calls) => void this.copies.push(calls),
          inspect: () => {},
        },
        turn: (body) => body(),
        neededAfter: () => this.needed,
        isTrusted: () => this.isTrusted,
        again: () => {
          this.again += 1;
        },
        taken: (index) => void this.taken.push(index),
        damaged: () => {
          this.damaged += 1;
        },
        note: (message) => void this.notes.push(message),
      },
      { configuration: { index: 0, bytes: one }, index: appliedIndex },
    );
    return this.snapshots;
  }

  /** Entries of 100 bytes are applied. */
  apply(count: number): void {
    for (let i = 0; i < count; i++) {
      this.lastIndex += 1;
      this.bytes += 100;
      const entry: Entry = {
        index: this.lastIndex,
        term: 1,
        kind: "commands",
        payload: new Uint8Array(100),
      };
      this.snapshots.handleApplied(entry);
    }
  }

  copy(result: StateCopy | Error = { size: 5, digest: one }): void {
    const { held, done } = this.copies.shift()!;
    held();
    done(result);
  }

  checkpoint(): void {
    this.snapshots.take(this.lastIndex, () => {});
    this.copy();
  }
}

describe("snapshots", () => {
  it("are due when the log has grown, and the log is cut behind them but for what is kept", () => {
    const rig = new Rig();
    rig.apply(9);
    expect(rig.snapshots.isDue).toBe(false);
    rig.apply(1);
    expect(rig.snapshots.isDue).toBe(true);
    rig.checkpoint();
    expect(rig.snapshots.isDue).toBe(false);
    expect(rig.taken).toEqual([10]);
    expect(rig.base).toBeGreaterThan(3);
    expect(rig.base).toBeLessThanOrEqual(7);
  });

  it("the log waits for whoever needs it, but not without end", () => {
    const rig = new Rig();
    rig.needed = 2;
    for (let round = 1; round <= logWaitCheckpoints; round++) {
      rig.apply(10);
      rig.checkpoint();
      expect(rig.base).toBeLessThanOrEqual(2);
    }
    rig.apply(10);
    rig.checkpoint();
    expect(rig.base).toBeGreaterThan(2);
    expect(rig.lastIndex - rig.base).toBeLessThan(50);
  });

  it("are due, and the log is cut, also where no life is as long as that takes", () => {
    const rig = new Rig();
    for (let life = 0; life < 40; life++) {
      rig.start(rig.lastIndex);
      rig.apply(2);
      if (rig.snapshots.isDue) rig.checkpoint();
      expect(rig.lastIndex - rig.base).toBeLessThan(30);
    }
    expect(rig.taken.length).toBeGreaterThan(3);
  });

  it("one that is left out while another is copied is made up for, where somebody waits", () => {
    const rig = new Rig();
    const read: (number | undefined)[] = [];
    rig.apply(1);
    rig.snapshots.take(1, () => {});
    rig.apply(1);
    let isResumed = false;
    rig.snapshots.take(2, () => {
      isResumed = true;
    });
    expect(isResumed).toBe(true);
    rig.snapshots.whenTaken(2, (reader) => read.push(reader?.index));
    rig.copy();
    expect([rig.again, read]).toEqual([1, []]);
    rig.apply(1);
    rig.checkpoint();
    expect(read).toEqual([3]);
  });

  it("a failure is told to whoever waits; a damaged state is no failure", () => {
    const rig = new Rig();
    const read: unknown[] = [];
    rig.apply(1);
    rig.snapshots.take(1, () => {});
    rig.snapshots.whenTaken(1, (reader) => read.push(reader));
    rig.copy(new Error("no room"));
    expect(read).toEqual([undefined]);
    expect(rig.notes).toEqual(["no snapshot could be taken"]);
    rig.snapshots.take(1, () => {});
    rig.copy(Object.assign(new Error("malformed"), { errcode: 11 }));
    expect(rig.damaged).toBe(1);
    rig.snapshots.whenTaken(5, (reader) => read.push(reader));
    rig.snapshots.end();
    expect(read).toEqual([undefined, undefined]);
  });

  it("a state that was fetched is copied at once: the log does not have what is in it", () => {
    const rig = new Rig();
    expect(rig.snapshots.isLacking).toBe(false);
    rig.base = 8;
    rig.lastIndex = 8;
    expect(rig.start(8).isLacking).toBe(true);
    rig.checkpoint();
    expect([rig.taken, rig.snapshots.isLacking]).toEqual([[8], false]);
  });

  it("none is kept of a state that is known to be wrong", () => {
    const rig = new Rig();
    rig.apply(1);
    rig.snapshots.take(1, () => {});
    rig.isTrusted = false;
    rig.copy();
    rig.snapshots.take(1, () => {});
    expect(rig.copies).toEqual([]);
    expect(rig.complete).toEqual([]);
  });
});

describe("digests (S5)", () => {
  it("a server differs where a majority of the voters agrees on something else", () => {
    const digests = new Digests();
    digests.hear(1, 10, one);
    digests.hear(2, 10, two);
    expect(digests.difference(1, [1, 2, 3])).toBeUndefined();
    digests.hear(4, 10, two);
    expect(digests.difference(1, [1, 2, 3])).toBeUndefined();
    digests.hear(3, 10, two);
    expect(digests.difference(1, [1, 2, 3])).toEqual({ index: 10, digest: two });
    expect(digests.difference(2, [1, 2, 3])).toBeUndefined();
    expect(digests.agreed(10, [1, 2, 3])).toEqual(two);
    expect(digests.agreed(11, [1, 2, 3])).toBeUndefined();
  });

  it("a learner differs from the voters, but counts for nothing", () => {
    const digests = new Digests();
    digests.hear(4, 10, one);
    digests.hear(5, 10, one);
    digests.hear(1, 10, two);
    digests.hear(2, 10, two);
    expect(digests.difference(4, [1, 2, 3])).toEqual({ index: 10, digest: two });
    expect(digests.difference(1, [1, 2, 3])).toBeUndefined();
    digests.forget(4);
    expect(digests.difference(4, [1, 2, 3])).toBeUndefined();
  });

  it("remembers the newest checkpoints only", () => {
    const digests = new Digests();
    for (let index = 1; index <= 20; index++) digests.hear(1, index, one);
    expect(digests.agreed(1, [1])).toBeUndefined();
    expect(digests.agreed(20, [1])).toEqual(one);
  });
});

class LeaderRig {
  nowMs = 0;
  newest: SnapshotFacts | undefined;
  applied = 0;
  committed = 0;
  isDue = false;
  isBusy = false;
  isStateHere = true;
  readonly progress = new Map<number, ProgressView>();
  readonly connected = new Set([2]);
  readonly checkpoints = new Checkpoints({
    ownId: 1,
    nowMs: () => this.nowMs,
    folder: { newest: () => this.newest },
    log: { base: () => ({ index: 7, term: 3, context: two }) },
    commitIndex: () => this.committed,
    appliedIndex: () => this.applied,
    isDue: () => this.isDue,
    isBusy: () => this.isBusy,
    isStateHere: () => this.isStateHere,
    progress: () => this.progress,
    isConnected: (peer) => this.connected.has(peer),
  });

  follow(state: ProgressView["state"], matchIndex: number): void {
    const rest = { nextIndex: matchIndex + 1, recentActive: true, silentTicks: 0 };
    this.progress.set(2, { state, matchIndex, ...rest });
  }
}

describe("checkpoints", () => {
  it("one at a time, whoever wishes; told when it is committed", () => {
    const rig = new LeaderRig();
    const told: number[] = [];
    expect(rig.checkpoints.take()).toBeUndefined();
    rig.checkpoints.wish((index) => told.push(index));
    rig.checkpoints.take()!.proposed(5);
    rig.checkpoints.advance();
    rig.isDue = true;
    expect(rig.checkpoints.take()).toBeUndefined();
    rig.committed = 5;
    rig.checkpoints.advance();
    expect(told).toEqual([5]);
    // Committed is not taken: another one now would be left out.
    expect(rig.checkpoints.take()).toBeUndefined();
    rig.applied = 5;
    rig.isBusy = true;
    expect(rig.checkpoints.take()).toBeUndefined();
    rig.isBusy = false;
    expect(rig.checkpoints.take()).toBeDefined();
  });

  it("a follower is told of a state that is here, or of where the log begins", () => {
    const rig = new LeaderRig();
    const facts = { term: 1, configuration: one, size: 5, digest: one };
    rig.newest = { index: 6, ...facts };
    const base = { index: 7, term: 3, configuration: two };
    expect(rig.checkpoints.ticket(2)).toEqual(base);
    expect(rig.checkpoints.ticket(2)).toEqual(base);
    rig.checkpoints.take()!.proposed(20);
    expect(rig.checkpoints.take()).toBeUndefined();
    rig.newest = { index: 9, ...facts };
    expect(rig.checkpoints.ticket(2)).toEqual({ index: 9, term: 1, configuration: one });
  });

  it("the log waits for one that fetches, also while it starts anew, until it follows", () => {
    const rig = new LeaderRig();
    rig.newest = { index: 7, term: 1, configuration: one, size: 5, digest: one };
    rig.follow("snapshot", 0);
    rig.checkpoints.ticket(2);
    expect(rig.checkpoints.neededAfter()).toBe(7);
    rig.connected.delete(2);
    rig.follow("probe", 0);
    rig.nowMs += snapshotReaderIdleMs;
    expect(rig.checkpoints.neededAfter()).toBe(7);
    rig.connected.add(2);
    rig.follow("replicate", 9);
    expect(rig.checkpoints.neededAfter()).toBe(9);
    rig.follow("probe", 0);
    expect(rig.checkpoints.neededAfter()).toBe(Number.POSITIVE_INFINITY);
    rig.checkpoints.ticket(2);
    rig.connected.delete(2);
    rig.nowMs += snapshotReaderIdleMs + 1;
    expect(rig.checkpoints.neededAfter()).toBe(Number.POSITIVE_INFINITY);
  });
});
