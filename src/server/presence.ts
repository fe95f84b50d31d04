// Whether other servers of a cluster answer, asked from outside of it. Silence proves nothing: a
// server that is cut off from this machine may serve others.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { toHex64 } from "../base/bytes.ts";
import { AdminService } from "../proto/gen/cluster/v1/admin_pb.js";
import { presenceTimeoutMs } from "./limits.ts";

/** A server that has answered. */
export interface PresentServer {
  readonly address: string;
  readonly replicaId: number;
  readonly clusterName: string;
  /** 16 hexadecimal digits. */
  readonly clusterId: string;
}

/**
 * Asks all addresses (`http://host:port`) at once, and answers with those servers that are there.
 */
export async function findPresent(addresses: readonly string[]): Promise<PresentServer[]> {
  const distinct = [...new Set(addresses)].filter((address) => address !== "");
  const found = await Promise.all(distinct.map(ask));
  return found.flatMap((server) => server ?? []);
}

async function ask(address: string): Promise<PresentServer | undefined> {
  const transport = createConnectTransport({ baseUrl: address, httpVersion: "1.1" });
  try {
    const client = createClient(AdminService, transport);
    const status = await client.status({}, { timeoutMs: presenceTimeoutMs });
    const { answeredBy: replicaId, clusterName, clusterId } = status;
    return { address, replicaId, clusterName, clusterId: toHex64(clusterId) };
  } catch {
    // Nobody, or nobody of ours: what else may listen there is of no concern.
    return undefined;
  }
}
