// Known bugs after which a cluster that nothing troubles any more does not come back.
import type { KnownBug } from "../known-bug.ts";

/** Bugs of liveness. */
export const livenessBugs: readonly KnownBug[] = [
  {
    name: "lost-append-never-repeated",
    what: "A leader does not send again what a follower has not answered.",
    expect: ["liveness"],
    edits: [
      {
        file: "src/raft/leader.ts",
        replace:
          "  progress.allowProbe();\n  progress.stalledTicks = 0;\n" +
          "  replicateFrom(core, message.from, progress);\n",
        by: "",
      },
    ],
  },
  {
    name: "mismatch-never-answered",
    what: "A follower whose log differs does not say so, and is never brought up to date.",
    expect: ["liveness"],
    edits: [{ file: "src/raft/follower.ts", replace: "respondRefused(core, message);", by: "" }],
  },
  {
    name: "no-new-try-after-a-split-vote",
    what: "A candidate that did not win waits for somebody else.",
    expect: ["liveness"],
    edits: [
      {
        file: "src/raft/follower.ts",
        replace: "core.electionElapsedTicks++;",
        by: 'if (core.role === "follower") core.electionElapsedTicks++;',
      },
    ],
  },
  {
    name: "hung-follower-is-waited-for",
    what: "R5: acknowledgements wait for a server that hangs for as long as it does.",
    expect: ["liveness"],
    edits: [
      {
        file: "src/replica/acknowledgements.ts",
        replace: "if (silent || index < this.#overdueIndex) drop(follower);",
        by: "if (silent && !follower.connected) drop(follower);",
      },
    ],
  },
];
