// Known bugs of linearizable reads: an answer that is older than what was acknowledged before it
// was asked.
import type { KnownBug } from "../known-bug.ts";
import { elections, farServers, slowDisks } from "./hints.ts";

/** Bugs of reads. */
export const readBugs: readonly KnownBug[] = [
  {
    name: "read-without-a-round",
    hint: elections,
    what: "A leader answers reads without asking a majority whether it still leads.",
    expect: ["linearizable-reads", "linearizability"],
    edits: [
      {
        file: "src/raft/replication.ts",
        replace:
          "const confirmed = quorumReached(core.membership.current, (id) => {\n" +
          "    return id === core.id ? sequence : assertProgress(leading, id).readSequence;\n" +
          "  });",
        by: "const confirmed = sequence;",
      },
    ],
  },
  {
    name: "read-before-first-commit",
    hint: elections,
    what: "A new leader answers reads before it knows what its predecessor committed (§6.4).",
    expect: ["linearizable-reads", "linearizability"],
    edits: [
      {
        file: "src/raft/replication.ts",
        replace: "if (core.log.commitIndex < leading.firstIndexOfTerm) return;",
        by: "",
      },
    ],
  },
  {
    name: "read-joins-an-older-round",
    hint: farServers,
    what: "A read shares the round that began before it, and so an index from before it.",
    expect: ["linearizable-reads", "linearizability"],
    edits: [
      {
        file: "src/raft/read-index.ts",
        replace: "this.#waiting.push(request);",
        by: "((this.#underWay?.requests ?? this.#waiting) as ReadRequest[]).push(request);",
      },
    ],
  },
  {
    name: "read-does-not-wait-to-be-applied",
    hint: slowDisks,
    what: "A server answers a confirmed read from whatever it has applied so far.",
    expect: ["linearizable-reads", "linearizability"],
    edits: [
      {
        file: "src/replica/reads.ts",
        replace: "if (read.index === undefined || read.index > applied.index) continue;",
        by: "if (read.index === undefined) continue;",
      },
    ],
  },
];
