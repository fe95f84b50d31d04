// Known bugs of replication and commit: what counts as durable, where logs agree, what is
// committed.
import type { KnownBug } from "../known-bug.ts";
import { elections, slowDisks, strayFrames } from "./hints.ts";

/** Bugs of replication. */
export const replicationBugs: readonly KnownBug[] = [
  {
    name: "leader-counts-unwritten",
    what: "A leader counts its own entries before its disk has them (dissertation §10.2.1).",
    expect: ["commit-quorum", "leader-completeness", "crash"],
    edits: [
      {
        file: "src/raft/replication.ts",
        replace: "return leading.progress.get(id)?.matchIndex ?? 0;",
        by:
          "if (id === core.id) return core.log.lastIndex;\n" +
          "    return leading.progress.get(id)?.matchIndex ?? 0;",
      },
    ],
  },
  {
    name: "follower-answers-before-durable",
    what: "A follower says that it has entries while its disk is still writing them.",
    expect: ["nothing-said-before-durable", "leader-completeness", "crash"],
    edits: [
      {
        file: "src/raft/follower.ts",
        replace: 'core.sendAfterPersist({\n    kind: "appendEntriesResponse",',
        by: 'core.send({\n    kind: "appendEntriesResponse",',
      },
    ],
  },
  {
    name: "commit-on-one-disk",
    what: "The commit index is the highest that any one server has reached, not a majority.",
    expect: ["commit-quorum", "leader-completeness", "crash"],
    edits: [
      {
        file: "src/raft/quorum.ts",
        replace: "return values[voters.length - majoritySize(voters.length)]!;",
        by: "return values[voters.length - 1]!;",
      },
    ],
  },
  {
    name: "older-term-committed-by-counting",
    hint: slowDisks,
    what: "An entry of an older term is committed as soon as a majority has it (Raft §5.4.2).",
    expect: ["commit-quorum", "leader-completeness", "crash"],
    edits: [
      {
        file: "src/raft/replication.ts",
        replace: "reached <= core.log.commitIndex || core.log.term(reached) !== core.term",
        by: "reached <= core.log.commitIndex",
      },
    ],
  },
  {
    name: "no-log-matching-check",
    hint: elections,
    what: "A follower appends without comparing the term before the new entries (Raft §5.3).",
    expect: ["log-matching", "state-equality", "crash"],
    edits: [
      {
        file: "src/raft/raft-log.ts",
        replace: "if (!this.matches(slice.previousIndex, slice.previousTerm))",
        by: "if (slice.previousIndex > this.lastIndex)",
      },
    ],
  },
  {
    name: "heartbeat-commits-above-match",
    what: "Heartbeats carry the leader's commit index to followers whose log may differ there.",
    expect: ["state-equality", "crash"],
    edits: [
      {
        file: "src/raft/replication.ts",
        replace: "const commitIndex = Math.min(core.log.commitIndex, progress.matchIndex);",
        by: "const { commitIndex } = core.log;",
      },
    ],
  },
  {
    name: "delayed-append-shortens-the-log",
    hint: strayFrames,
    what: "A follower cuts its log at every append, also where the entries are there already.",
    expect: ["nothing-said-before-durable", "leader-completeness", "crash"],
    edits: [
      {
        file: "src/raft/raft-log.ts",
        replace: "if (!this.matches(entry.index, entry.term)) return entry;",
        by: "if (entry.index > this.#commitIndex) return entry;",
      },
    ],
  },
  {
    name: "applied-before-committed",
    what: "Entries are applied, and their events sent, as soon as they are durable here.",
    expect: ["commit-safety", "state-equality", "crash"],
    edits: [
      {
        file: "src/raft/core.ts",
        replace: "Math.min(this.log.commitIndex, this.log.stableIndex),",
        by: "this.log.stableIndex,",
      },
    ],
  },
  {
    name: "applied-before-durable",
    what: "Committed entries are applied here before this server's own disk has them.",
    expect: ["commit-safety", "crash"],
    edits: [
      {
        file: "src/raft/core.ts",
        replace: "Math.min(this.log.commitIndex, this.log.stableIndex),",
        by: "this.log.commitIndex,",
      },
    ],
  },
];
