// The servers of a cluster as a table for people. Pure.
import { toHex64 } from "../base/bytes.ts";
import { printable } from "./item-text.ts";
import { type Column, formatBytes, formatDuration, formatTable } from "./table.ts";

/** What is shown of one server; a server that nobody has heard of yet has zeros. */
export interface ServerLine {
  readonly replicaId: number;
  readonly clientAddress: string;
  readonly role: string;
  readonly term: bigint | number;
  readonly leaderId: number;
  readonly commitIndex: bigint | number;
  readonly appliedIndex: bigint | number;
  readonly lag: bigint | number;
  readonly live: boolean;
  readonly connected: boolean;
  readonly lastContactMs: number;
  readonly diskFreeBytes: bigint | number;
  readonly condition: string;
}

/** The cluster as one of its servers sees it. */
export interface ClusterLines {
  readonly clusterName: string;
  readonly clusterId: bigint | number;
  readonly answeredBy: number;
  readonly servers: readonly ServerLine[];
}

const columns: readonly Column[] = [
  { head: "id", align: "right" },
  { head: "address", align: "left" },
  { head: "role", align: "left" },
  { head: "term", align: "right" },
  { head: "leader", align: "right" },
  { head: "commit", align: "right" },
  { head: "applied", align: "right" },
  { head: "lag", align: "right" },
  { head: "live", align: "left" },
  { head: "last contact", align: "right" },
  { head: "disk free", align: "right" },
  { head: "condition", align: "left" },
];

/**
 * A silence of about 49 days, the most that a uint32 of milliseconds holds, stands for "never
 * heard".
 */
const neverMs = 0xffff_ffff;

/** The table under one line that says whose view it is. */
export function formatStatus(cluster: ClusterLines): string {
  const id = BigInt(cluster.clusterId);
  const formed = id === 0n ? "not formed yet" : toHex64(id);
  const head =
    `cluster ${printable(cluster.clusterName)} (${formed}), ` +
    `as server ${cluster.answeredBy} sees it`;
  return `${head}\n${formatTable(columns, cluster.servers.map(cellsOf))}`;
}

function cellsOf(server: ServerLine): string[] {
  const isKnown = server.connected || Number(server.term) !== 0;
  const known = (text: string) => (isKnown ? text : "-");
  return [
    String(server.replicaId),
    printable(server.clientAddress) || "-",
    server.connected ? server.role : "unreachable",
    known(String(server.term)),
    server.connected && server.leaderId !== 0 ? String(server.leaderId) : "-",
    known(String(server.commitIndex)),
    known(String(server.appliedIndex)),
    known(String(server.lag)),
    server.live ? "yes" : "no",
    server.lastContactMs >= neverMs ? "never" : formatDuration(server.lastContactMs),
    known(formatBytes(server.diskFreeBytes)),
    printable(server.condition) || (server.connected ? "ok" : "-"),
  ];
}
