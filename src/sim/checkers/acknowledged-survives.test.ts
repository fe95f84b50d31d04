// Later leaders, and servers at the end, with and without what was promised.
import { describe, expect, it } from "vitest";
import { AcknowledgedSurvives } from "./acknowledged-survives.ts";
import {
  answered,
  appended,
  died,
  goodRun,
  judge,
  leads,
  started,
} from "./cluster-events.test-support.ts";

describe("what was acknowledged survives", () => {
  const make = (logs: ConstructorParameters<typeof AcknowledgedSurvives>[0]) =>
    new AcknowledgedSurvives(logs);
  const check = (...more: Parameters<typeof judge>[1]) => judge(make, [...goodRun(), ...more]);
  const final = (appliedIndex: number) => [
    { server: 2, appliedIndex, stateDigest: "", rows: () => [] },
  ];

  it("passes leaders and servers that have it", () => {
    expect(check(leads(2, 2), leads(3, 3))).toBeUndefined();
    expect(judge(make, goodRun(), final(2))).toBeUndefined();
  });

  it("passes a leader by late votes of a term older than the promise", () => {
    const later = [leads(1, 5), appended(1, [3, 5]), answered(1, 3, 2)];
    expect(check(...later, leads(2, 4))).toBeUndefined();
  });

  it("catches a later leader without it", () => {
    const forgot = [died(2), started(2, { life: 2, lastIndex: 1, lastTerm: 1 }), leads(2, 2)];
    expect(check(...forgot)).toMatch("server 2 leads term 2 without entry 2 of term 1");
  });

  it("catches a later leader with another entry in its place", () => {
    expect(check(appended(2, [2, 2]), leads(2, 3))).toMatch("without entry 2 of term 1");
  });

  it("catches a server that ends without it", () => {
    expect(judge(make, goodRun(), final(1))).toMatch("server 2 ends at entry 1 without entry 2");
  });

  it("catches a promise for what is not in the log", () => {
    expect(check(answered(1, 3, 3))).toMatch("answers for entry 3, which is not in its log");
  });
});
