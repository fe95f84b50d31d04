// Promises on as many disks as they say, and on fewer.
import { describe, expect, it } from "vitest";
import {
  answered,
  appended,
  appendedConfiguration,
  committed,
  died,
  diskReplaced,
  durable,
  goodRun,
  judge,
  received,
  started,
} from "./cluster-events.test-support.ts";
import { DurabilityOfAcks } from "./durability-of-acks.ts";

describe("durability of acknowledgements", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge((logs) => new DurabilityOfAcks(logs), [...goodRun(), ...more]);
  const everywhere = [1, 2, 3].map((server) => appended(server, [3, 1]));

  it("R5 passes a promise on as many disks as it says", () => {
    expect(check(...everywhere, durable(1, 3), durable(2, 3), answered(1, 3, 2))).toBeUndefined();
    const all = [1, 2, 3].map((server) => durable(server, 3));
    expect(check(...everywhere, ...all, answered(3, 3, 3))).toBeUndefined();
  });

  it("R5 counts the disk of a server that is down, and one lost since it said so", () => {
    const two = [...everywhere, durable(1, 3), durable(2, 3)];
    expect(check(...two, died(2), answered(1, 3, 2))).toBeUndefined();
    expect(check(...two, died(2), diskReplaced(2), answered(1, 3, 2))).toBeUndefined();
  });

  it("R5 does not count a new disk for what came later", () => {
    const replaced = [died(2), diskReplaced(2), started(2, { life: 2 })];
    const later = [appended(1, [3, 1]), durable(1, 3), answered(1, 3, 1)];
    expect(check(...replaced, ...later)).toMatch("durable on 1; voters 1, 2, 3");
  });

  it("R5 catches a promise on fewer disks than it says", () => {
    const two = [...everywhere, durable(1, 3), durable(2, 3)];
    expect(check(...two, answered(1, 3, 3))).toMatch('"on 3 disks", it is durable on 2');
  });

  it("R5 counts a majority of the voters at its place, or of later ones", () => {
    const alone = [
      ...[1, 2, 3].map((server) =>
        appendedConfiguration(server, 3, { voters: [1], outgoing: [1, 2, 3] }),
      ),
      ...[1, 2, 3].map((server) => durable(server, 3)),
      committed(1, 3),
      received(1),
      appendedConfiguration(1, 4, { voters: [1], learners: [2, 3] }),
      durable(1, 4),
      appended(1, [5, 1]),
      durable(1, 5),
    ];
    expect(check(...alone, answered(1, 5, 1))).toBeUndefined();
    expect(check(...alone, appended(1, [6, 1]), answered(1, 6, 1))).toMatch(
      "durable on 0; voters 1",
    );
  });

  it("R5 catches a promise on fewer than a majority, whatever it says", () => {
    expect(check(...everywhere, durable(1, 3), answered(1, 3, 1))).toMatch(
      "durable on 1; voters 1, 2, 3",
    );
    expect(check(answered(1, 3, 1))).toMatch("it is durable on 0");
  });
});
