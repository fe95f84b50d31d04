// The table of servers, as people read it.
import { expect, test } from "vitest";
import { formatStatus, type ServerLine } from "./status-table.ts";

const healthy: ServerLine = {
  replicaId: 1,
  clientAddress: "http://127.0.0.1:4801",
  role: "leader",
  term: 3n,
  leaderId: 1,
  commitIndex: 120n,
  appliedIndex: 120n,
  lag: 0n,
  live: true,
  connected: true,
  lastContactMs: 0,
  diskFreeBytes: 3n * 1024n ** 3n,
  condition: "",
  membership: "voter",
  island: false,
  heldItems: 0,
  damagesFound: 0,
};

/** A line's cells, which stand at least two spaces apart. */
function cellsOf(line: string): string {
  return line.trim().split(/ {2,}/).join("|");
}

test("R14: each server has a line, the unreachable one with the last known figures", () => {
  const text = formatStatus({
    clusterName: "ward-7",
    clusterId: 0xabcn,
    answeredBy: 1,
    configurationChanging: false,
    servers: [
      healthy,
      {
        ...healthy,
        replicaId: 2,
        clientAddress: "http://127.0.0.1:4802",
        role: "none",
        live: false,
        connected: false,
        lastContactMs: 3_400,
        condition: "not reachable",
      },
    ],
  });
  const [head, ...lines] = text.split("\n");
  expect(head).toBe("cluster ward-7 (0000000000000abc), as server 1 sees it");
  expect(lines.map(cellsOf)).toEqual([
    "id|address|role|term|leader|applied|lag|live|contact|disk free",
    "1|http://127.0.0.1:4801|leader|3|1|120|0|yes|0 ms|3.0 GiB",
    "2|http://127.0.0.1:4802|unreachable|3|-|120|0|no|3.4 s|3.0 GiB",
    "server 2: not reachable",
  ]);
});

test("R14: a server that was never heard of shows no figures", () => {
  const text = formatStatus({
    clusterName: "ward-7",
    clusterId: 0,
    answeredBy: 1,
    configurationChanging: false,
    servers: [
      {
        ...healthy,
        replicaId: 3,
        clientAddress: "",
        role: "none",
        term: 0,
        leaderId: 0,
        commitIndex: 0,
        appliedIndex: 0,
        live: false,
        connected: false,
        lastContactMs: 0xffff_ffff,
        diskFreeBytes: 0,
        condition: "",
      },
    ],
  });
  expect(text).toContain("(not formed yet)");
  expect(cellsOf(text.split("\n").at(-1) ?? "")).toBe("3|-|unreachable|-|-|-|-|no|never|-");
});

test("R8: an island, a newcomer, damage and held messages show, within 100 columns", () => {
  const big = {
    ...healthy,
    clientAddress: "http://127.0.0.1:14801",
    term: 1_234,
    appliedIndex: 12_345_678n,
    diskFreeBytes: 118n * 1024n ** 3n,
  };
  const text = formatStatus({
    clusterName: "ward-7",
    clusterId: 0xabcn,
    answeredBy: 1,
    configurationChanging: true,
    servers: [
      { ...big, role: "follower", island: true, heldItems: 12 },
      { ...big, replicaId: 2, role: "follower", membership: "learner", lag: 40n },
      { ...big, replicaId: 3, role: "follower", membership: "reader", damagesFound: 2 },
      {
        ...big,
        replicaId: 4,
        role: "none",
        condition: `mending ${"a place of the log ".repeat(6)}from server 2`,
      },
    ],
  });
  const lines = text.split("\n");
  expect(lines.slice(1, 6).map(cellsOf)).toEqual([
    "id|address|role|term|leader|applied|lag|live|contact|disk free|held",
    "1|http://127.0.0.1:14801|island|1234|1|12345678|0|yes|0 ms|118 GiB|12",
    "2|http://127.0.0.1:14801|learner|1234|1|12345678|40|yes|0 ms|118 GiB|0",
    "3|http://127.0.0.1:14801|reader|1234|1|12345678|0|yes|0 ms|118 GiB|0",
    "4|http://127.0.0.1:14801|none|1234|1|12345678|0|yes|0 ms|118 GiB|0",
  ]);
  expect(lines.slice(6)).toEqual([
    "server 1: no majority can be reached; messages are held until one is back",
    "server 3: 2 places of its data folder found damaged; see its log",
    `server 4: mending ${"a place of the log ".repeat(4)}a`,
    "  place of the log a place of the log from server 2",
    "A change of members is under way.",
  ]);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
});
