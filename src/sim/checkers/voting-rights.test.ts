// Votes of servers that may have forgotten, and of those that have everything again.
import { describe, expect, it } from "vitest";
import {
  appended,
  appendedConfiguration,
  birthOf,
  committed,
  died,
  diskDamaged,
  durable,
  goodRun,
  judge,
  received,
  sent,
  started,
} from "./cluster-events.test-support.ts";
import { VotingRights } from "./voting-rights.ts";

describe("voting rights", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge((logs) => new VotingRights(logs), [...goodRun(), ...more]);
  const votes = (server: number) =>
    sent(server, { kind: "requestVoteResponse", to: 1, term: 2, preVote: false, granted: true });
  const stands = (server: number, preVote = false) =>
    sent(server, { kind: "requestVote", term: 2, preVote });

  it("passes founders, and whoever has all that it had", () => {
    const back = started(3, { life: 2, lastIndex: 2, lastTerm: 1, appliedIndex: 2 });
    expect(check(votes(2), stands(3), died(3), back, votes(3))).toBeUndefined();
  });

  it("catches a say of one whose log has lost entries, until it has them again", () => {
    const back = [
      ...[diskDamaged(3), died(3)],
      started(3, { life: 2, lastIndex: 1, lastTerm: 1, appliedIndex: 1 }),
    ];
    expect(check(...back, votes(3))).toMatch("server 3 votes without entry 2");
    expect(check(...back, stands(3))).toMatch("server 3 stands without entry 2");
    expect(check(...back, stands(3, true))).toBeUndefined();
    expect(check(...back, appended(3, [2, 1]), durable(3, 2), votes(3))).toBeUndefined();
  });

  it("asks for what was committed when it came back, not for what it had", () => {
    const more = [1, 2, 3].flatMap((server) => [appended(server, [3, 1]), durable(server, 3)]);
    const back = [
      ...[diskDamaged(3), died(3), committed(1, 3), received(1)],
      started(3, { life: 2, lastIndex: 1, lastTerm: 1, appliedIndex: 1 }),
    ];
    const half = [appended(3, [2, 1]), durable(3, 2)];
    expect(check(...more, ...back, ...half, votes(3))).toMatch("without entry 3");
  });

  it("catches a say of a newcomer whose log does not have it yet", () => {
    const fresh = started(4, { birth: birthOf(4), joinedIndex: 3 });
    const entries = [appended(4, [1, 1], [2, 1])];
    expect(check(fresh, ...entries, votes(4))).toMatch("does not have it as a member yet");
    const added = appendedConfiguration(4, 3, { voters: [1, 2, 3], learners: [4] });
    expect(check(fresh, ...entries, added, votes(4))).toBeUndefined();
  });

  it("takes a new folder under a known id for a newcomer", () => {
    const fresh = [died(3), started(3, { life: 2, birth: birthOf(33) })];
    expect(check(...fresh, votes(3))).toMatch("does not have it as a member yet");
  });
});
