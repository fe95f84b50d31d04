// A new server becomes a member: its data folder draws a birth number, asks a member to be taken in
// (AdminService.Join), and keeps what it is told. After that it is served like any other. May be
// repeated at any point: the same folder asks with the same birth number.
import { randomBytes } from "node:crypto";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AdminService, type JoinResponse } from "../proto/gen/cluster/v1/admin_pb.js";
import type { Founder, ReplicaIdentity } from "../replica/index.ts";
import { whenFolderReady } from "./chat-state.ts";
import type { ServerConfig } from "./config.ts";
import { type DataFolder, openDataFolder } from "./data-folder.ts";
import { joinTimeoutMs } from "./limits.ts";
import { StartError } from "./start-error.ts";

/** What joining needs. */
export interface JoinOptions {
  readonly config: ServerConfig;
  /** Client addresses of members, as `http://host:port`; each is asked until one answers. */
  readonly to: readonly string[];
  readonly token: string;
  /** Told in a few words what is done. */
  readonly onProgress?: (message: string) => void;
}

/**
 * Makes the data folder that of a new member. Does nothing where it is a member's already. Rejects
 * with a StartError: refused by the cluster, nobody answers, or the folder is somebody else's.
 */
export async function joinServer(options: JoinOptions): Promise<void> {
  const { config } = options;
  const folder = openDataFolder({
    folder: config.data,
    replicaId: config.isIdGiven ? config.id : undefined,
    newReplicaId: 0,
    clusterName: config.clusterName,
    drawBirthNonce: () => randomBytes(8).readBigUInt64LE() | 1n,
  });
  try {
    const own = folder.identity;
    if (own.formed !== undefined) return;
    refuseFounder(folder, config);
    // Durable before anybody hears of it: asked again, the cluster knows it by its birth number.
    // Started in between, it would not found a cluster of its own.
    folder.saveIdentity({ ...own, returning: true });
    await whenFolderReady(folder);
    const answer = await ask(own, options);
    folder.saveIdentity(joined(own, answer));
    options.onProgress?.(`server ${answer.replicaId} has joined ${answer.clusterName}`);
  } finally {
    folder.close();
  }
}

/** A folder that has begun to found a cluster may have been heard of by the others. */
function refuseFounder({ identity, path, log }: DataFolder, config: ServerConfig): void {
  const isNew = identity.returning || log.lastIndex() === 0;
  if (isNew && !config.areMembersGiven) return;
  throw new StartError(
    `the data folder ${path} is one that founds a cluster with the servers in \`members\`; ` +
      "to join another, leave out `members` and start with a new folder",
  );
}

async function ask(own: ReplicaIdentity, options: JoinOptions): Promise<JoinResponse> {
  const { config, to, token, onProgress } = options;
  const request = {
    token,
    replicaId: own.replicaId,
    birthNonce: own.birthNonce,
    peerAddress: config.advertisedPeerAddress,
    clientAddress: config.clientAddress,
    clusterName: config.clusterName,
  };
  const failures: string[] = [];
  for (const address of to) {
    onProgress?.(`asking ${address} to be taken in`);
    const transport = createConnectTransport({ baseUrl: address, httpVersion: "1.1" });
    const client = createClient(AdminService, transport);
    try {
      return await client.join(request, { timeoutMs: joinTimeoutMs });
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      const mayElsewhere = code === Code.Unavailable || code === Code.DeadlineExceeded;
      if (!mayElsewhere) throw new StartError(`the cluster refused this server: ${rawMessage}`);
      failures.push(`${address}: ${rawMessage}`);
    }
  }
  throw new StartError(`no member could take this server in (${failures.join("; ")})`);
}

function joined(own: ReplicaIdentity, answer: JoinResponse): ReplicaIdentity {
  const founders = answer.founders.map(toFounder);
  return {
    ...own,
    replicaId: answer.replicaId,
    clusterName: answer.clusterName,
    formed: { clusterId: answer.clusterId, founders },
    joinedIndex: Number(answer.joinedIndex),
    contacts: answer.members.map(toFounder),
    returning: false,
  };
}

function toFounder(member: Founder): Founder {
  const { replicaId, birthNonce, peerAddress, clientAddress } = member;
  return { replicaId, birthNonce, peerAddress, clientAddress };
}
