// Known bugs of what keeps a cluster whole: changes of members, snapshots, states that are fetched,
// damage that is mended.
import type { KnownBug } from "../known-bug.ts";
import { damagedDisks, longLogs, lostLogs, members, snapshots } from "./hints.ts";

/** Bugs of membership, snapshots and mending. */
export const memberBugs: readonly KnownBug[] = [
  {
    name: "voters-change-in-one-step",
    hint: members,
    what: "Raft §6: other voters count at once, without the joint phase.",
    expect: ["configuration-changes"],
    edits: [
      {
        file: "src/raft/configuration-change.ts",
        replace: "const votersOutgoing = sameMembers(now.voters, voters) ? [] : now.voters;",
        by: "const votersOutgoing: readonly number[] = now.voters.slice(now.voters.length);",
      },
    ],
  },
  {
    name: "joint-phase-is-never-left",
    hint: members,
    what: "The leader proposes the final configuration never: both majorities are needed for good.",
    expect: ["liveness"],
    edits: [
      {
        file: "src/raft/configuration-change.ts",
        replace:
          "if (current.votersOutgoing.length === 0 || leading.transfer !== undefined) return;",
        by: "if (current.votersOutgoing.length >= 0 || leading.transfer !== undefined) return;",
      },
    ],
  },
  {
    name: "two-changes-at-once",
    hint: members,
    what: "A change of members begins while another one is not committed.",
    expect: ["configuration-changes", "crash"],
    edits: [
      {
        file: "src/raft/configuration-change.ts",
        replace: 'if (core.membership.isChanging) return "another change is under way";',
        by: "",
      },
      {
        file: "src/replica/consensus.ts",
        replace: "return this.#raft.isConfigurationChanging;",
        by: "return false;",
      },
    ],
  },
  {
    name: "new-voters-are-not-counted",
    hint: members,
    what: "Raft §6: in the joint phase the majority of the old voters commits alone.",
    expect: ["commit-quorum", "leader-completeness", "crash"],
    edits: [
      {
        file: "src/raft/quorum.ts",
        replace:
          "return Math.min(incoming, majorityReached(configuration.votersOutgoing, reached));",
        by: "return Math.max(incoming, majorityReached(configuration.votersOutgoing, reached));",
      },
    ],
  },
  {
    name: "promoted-before-it-has-caught-up",
    hint: longLogs,
    what: "A newcomer gets its vote as soon as it is connected, whatever its log lacks.",
    expect: ["configuration-changes", "liveness"],
    edits: [
      {
        file: "src/replica/membership.ts",
        replace: "return progress.matchIndex + promotionLagMax >= this.#hooks.lastIndex();",
        by: "return true;",
      },
      {
        file: "src/replica/membership.ts",
        replace:
          'if (progress === undefined || !this.#mayDecide(id) || progress.state !== "replicate")',
        by: "if (progress === undefined || !this.#mayDecide(id) || promotionLagMax === 0)",
      },
    ],
  },
  {
    name: "newcomers-never-get-a-vote",
    hint: members,
    what: "Learners that have caught up stay without a vote.",
    expect: ["liveness"],
    edits: [
      {
        file: "src/replica/membership.ts",
        replace: "const ready = learners.filter((id) => this.#isReady(id, memberOf(table, id)));",
        by:
          "const ready = learners.filter(" +
          "(id) => id < 0 && this.#isReady(id, memberOf(table, id)));",
      },
    ],
  },
  {
    name: "abstention-ignored",
    hint: lostLogs,
    what: "A server whose log has lost entries votes and stands all the same.",
    expect: ["voting-rights", "leader-completeness"],
    edits: [
      {
        file: "src/raft/core.ts",
        replace: "return this.hasJoined && !this.abstains;",
        by: "return this.hasJoined;",
      },
    ],
  },
  {
    name: "lost-entries-still-counted",
    hint: damagedDisks,
    what: "A leader goes on by what a peer had confirmed before its log lost it.",
    expect: ["crash", "commit-quorum", "durability-of-acks", "liveness", "snapshots"],
    edits: [
      {
        file: "src/replica/consensus.ts",
        replace:
          "this.#acknowledgements?.handleLostLog(peer);\n" +
          '    this.step({ kind: "peerLostLog", peer });',
        by: "void peer;",
      },
    ],
  },
  {
    name: "returning-server-taken-for-the-old-one",
    hint: damagedDisks,
    what: "A new folder under a known id takes the old one's place without its removal.",
    expect: ["configuration-changes"],
    edits: [
      {
        file: "src/replica/membership.ts",
        replace:
          "const configuration = without(this.#hooks.configuration(), {\n" +
          "      ids: [claim.replicaId],\n" +
          "      table: withoutMember(table, claim.replicaId, successor),\n" +
          "    });",
        by:
          "const gone = withoutMember(table, claim.replicaId, undefined);\n" +
          "    const context = encodeMembers(withMember(gone, successor));\n" +
          "    const configuration = { ...this.#hooks.configuration(), context };",
      },
    ],
  },
  {
    name: "log-cut-beyond-the-snapshot",
    hint: snapshots,
    what: "The log is cut up to what is applied, not up to what a durable snapshot has.",
    expect: ["snapshots", "crash"],
    edits: [
      {
        file: "src/replica/snapshots.ts",
        replace:
          "const base = Math.min(index, Math.max(mustCut, Math.min(mayCut, neededAfter())));",
        by:
          "const newest = this.#marks.at(-1)?.index ?? 0;\n" +
          "    const base = Math.max(index, newest, mustCut, Math.min(mayCut, neededAfter()));",
      },
    ],
  },
  {
    name: "applied-on-before-the-copy-holds",
    hint: snapshots,
    what: "S5: entries behind a checkpoint are applied before its copy holds the state.",
    expect: ["snapshots", "crash"],
    edits: [
      {
        file: "src/replica/applier.ts",
        replace: "    this.#isHeld = true;\n    hooks.take(",
        by: "    this.#isHeld = false;\n    hooks.take(",
      },
    ],
  },
  {
    name: "states-never-compared",
    hint: damagedDisks,
    what: "S5: a server whose state differs from what a majority has goes on with it.",
    expect: ["liveness", "snapshots"],
    edits: [
      {
        file: "src/replica/digests.ts",
        replace: "if (!equalBytes(digest, own)) return { index, digest };",
        by: "if (digest.length !== own.length) return { index, digest };",
      },
    ],
  },
  {
    name: "removed-server-goes-on",
    hint: members,
    what: "A server that was removed does not end.",
    expect: ["liveness", "crash"],
    edits: [
      {
        file: "src/replica/belonging.ts",
        replace: "if (identity.removed && !this.#isTold) {",
        by: "if (identity.removed && this.#isTold) {",
      },
    ],
  },
];
