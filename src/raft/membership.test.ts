// Configurations as bytes, and which of a log's configurations counts.
import { describe, expect, test } from "vitest";
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
  const base = { voters: [1, 2, 3], votersOutgoing: [], learners: [] };
  const joint = { voters: [2, 3, 4], votersOutgoing: [1, 2, 3], learners: [5] };
  const configurationEntry = (index: LogIndex): Entry => ({
    index,
    term: 1,
    kind: "configuration",
    payload: encodeConfiguration(joint),
  });

  test("encodes and decodes configurations, joint ones and learners included", () => {
    for (const configuration of [base, joint, { voters: [], votersOutgoing: [], learners: [] }]) {
      expect(decodeConfiguration(encodeConfiguration(configuration))).toEqual(configuration);
    }
    expect(allVoters(joint)).toEqual([1, 2, 3, 4]);
    expect(allMembers(joint)).toEqual([1, 2, 3, 4, 5]);
  });

  test.each([
    ["nothing", []],
    ["another version", [2, 0, 0, 0]],
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
  });
});
