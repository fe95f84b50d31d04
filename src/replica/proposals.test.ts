// The leader's queue and the origin's open commands, without a cluster.
import { describe, expect, it } from "vitest";
import { HandOver } from "./hand-over.ts";
import { entryBytesMax, entryCommandsMax, pendingProposalsMax, writeBytesMax } from "./limits.ts";
import { PendingProposals, type ProposalFields, ProposalQueue } from "./proposals.ts";
import type { ProposalAnswer } from "./service.ts";

function proposal(originSequence: number, options: Partial<ProposalFields> = {}): ProposalFields {
  return {
    originId: 2,
    originIncarnation: 7,
    originSequence: BigInt(originSequence),
    command: new Uint8Array(10),
    ...options,
  };
}

function drained(queue: ProposalQueue): number[][] {
  const entries: number[][] = [];
  queue.drain({
    mayWrite: () => true,
    propose: (made) => {
      for (const proposals of made) {
        entries.push(proposals.map(({ originSequence }) => Number(originSequence)));
      }
      return true;
    },
  });
  return entries;
}

describe("the leader's queue", () => {
  it("takes one origin's commands only without a gap", () => {
    const queue = new ProposalQueue();
    queue.add([proposal(5)], false);
    expect(drained(queue)).toEqual([]);
    queue.add([proposal(5), proposal(6)], true);
    queue.add([proposal(8)], false);
    queue.add([proposal(7), proposal(8)], false);
    expect(drained(queue)).toEqual([[5, 6, 7, 8]]);
  });

  it("a resumed run replaces what of the origin waits, and leaves the others' alone", () => {
    const queue = new ProposalQueue();
    queue.add([proposal(1), proposal(2)], true);
    queue.add([proposal(90, { originId: 3 })], true);
    queue.add([proposal(1), proposal(2), proposal(3)], true);
    expect(drained(queue)).toEqual([[90, 1, 2, 3]]);
  });

  it("an earlier life's sequence does not continue this one's", () => {
    const queue = new ProposalQueue();
    queue.add([proposal(1)], true);
    queue.add([proposal(2, { originIncarnation: 8 })], false);
    expect(drained(queue)).toEqual([[1]]);
  });

  it("makes entries within the limits, and keeps what cannot be proposed", () => {
    const queue = new ProposalQueue();
    const many = Array.from({ length: entryCommandsMax + 1 }, (_, i) => proposal(i + 1));
    queue.add(many, true);
    expect(drained(queue).map((entry) => entry.length)).toEqual([entryCommandsMax, 1]);
    const long = new Uint8Array(entryBytesMax / 2 + 1);
    queue.add([proposal(1, { command: long }), proposal(2, { command: long })], true);
    queue.drain({ mayWrite: () => true, propose: () => false });
    expect(drained(queue)).toEqual([[1], [2]]);
    expect(drained(queue)).toEqual([]);
  });

  it("waits for the disk unless what waits is worth a write of its own", () => {
    const queue = new ProposalQueue();
    queue.add([proposal(1)], true);
    let proposed = 0;
    const into = { mayWrite: () => false, propose: () => ++proposed > 0 };
    queue.drain(into);
    expect(proposed).toBe(0);
    queue.add([proposal(2, { command: new Uint8Array(writeBytesMax) })], false);
    queue.drain(into);
    expect(proposed).toBe(1);
  });

  it("makes one write's worth at a time of a long queue", () => {
    const queue = new ProposalQueue();
    const command = new Uint8Array(entryBytesMax);
    queue.add(
      [1, 2, 3, 4, 5].map((sequence) => proposal(sequence, { command })),
      true,
    );
    expect(drained(queue)).toEqual([[1], [2]]);
    expect(drained(queue)).toEqual([[3], [4]]);
    expect(drained(queue)).toEqual([[5]]);
  });

  it("drops commands that a peer hands on for another origin, or in another term", () => {
    const queue = new ProposalQueue();
    const forward = {
      $typeName: "cluster.v1.ForwardedCommands" as const,
      term: 4n,
      resumed: true,
      proposals: [{ $typeName: "cluster.v1.Proposal" as const, ...proposal(1) }],
    };
    expect(queue.addForwards([forward], { from: 3, term: 4 })).toBe(false);
    expect(queue.addForwards([forward], { from: 2, term: 5 })).toBe(true);
    expect(drained(queue)).toEqual([]);
    expect(queue.addForwards([forward], { from: 2, term: 4 })).toBe(true);
    expect(drained(queue)).toEqual([[1]]);
  });
});

describe("the origin's open commands", () => {
  const origin = { replicaId: 2, incarnation: 7 };

  it("are answered once, when applied and acknowledged, and not on a second application", () => {
    const pending = new PendingProposals<string>();
    const answers: ProposalAnswer<string>[] = [];
    pending.add(new Uint8Array(1), 0, (answer) => answers.push(answer));
    pending.handleAcknowledged({ index: 9, disks: 3 });
    expect(answers).toEqual([]);
    pending.handleApplied({ sequence: 1, index: 10, position: 40960, outcome: "first" });
    pending.handleApplied({ sequence: 1, index: 11, position: 45056, outcome: "second" });
    pending.handleAcknowledged({ index: 9, disks: 3 });
    expect(answers).toEqual([]);
    pending.handleAcknowledged({ index: 12, disks: 2 });
    expect(answers).toEqual([{ kind: "applied", outcome: "first", position: 40960, disks: 2 }]);
  });

  it("are bounded", () => {
    const pending = new PendingProposals<string>();
    for (let i = 0; i < pendingProposalsMax; i++) {
      expect(pending.add(new Uint8Array(1), 0, () => {})).toBe(true);
    }
    expect(pending.add(new Uint8Array(1), 0, () => {})).toBe(false);
  });

  it("go to a new leader from the oldest open one on, in order", () => {
    const pending = new PendingProposals<string>();
    const handOver = new HandOver({ pending, origin });
    const runs: [number[], boolean][] = [];
    const run = (): void =>
      handOver.run((proposals, resumed) => {
        runs.push([proposals.map(({ originSequence }) => Number(originSequence)), resumed]);
      });
    for (let i = 0; i < 3; i++) pending.add(new Uint8Array(1), 0, () => {});
    run();
    pending.add(new Uint8Array(1), 0, () => {});
    run();
    pending.handleApplied({ sequence: 1, index: 1, position: 4096, outcome: "" });
    handOver.restart();
    run();
    expect(runs).toEqual([
      [[1, 2, 3], true],
      [[4], false],
      [[2, 3, 4], true],
    ]);
  });

  it("expire with unavailable, applied or not", () => {
    const pending = new PendingProposals<string>();
    const kinds: string[] = [];
    for (const atMs of [0, 1, 2]) pending.add(new Uint8Array(1), atMs, (a) => kinds.push(a.kind));
    pending.handleApplied({ sequence: 1, index: 1, position: 4096, outcome: "" });
    pending.expire(1, "no majority");
    expect(kinds).toEqual(["unavailable", "unavailable"]);
    expect(pending.oldestOpen).toBe(3);
  });
});
