// Changes of members (Raft §6, decision 0011): one at a time; voters only through a joint
// configuration, which is left into its own; who is new gets the log before a vote; a folder that
// was removed never comes back, and another folder under its id is another member.
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";
import { describeVoters, type LoggedConfiguration } from "./configurations.ts";
import type { ServerLogs } from "./server-logs.ts";

/**
 * A learner may lack so many entries when it gets its vote (src/replica/limits.ts), and those under
 * way.
 */
const promotionLagMax = 256;

/** Judges every configuration when a leader puts it into its log. */
export class ConfigurationChanges implements ClusterChecker {
  readonly name = "configuration-changes";
  readonly #logs: ServerLogs;

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    if (event.kind !== "appended") return;
    const { server, entries } = event;
    const { role, term } = this.#logs.of(server);
    if (role !== "leader") return;
    for (const entry of entries) {
      if (entry.kind !== "configuration" || entry.term !== term) continue;
      this.#judge(server, this.#logs.configurationAt(server, entry.index));
    }
  }

  #judge(server: ServerId, next: LoggedConfiguration): void {
    const { previous } = next;
    if (previous === undefined) return;
    const { commitIndex } = this.#logs.of(server);
    if (previous.index > commitIndex) {
      this.#fail(server, next, `the one of entry ${previous.index} is not committed`);
    }
    this.#judgeVoters(server, next, previous);
    this.#judgeMembers(server, next, previous);
  }

  #judgeVoters(server: ServerId, next: LoggedConfiguration, previous: LoggedConfiguration): void {
    const [voters, before] = [listOf(next.voters), listOf(previous.voters)];
    const outgoing = listOf(next.votersOutgoing);
    if (next.voters.length === 0) this.#fail(server, next, "nobody has a vote");
    if (previous.votersOutgoing.length > 0) {
      if (voters === before && outgoing === "") return;
      this.#fail(server, next, `it follows a joint one (${describeVoters(previous)})`);
    }
    const isSame = voters === before && outgoing === "";
    const isJoint = voters !== before && outgoing === before;
    if (isSame || isJoint) return;
    this.#fail(server, next, `it follows ${describeVoters(previous)} without both majorities`);
  }

  #judgeMembers(server: ServerId, next: LoggedConfiguration, previous: LoggedConfiguration): void {
    const voters = [...next.voters, ...next.votersOutgoing];
    for (const [id, { birth, reader }] of next.members) {
      if (birth !== undefined && next.removedBirths.has(birth)) {
        this.#fail(server, next, `server ${id} is in it with a folder that was removed`);
      }
      const known = previous.members.get(id);
      const isNew = known === undefined || (known.birth !== undefined && known.birth !== birth);
      if (known !== undefined && isNew) {
        this.#fail(server, next, `server ${id} has another folder, and was not removed before`);
      }
      if (isNew && voters.includes(id)) this.#fail(server, next, `the new server ${id} has a vote`);
      if (reader && voters.includes(id)) this.#fail(server, next, `the reader ${id} has a vote`);
    }
    for (const id of [...voters, ...next.learners]) {
      // One that is leaving stands in the outgoing list, and in no table.
      if (next.members.has(id) || next.votersOutgoing.includes(id)) continue;
      this.#fail(server, next, `server ${id} is in it without a folder`);
    }
    for (const id of next.voters)
      if (previous.learners.includes(id)) this.#judgeReady(server, next, id);
  }

  /** What it lacks must be little; what it had and has lost since is another matter. */
  #judgeReady(server: ServerId, next: LoggedConfiguration, learner: ServerId): void {
    const { durable, lost } = this.#logs.of(learner);
    const held = Math.max(durable, lost.length - 1);
    if (held + promotionLagMax >= next.index - 1) return;
    this.#fail(server, next, `server ${learner} gets a vote, and has ${held} entries`);
  }

  #fail(server: ServerId, next: LoggedConfiguration, why: string): never {
    throw new SafetyViolation(
      this.name,
      `server ${server} proposes a configuration at ${next.index} ` +
        `(${describeVoters(next)}): ${why}`,
    );
  }
}

function listOf(ids: readonly ServerId[]): string {
  return [...ids].sort((a, b) => a - b).join(",");
}
