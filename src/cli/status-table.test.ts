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
    "id|address|role|term|leader|commit|applied|lag|live|last contact|disk free|condition",
    "1|http://127.0.0.1:4801|leader|3|1|120|120|0|yes|0 ms|3.0 GiB|ok",
    "2|http://127.0.0.1:4802|unreachable|3|-|120|120|0|no|3.4 s|3.0 GiB|not reachable",
  ]);
});

test("R14: a server that was never heard of shows no figures", () => {
  const text = formatStatus({
    clusterName: "ward-7",
    clusterId: 0,
    answeredBy: 1,
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
  expect(cellsOf(text.split("\n").at(-1) ?? "")).toBe("3|-|unreachable|-|-|-|-|-|no|never|-|-");
});
