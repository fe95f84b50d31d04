// Known bugs of elections and of the vote: two leaders in a term, or one that lacks what was
// committed.
import type { KnownBug } from "../known-bug.ts";
import { elections, lateFrames } from "./hints.ts";

/** Bugs of elections. */
export const electionBugs: readonly KnownBug[] = [
  {
    name: "vote-never-saved",
    what: "Term and vote are kept in memory only, so a restart forgets both (Raft §5.2).",
    expect: ["votes", "election-safety", "crash"],
    edits: [
      {
        file: "src/replica/consensus.ts",
        replace: "votes.save(persist.hardState);",
        by: "",
      },
    ],
  },
  {
    name: "vote-not-synced",
    what: "The vote is written but not fsynced before it is given: power loss takes it back.",
    expect: ["election-safety", "crash"],
    edits: [{ file: "src/storage/twin-store.ts", replace: "    this.#file.syncNow();\n", by: "" }],
  },
  {
    name: "vote-forgotten-at-restart",
    hint: elections,
    what: "A restart reads the term but not for whom it voted in it, and votes again.",
    expect: ["votes", "election-safety"],
    edits: [
      {
        file: "src/storage/vote-store.ts",
        replace: "votedFor: getUint53(view, 8) };",
        by: "votedFor: 0 };",
      },
    ],
  },
  {
    name: "two-votes-in-a-term",
    hint: elections,
    what: "Whoever asks gets a vote, whether one was given in this term or not.",
    expect: ["votes", "election-safety", "crash"],
    edits: [
      {
        file: "src/raft/votes.ts",
        replace: "core.votedFor === message.from || (core.votedFor === 0 && core.leader === 0);",
        by: "core.leader === 0;",
      },
      {
        file: "src/raft/core.ts",
        replace: "assert(this.votedFor === 0 || this.votedFor === candidate,",
        by: "assert(this.votedFor === 0 || candidate !== 0,",
      },
      {
        file: "src/storage/vote-store.ts",
        replace: "next.term > term || votedFor === 0 || next.votedFor === votedFor;",
        by: "next.term >= term;",
      },
    ],
  },
  {
    name: "vote-for-a-shorter-log",
    hint: elections,
    what: "Of two logs with the same last term, length is not compared (Raft §5.4.1).",
    expect: ["leader-completeness", "crash"],
    edits: [
      {
        file: "src/raft/raft-log.ts",
        replace: "term > lastTerm || (term === lastTerm && index >= this.lastIndex);",
        by: "term >= lastTerm;",
      },
    ],
  },
  {
    name: "vote-for-any-log",
    hint: elections,
    what: "A vote is given without a look at the candidate's log (Raft §5.4.1).",
    expect: ["leader-completeness", "crash"],
    edits: [
      {
        file: "src/raft/votes.ts",
        replace: "return core.log.isUpToDate(message.lastLogIndex, message.lastLogTerm);",
        by: "return message.lastLogIndex >= 0 && core.term >= 0;",
      },
    ],
  },
  {
    name: "half-is-a-majority",
    what: "A majority is half of the servers, rounded down: two halves elect two leaders.",
    expect: ["commit-quorum", "election-safety", "leader-completeness", "crash"],
    edits: [
      {
        file: "src/raft/quorum.ts",
        replace: "return count === 0 ? 0 : Math.floor(count / 2) + 1;",
        by: "return count <= 1 ? count : Math.floor(count / 2);",
      },
    ],
  },
  {
    name: "late-votes-count",
    hint: lateFrames,
    what: "A vote that was given in an older term is counted in the present one.",
    expect: ["election-safety", "crash"],
    edits: [
      {
        file: "src/raft/raft.ts",
        replace: "if (message.term < core.term) answerOlderTerm(core, message);",
        by:
          'if (message.term < core.term && message.kind !== "requestVoteResponse")\n' +
          "    answerOlderTerm(core, message);",
      },
      {
        file: "src/raft/candidate.ts",
        replace: "if (message.granted && message.term !== termOfGrant) return;",
        by: "if (message.granted && message.term > termOfGrant) return;",
      },
    ],
  },
];
