// Known bugs of the replica: what clients are told and when, the order of their commands, cluster
// time.
import type { KnownBug } from "../known-bug.ts";
import { shortLives } from "./hints.ts";

/** Bugs of the replica. */
export const replicaBugs: readonly KnownBug[] = [
  {
    name: "applied-twice-after-restart",
    what: "After a restart the last applied entry is applied once more.",
    expect: ["crash"],
    edits: [
      {
        file: "src/replica/applier.ts",
        replace: "this.#appliedIndex = options.stateMachine.appliedIndex();",
        by: "this.#appliedIndex = Math.max(0, options.stateMachine.appliedIndex() - 1);",
      },
    ],
  },
  {
    name: "receipt-without-live-servers",
    what: "R5: a receipt does not wait for the disks of all live servers, a majority is enough.",
    expect: ["durability-of-acks"],
    edits: [
      {
        file: "src/replica/acknowledgements.ts",
        replace: "if (follower.awaited) index = Math.min(index, match(peer));",
        by: "",
      },
    ],
  },
  {
    name: "disks-overstated",
    what: "A receipt counts every server's disk, whether it holds the write or not.",
    expect: ["durability-of-acks"],
    edits: [
      {
        file: "src/replica/acknowledgements.ts",
        replace: "if (holds) disks += 1;",
        by: "disks += 1;",
      },
    ],
  },
  {
    name: "answered-when-applied",
    what: "A client gets its receipt when its write is applied here, before it is acknowledged.",
    expect: ["durability-of-acks"],
    edits: [
      {
        file: "src/replica/proposals.ts",
        replace:
          "let count = 0;\n" +
          "    while (count < this.#applied.length && this.#applied[count]!.index <= point.index)" +
          " count += 1;\n",
        by: "const count = this.#applied.length;\n",
      },
    ],
  },
  {
    name: "answer-of-an-older-life",
    hint: shortLives,
    what: "A restarted server takes an answer to its predecessor for one to itself.",
    expect: ["exactly-once", "crash"],
    edits: [
      {
        file: "src/replica/applier.ts",
        replace:
          "proposal.originId === this.#origin.replicaId &&\n" +
          "          proposal.originIncarnation === this.#origin.incarnation;",
        by: "proposal.originId === this.#origin.replicaId;",
      },
    ],
  },
  {
    name: "own-wall-clock",
    what: "R12: the leader stamps entries with its own clock, so one wrong clock moves time.",
    expect: ["numbers-and-stamps", "time"],
    edits: [
      {
        file: "src/replica/replica.ts",
        replace: "this.#time.nextStampMs(this.#voters(), options.clock.monotonicMs()),",
        by: "Math.floor(options.clock.wallMs()),",
      },
    ],
  },
  {
    name: "time-runs-backwards",
    what: "R12: entries bear the leader's own clock, and people are shown it as it is.",
    expect: ["numbers-and-stamps", "time"],
    edits: [
      {
        file: "src/replica/replica.ts",
        replace: "this.#time.nextStampMs(this.#voters(), options.clock.monotonicMs()),",
        by: "Math.floor(options.clock.wallMs()),",
      },
      {
        file: "src/chat/chat.ts",
        replace: "timestampMs = Math.max(timestampMs, entry.timestampMs);",
        by: "timestampMs = entry.timestampMs;",
      },
    ],
  },
];
