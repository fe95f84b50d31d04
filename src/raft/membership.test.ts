// Configurations as bytes, and which of a log's configurations counts.
import { describe, expect, test } from "vitest";
import { configurationContextBytesMax } from "./limits.ts";
import { entriesOf } from "./lone-replica.test-support.ts";
import {
  allMembers,
  allVoters,
  decodeConfiguration,
  encodeConfiguration,
  Membership,
} from "./membership.ts";
import { MemoryLog } from "./memory-disk.test-support.ts";
import type { Entry, LogIndex } from "./types.ts";

describe("Membership", () => {
  const context = new Uint8Array(0);
  const base = { voters: [1, 2, 3], votersOutgoing: [], learners: [], context };
  const joint = {
    voters: [2, 3, 4],
    votersOutgoing: [1, 2, 3],
    learners: [5],
    context: Uint8Array.of(7, 8),
  };
  const configurationEntry = (index: LogIndex): Entry => ({
    index,
    term: 1,
    kind: "configuration",
    payload: encodeConfiguration(joint),
  });

  test("encodes and decodes configurations, joint ones and learners included", () => {
    const empty = { voters: [], votersOutgoing: [], learners: [], context };
    for (const configuration of [base, joint, empty]) {
      expect(decodeConfiguration(encodeConfiguration(configuration))).toEqual(configuration);
    }
    expect(allVoters(joint)).toEqual([1, 2, 3, 4]);
    expect(allMembers(joint)).toEqual([1, 2, 3, 4, 5]);
  });

  test("decodes what version 1 wrote, which had no context", () => {
    const bytes = Uint8Array.of(1, 2, 0, 1, 1, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0);
    const expected = { voters: [1, 2], votersOutgoing: [], learners: [9], context };
    expect(decodeConfiguration(bytes)).toEqual(expected);
  });

  test("keeps a context as large as allowed, and refuses to encode a larger one", () => {
    const most = { ...base, context: new Uint8Array(configurationContextBytesMax).fill(3) };
    expect(decodeConfiguration(encodeConfiguration(most))).toEqual(most);
    const larger = { ...base, context: new Uint8Array(configurationContextBytesMax + 1) };
    expect(() => encodeConfiguration(larger)).toThrow("too large");
  });

  test.each([
    ["nothing", []],
    ["another version", [3, 0, 0, 0, 0, 0, 0, 0]],
    ["version 1 with something after it", [1, 1, 0, 0, 1, 0, 0, 0, 9]],
    ["no length of the context", [2, 1, 0, 0, 1, 0, 0, 0]],
    ["a context that is cut", [2, 0, 0, 0, 2, 0, 0, 0, 7]],
    ["a context with something after it", [2, 0, 0, 0, 1, 0, 0, 0, 7, 7]],
    ["too few ids", [1, 1, 0, 0]],
    ["too many ids", [1, 0, 0, 0, 1, 0, 0, 0]],
    ["the id 0", [1, 1, 0, 0, 0, 0, 0, 0]],
  ])("refuses %s as a configuration", (_, bytes) => {
    expect(decodeConfiguration(Uint8Array.from(bytes))).toBeUndefined();
  });

  test("takes the newest configuration of the log at a start, and the one before when it is cut (§6)", () => {
    const disk = new MemoryLog();
    disk.append([...entriesOf([1]), configurationEntry(2), ...entriesOf([1], 3)]);
    const membership = new Membership(base, disk);
    expect(membership.current).toEqual(joint);
    expect(membership.cut(3)).toBe(false);
    expect(membership.cut(2)).toBe(true);
    expect(membership.current).toEqual(base);
    expect(membership.appended([configurationEntry(2)])).toBe(true);
    membership.committed(2);
    membership.cut(3);
    expect(membership.current).toEqual(joint);
    expect(membership.currentIndex).toBe(2);
  });

  test("a change is under way while the newest configuration is joint or not committed (§6)", () => {
    const membership = new Membership(base, new MemoryLog());
    expect([membership.isChanging, membership.committedConfiguration.index]).toEqual([false, 0]);
    membership.appended([configurationEntry(2)]);
    membership.committed(1);
    expect([membership.isChanging, membership.committedConfiguration.index]).toEqual([true, 0]);
    membership.committed(2);
    expect([membership.isChanging, membership.committedConfiguration.index]).toEqual([true, 2]);
    const payload = encodeConfiguration({ ...joint, votersOutgoing: [] });
    membership.appended([{ index: 3, term: 1, kind: "configuration", payload }]);
    expect([membership.isChanging, membership.mayBeVoter(1)]).toEqual([true, true]);
    membership.committed(3);
    expect([membership.isChanging, membership.mayBeVoter(1)]).toEqual([false, false]);
  });
});
