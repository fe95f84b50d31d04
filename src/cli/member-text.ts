// Members of a cluster as text: the table, and the command line by which one more joins. Pure.
import type { StatusResponse } from "../proto/gen/cluster/v1/admin_pb.js";
import { printable } from "./item-text.ts";
import { formatTable } from "./table.ts";

type Server = Pick<
  StatusResponse["servers"][number],
  "replicaId" | "clientAddress" | "peerAddress" | "membership" | "connected" | "lag"
>;

/** Names of cluster.v1.Membership in its order; the first where it is not known. */
const memberships = ["", "voter", "learner", "reader"];

/** "voter", "learner", "reader", or nothing. */
export function membershipOf({ membership }: Pick<Server, "membership">): string {
  return memberships[membership] ?? "";
}

/** All members. */
export function membersTable(servers: readonly Server[]): string {
  return formatTable(
    [
      { head: "id", align: "right" },
      { head: "clients reach it at", align: "left" },
      { head: "servers reach it at", align: "left" },
      { head: "member as", align: "left" },
      { head: "lag", align: "right" },
      { head: "connected", align: "left" },
    ],
    servers.map((server) => [
      String(server.replicaId),
      printable(server.clientAddress) || "-",
      printable(server.peerAddress) || "-",
      membershipOf(server) || "-",
      server.connected ? String(server.lag) : "-",
      server.connected ? "yes" : "no",
    ]),
  );
}

/**
 * The command line for the new machine. Where all members are on one machine, the new one is taken
 * to be on it, too, with the next ports.
 */
export function joinCommandLine(cluster: {
  readonly token: string;
  readonly clusterName: string;
  readonly servers: readonly Server[];
}): string {
  const { token, clusterName, servers } = cluster;
  const to = servers.map(({ clientAddress }) => clientAddress.replace("http://", ""));
  const known = `./holdfast join --to ${to.filter((one) => one !== "").join(",")} --token ${token}`;
  return `${known} \\\n    --cluster-name ${clusterName} ${placeOptions(servers)}`;
}

function placeOptions(servers: readonly Server[]): string {
  const clients = servers.map(({ clientAddress }) => splitAddress(clientAddress));
  const peers = servers.map(({ peerAddress }) => splitAddress(`http://${peerAddress}`));
  const isLocal = [...clients, ...peers].every((place) => isLoopback(place?.host ?? ""));
  if (!isLocal || servers.length === 0) {
    return (
      "--client-host 0.0.0.0 \\\n" +
      "    --client-address http://<its address>:4801 --peer-host 0.0.0.0 --peer-port 4901 \\\n" +
      "    --data /var/lib/holdfast"
    );
  }
  const next = (places: readonly (Place | undefined)[]) =>
    Math.max(...places.map((place) => place?.port ?? 0)) + 1;
  const id = Math.max(...servers.map(({ replicaId }) => replicaId)) + 1;
  return `--client-port ${next(clients)} --peer-port ${next(peers)} --data data/${id}`;
}

interface Place {
  readonly host: string;
  readonly port: number;
}

function splitAddress(address: string): Place | undefined {
  if (!URL.canParse(address)) return undefined;
  const { hostname, port } = new URL(address);
  return { host: hostname, port: Number(port) };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\./.test(host);
}
