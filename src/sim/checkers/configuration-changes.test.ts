// Configurations that a leader may propose, and those that it must not.
import { describe, expect, it } from "vitest";
import {
  appended,
  appendedConfiguration,
  committed,
  durable,
  goodRun,
  judge,
  type Members,
  received,
} from "./cluster-events.test-support.ts";
import { ConfigurationChanges } from "./configuration-changes.ts";

const three = [1, 2, 3];

/** What is said of these configurations, put into the leader's log and committed one by one. */
function check(...configurations: readonly Members[]): string | undefined {
  const events = configurations.flatMap((members, at) => [
    ...[1, 4].flatMap((server) =>
      server === 4 && at === 0
        ? [appended(4, [1, 1], [2, 1]), appendedConfiguration(4, 3, members), durable(4, 3)]
        : [appendedConfiguration(server, 3 + at, members), durable(server, 3 + at)],
    ),
    committed(1, 3 + at),
    received(1),
  ]);
  return judge((logs) => new ConfigurationChanges(logs), [...goodRun(), ...events]);
}

describe("configuration changes", () => {
  const newcomer = { voters: three, learners: [4] };
  const joint = { voters: [1, 2, 3, 4], outgoing: three };
  const four = { voters: [1, 2, 3, 4] };

  it("passes a newcomer that gets its vote, and a member that goes", () => {
    const leaving = { voters: [1, 3, 4], outgoing: [1, 2, 3, 4] };
    expect(check(newcomer, joint, four, leaving, { voters: [1, 3, 4] })).toBeUndefined();
  });

  it("catches voters that change in one step", () => {
    expect(check(newcomer, four)).toMatch("without both majorities");
    expect(check({ voters: [1, 2] })).toMatch("without both majorities");
  });

  it("catches a joint one that is left into something else, or is about other voters", () => {
    expect(check(newcomer, joint, { voters: three, learners: [4] })).toMatch("follows a joint one");
    expect(check(newcomer, { voters: [1, 2, 3, 4], outgoing: [1, 2] })).toMatch("without both");
  });

  it("catches two changes at once", () => {
    const events = [newcomer, { voters: three, learners: [4, 5] }].map((members, at) =>
      appendedConfiguration(1, 3 + at, members),
    );
    const told = judge((logs) => new ConfigurationChanges(logs), [...goodRun(), ...events]);
    expect(told).toMatch("the one of entry 3 is not committed");
  });

  it("catches a newcomer that votes at once, and a reader that votes", () => {
    expect(check(joint)).toMatch("the new server 4 has a vote");
    const readers = [4];
    expect(check({ ...newcomer, readers }, { ...joint, readers })).toMatch("the reader 4");
  });

  it("catches a folder that comes back, and one that takes the place of another", () => {
    const gone = [
      { voters: [1, 3], outgoing: three },
      { voters: [1, 3], learners: [] },
    ];
    // The founding table is in no entry, so the first one tells whose the folders are.
    const table = { voters: three };
    expect(check(table, ...gone, { voters: [1, 3], learners: [2] })).toMatch("that was removed");
    expect(
      check(table, ...gone, { voters: [1, 3], learners: [2], births: { 2: 9 } }),
    ).toBeUndefined();
    expect(check(table, { voters: three, births: { 2: 9 } })).toMatch("was not removed before");
  });

  it("catches a vote for one that is far behind", () => {
    const far = Array.from({ length: 300 }, (_, at) => [3 + at, 1] as const);
    const events = [
      ...[appended(1, ...far), durable(1, 302)],
      ...[appended(2, ...far), durable(2, 302), committed(1, 302), received(1)],
      ...[appendedConfiguration(1, 303, newcomer), appendedConfiguration(2, 303, newcomer)],
      ...[durable(1, 303), durable(2, 303), committed(1, 303), received(1)],
      appendedConfiguration(1, 304, joint),
    ];
    const told = judge((logs) => new ConfigurationChanges(logs), [...goodRun(), ...events]);
    expect(told).toMatch("server 4 gets a vote, and has 0 entries");
  });
});
