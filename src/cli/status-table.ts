// The servers of a cluster as a table for people. Pure.
import { toHex64 } from "../base/bytes.ts";
import { printable } from "./item-text.ts";
import { type Column, formatBytes, formatDuration, formatTable, textWidth } from "./table.ts";

/** What is shown of one server; a server that nobody has heard of yet has zeros. */
export interface ServerLine {
  readonly replicaId: number;
  readonly clientAddress: string;
  readonly role: string;
  /** "voter", "learner", "reader", or empty where it is not known. */
  readonly membership: string;
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
  /** In island mode. */
  readonly island: boolean;
  /** Messages and log-ins that it holds and that are not safe in the log yet. */
  readonly heldItems: number;
  /** Places of its data folder that were found damaged. */
  readonly damagesFound: number;
}

/** The cluster as one of its servers sees it. */
export interface ClusterLines {
  readonly clusterName: string;
  readonly clusterId: bigint | number;
  readonly answeredBy: number;
  /** A change of members is under way. */
  readonly configurationChanging: boolean;
  readonly servers: readonly ServerLine[];
}

/** Figures of one server; what needs a sentence stands below the table. */
const columns: readonly Column[] = [
  { head: "id", align: "right" },
  { head: "address", align: "left" },
  { head: "role", align: "left" },
  { head: "term", align: "right" },
  { head: "leader", align: "right" },
  { head: "applied", align: "right" },
  { head: "lag", align: "right" },
  { head: "live", align: "left" },
  { head: "contact", align: "right" },
  { head: "disk free", align: "right" },
  { head: "held", align: "right" },
];
const heldColumn = columns.length - 1;

/**
 * A silence of about 49 days, the most that a uint32 of milliseconds holds, stands for "never
 * heard".
 */
const neverMs = 0xffff_ffff;
/** Columns of a terminal that the notes keep to. */
const widthMax = 100;

/** The table under one line that says whose view it is, and a line for each thing to know. */
export function formatStatus(cluster: ClusterLines): string {
  const id = BigInt(cluster.clusterId);
  const formed = id === 0n ? "not formed yet" : toHex64(id);
  const head =
    `cluster ${printable(cluster.clusterName)} (${formed}), ` +
    `as server ${cluster.answeredBy} sees it`;
  const { servers } = cluster;
  // Most clusters never hold anything.
  const shown = servers.some(({ heldItems }) => heldItems > 0) ? columns.length : heldColumn;
  const rows = servers.map((server) => cellsOf(server).slice(0, shown));
  const notes = [...servers.flatMap(notesOf)];
  if (cluster.configurationChanging) notes.push("A change of members is under way.");
  return [head, formatTable(columns.slice(0, shown), rows), ...notes.flatMap(wrap)].join("\n");
}

function cellsOf(server: ServerLine): string[] {
  const isKnown = server.connected || Number(server.term) !== 0;
  const known = (text: string) => (isKnown ? text : "-");
  return [
    String(server.replicaId),
    printable(server.clientAddress) || "-",
    roleOf(server),
    known(String(server.term)),
    server.connected && server.leaderId !== 0 ? String(server.leaderId) : "-",
    known(String(server.appliedIndex)),
    known(String(server.lag)),
    server.live ? "yes" : "no",
    server.lastContactMs >= neverMs ? "never" : formatDuration(server.lastContactMs),
    known(formatBytes(server.diskFreeBytes)),
    known(String(server.heldItems)),
  ];
}

/** The one word that says most of what a server is doing. */
function roleOf({ connected, island, membership, role }: ServerLine): string {
  if (!connected) return "unreachable";
  if (island) return "island";
  return role === "follower" && membership !== "voter" && membership !== "" ? membership : role;
}

function notesOf(server: ServerLine): string[] {
  const notes: string[] = [];
  const name = `server ${server.replicaId}`;
  if (server.condition !== "") notes.push(`${name}: ${printable(server.condition)}`);
  if (server.connected && server.island) {
    notes.push(`${name}: no majority can be reached; messages are held until one is back`);
  }
  if (server.damagesFound > 0) {
    const places = server.damagesFound === 1 ? "1 place" : `${server.damagesFound} places`;
    notes.push(`${name}: ${places} of its data folder found damaged; see its log`);
  }
  return notes;
}

/** Lines of at most `widthMax`, the further ones indented. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && textWidth(line) + 1 + textWidth(word) > widthMax) {
      lines.push(line);
      line = `  ${word}`;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
