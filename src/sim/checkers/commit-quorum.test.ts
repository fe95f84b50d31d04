// Commits of a leader on enough disks, and on too few.
import { describe, expect, it } from "vitest";
import {
  appended,
  appendedConfiguration,
  committed,
  died,
  diskReplaced,
  durable,
  goodRun,
  judge,
  leads,
  received,
} from "./cluster-events.test-support.ts";
import { CommitQuorum } from "./commit-quorum.ts";

describe("commit quorum", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge((logs) => new CommitQuorum(logs), [...goodRun(), ...more]);
  const everywhere = [1, 2, 3].map((server) => appended(server, [3, 1]));

  it("passes a commit of what is durable on a majority, the leader among it or not", () => {
    expect(check(...everywhere, durable(2, 3), durable(3, 3), committed(1, 3))).toBeUndefined();
    expect(check(...everywhere, durable(1, 3), durable(3, 3), committed(1, 3))).toBeUndefined();
  });

  it("passes when a disk that counted was destroyed while word of it was under way", () => {
    const gone = [durable(1, 3), durable(3, 3), died(3), diskReplaced(3)];
    expect(check(...everywhere, ...gone, committed(1, 3))).toBeUndefined();
  });

  it("catches a commit of what is durable on fewer disks", () => {
    const message = "commits entry 3, which is durable on 1 disks";
    expect(check(...everywhere, durable(1, 3), committed(1, 3))).toMatch(message);
  });

  it("catches a commit that counts a disk with another entry there", () => {
    const other = [appended(1, [3, 1]), appended(2, [3, 2]), durable(1, 3), durable(2, 3)];
    expect(check(...other, committed(1, 3))).toMatch(
      "on 1 disks, and on no majority: voters 1, 2, 3",
    );
  });

  it("catches a leader that commits by an entry of an older term", () => {
    const onAll = [1, 2, 3].map((server) => durable(server, 3));
    const older = [...everywhere, ...onAll, leads(2, 2)];
    expect(check(...older, committed(2, 3))).toMatch("leader of term 2, commits by entry 3 of");
    const own = [appended(2, [4, 2]), appended(3, [4, 2]), durable(2, 4), durable(3, 4)];
    expect(check(...older, ...own, committed(2, 4))).toBeUndefined();
  });

  it("asks both majorities while the voters change", () => {
    const change = { voters: [1, 4, 5], outgoing: [1, 2, 3] };
    const joint = [1, 2, 3, 4].map((server) => [
      ...(server === 4 ? [appended(4, [1, 1], [2, 1])] : []),
      appendedConfiguration(server, 3, change),
    ]);
    const half = [...joint.flat(), durable(1, 3), durable(2, 3), durable(3, 3), committed(1, 3)];
    expect(check(...half)).toMatch("on 3 disks, and on no majority: voters 1, 4, 5 and before");
    const both = [...joint.flat(), durable(1, 3), durable(2, 3), durable(4, 3), committed(1, 3)];
    expect(check(...both)).toBeUndefined();
  });

  it("goes by the configuration that the leader appends in the same step", () => {
    const left = [
      ...[1, 2, 3].map((server) =>
        appendedConfiguration(server, 3, { voters: [1], outgoing: [1, 2, 3] }),
      ),
      ...[1, 2, 3].map((server) => durable(server, 3)),
      ...[committed(1, 3), received(1), appended(1, [4, 1]), durable(1, 4)],
    ];
    const alone = appendedConfiguration(1, 5, { voters: [1], learners: [2, 3] });
    expect(check(...left, committed(1, 4), alone)).toBeUndefined();
    expect(check(...left, committed(1, 4), received(1))).toMatch("on 1 disks, and on no majority");
  });

  it("leaves a follower's commit alone, which its leader has counted", () => {
    expect(check(appended(2, [3, 1]), committed(2, 3))).toBeUndefined();
  });
});
