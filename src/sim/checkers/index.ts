// The judges of the cluster from inside, in the order in which their findings are easiest to
// understand: consensus first, then what was promised, then what was applied.
import { ChatModel } from "../chat-model.ts";
import type { ClusterChecker } from "../checker.ts";
import { AcknowledgedSurvives } from "./acknowledged-survives.ts";
import { FirstApplications } from "./applied-commands.ts";
import { CommitQuorum } from "./commit-quorum.ts";
import { CommitSafety } from "./commit-safety.ts";
import { ConfigurationChanges } from "./configuration-changes.ts";
import { DurabilityOfAcks } from "./durability-of-acks.ts";
import { DurableEntries } from "./durable-entries.ts";
import { ElectionSafety } from "./election-safety.ts";
import { ExactlyOnceApplied } from "./exactly-once-applied.ts";
import { FinalState, ItemHashes } from "./final-state.ts";
import { LeaderCompleteness } from "./leader-completeness.ts";
import { LinearizableReads } from "./linearizable-reads.ts";
import { LogMatching } from "./log-matching.ts";
import { ModelConformance } from "./model-conformance.ts";
import { NothingSaidBeforeDurable } from "./nothing-said-before-durable.ts";
import { NumbersAndStamps } from "./numbers-and-stamps.ts";
import { ServerLogs } from "./server-logs.ts";
import { SnapshotsAgree } from "./snapshots.ts";
import { ofSoundStates, SoundStates } from "./sound-states.ts";
import { StateEquality } from "./state-equality.ts";
import { Votes } from "./votes.ts";
import { VotingRights } from "./voting-rights.ts";

/** All properties that a cluster must have, whatever fails. One set for each run. */
export function createClusterCheckers(options: {
  readonly servers: number;
  /** Kept up to date by the checkers, for who else wants to know. */
  readonly logs?: ServerLogs;
}): ClusterChecker[] {
  const { logs = new ServerLogs(options.servers) } = options;
  const states = new SoundStates();
  const items = new ItemHashes();
  const model = new ChatModel((item) => items.add(item));
  const applications = new FirstApplications();
  return [
    { name: "server-logs", see: (event) => logs.see(event) },
    { name: "sound-states", see: (event) => states.see(event) },
    new LogMatching(logs),
    new ElectionSafety(),
    new Votes(),
    new VotingRights(logs),
    new ConfigurationChanges(logs),
    new DurableEntries(logs),
    new NothingSaidBeforeDurable(logs),
    new LeaderCompleteness(logs),
    new AcknowledgedSurvives(logs),
    new CommitSafety(logs),
    new CommitQuorum(logs),
    new DurabilityOfAcks(logs),
    new LinearizableReads(),
    new SnapshotsAgree(logs, states),
    ...[
      new StateEquality(),
      new NumbersAndStamps(),
      new ExactlyOnceApplied(),
      new ModelConformance(model, applications),
      new FinalState({ model, items, applications }),
    ].map((checker) => ofSoundStates(checker, states)),
  ];
}
