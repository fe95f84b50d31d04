// What an operator is told of a recovery and of an import.
import { expect, test } from "vitest";
import type { LostMessage, Recovery } from "../server/index.ts";
import { batchesOf, describeImport } from "./import-lost.ts";
import { describeRecovery } from "./recovery-text.ts";
import { formatTime, oneLine } from "./report-text.ts";

const recovery: Recovery = {
  folder: "/data/1",
  serverId: 1,
  clusterName: "ours",
  clusterId: "00000000000000aa",
  newClusterId: "",
  appliedIndex: 40,
  lastIndex: 44,
  lastTerm: 6,
  lastStampMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  tail: { entries: 4, commands: 9, messages: 8 },
  heldItems: 2,
  heldSinceMs: Date.UTC(2026, 0, 2, 3, 5, 0),
  counts: { people: 3, rooms: 4, messages: 50 },
  givenUp: [2, 3].map((replicaId) => ({
    replicaId,
    birthNonce: BigInt(replicaId),
    peerAddress: `10.0.0.${replicaId}:4901`,
    clientAddress: "",
    tokenNonce: 0n,
    reader: false,
    away: false,
  })),
  isVoter: true,
  isBehind: false,
  lostFrom: 0,
  findings: [],
  present: [],
  isAlone: false,
};

test("a dry run says what is there, what may be missing, and that nothing was done", () => {
  const text = describeRecovery(recovery);
  expect(text).toContain("log         ends with entry 44 of term 6");
  expect(text).toContain("committed   for sure up to entry 40");
  expect(text).toContain("tail        4 entries after that: 9 commands, 8 new messages");
  expect(text).toContain("2 items held without a majority, since 2026-01-02 03:05:00 UTC");
  expect(text).toContain("given up    2 (10.0.0.2:4901), 3 (10.0.0.3:4901)");
  expect(text).toContain("whatever the others wrote after entry 44 (2026-01-02 03:04:05 UTC)");
  expect(text).toContain("No other server of this cluster answers");
  expect(text).toContain("Nothing was changed.");
  expect(text).not.toContain("Damaged");
  expect(text).not.toContain("had no vote");
});

test("what makes it worse is said", () => {
  const present = [
    { address: "http://a:1", replicaId: 2, clusterName: "ours", clusterId: "00000000000000aa" },
    { address: "http://b:1", replicaId: 3, clusterName: "ours", clusterId: "00000000000000bb" },
  ];
  const findings = ["log/1 is damaged at byte 9: it is not"];
  const worse = { isVoter: false, isBehind: true, lostFrom: 45, findings, present };
  const text = describeRecovery({ ...recovery, ...worse });
  expect(text).toContain("server      1, without a vote");
  expect(text).toContain("- It had no vote");
  expect(text).toContain("much may be missing");
  expect(text).toContain("- log/1 is damaged at byte 9: it is not\nEntries from 45 on are lost");
  expect(text).toContain("- server 2 at http://a:1\n");
  expect(text).toContain("- server 3 at http://b:1, for cluster 00000000000000bb");
});

test("the deed, and that there is nothing to do", () => {
  const done = describeRecovery({ ...recovery, newClusterId: "00000000000000cc" });
  expect(done).toContain("server 1 alone is now the cluster ours (00000000000000cc)");
  expect(done).toContain("holdfast import-lost");
  const alone = describeRecovery({ ...recovery, isAlone: true });
  expect(alone).toContain("nothing to do");
  expect(alone).not.toContain("missing");
});

function lostMessage(bytes: number): LostMessage {
  return {
    roomName: "team",
    authorUsername: "ada",
    commandId: new Uint8Array(16),
    body: "",
    writtenMs: 1,
    command: new Uint8Array(bytes),
    standing: "committed",
    commitIndex: 1,
  };
}

test("an import goes in batches that fit into a request, and loses none", () => {
  const sizes = (messages: LostMessage[]) => [...batchesOf(messages)].map(({ length }) => length);
  expect(sizes([])).toEqual([]);
  expect(sizes(Array.from({ length: 600 }, () => lostMessage(50)))).toEqual([256, 256, 88]);
  const large = Array.from({ length: 40 }, () => lostMessage(16_500));
  const batches = sizes(large);
  expect(Math.max(...batches) * 17_000).toBeLessThan(600_000);
  expect(batches.reduce((sum, length) => sum + length)).toBe(40);
  expect(sizes([lostMessage(900_000), lostMessage(1)])).toEqual([1, 1]);
  const totals = { read: 5, accepted: 1, already: 2, setAside: 1, refused: 1 };
  expect(describeImport(3, totals)).toBe(
    "Read 5 messages of server 3's disk:\n  1 were brought into their rooms\n" +
      "  2 were in the cluster already\n" +
      "  1 were set aside for their authors and the rooms' owners\n  1 were refused",
  );
});

test("times and bodies are safe to print", () => {
  expect(formatTime(0)).toBe("an unknown time");
  expect(formatTime(Number.MAX_SAFE_INTEGER)).toBe("an unknown time");
  expect(oneLine("a\n  b\u001b[2J")).toBe("a / b�[2J");
});
