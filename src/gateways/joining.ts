// How a new server becomes a member by a join token. Refuses what this server can see to be wrong;
// the leader, which has the newest member table, decides, so a token is used up once whichever
// servers are asked.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import type { JoinRequest, JoinResponseSchema } from "../proto/gen/cluster/v1/admin_pb.js";
import type { ClusterFacts, MemberInfo } from "../replica/index.ts";
import { changeMembers } from "./admin.ts";
import { isRefusal, type Refusal, refuse } from "./errors.ts";
import type { GatewayContext } from "./gateway-context.ts";
import { type JoinClaims, readJoinToken } from "./join-token.ts";
import { notFormed, type Operators } from "./operators.ts";

/** Where a server is reached, as `host:port` or `[ipv6]:port`. */
const hostPort = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/;
/** Ids travel as uint32, and 0 stands for none. */
const replicaIdMax = 2 ** 31 - 1;

/** Serves the call of newcomers. */
export class JoinDesk {
  readonly #context: GatewayContext;
  readonly #operators: Operators;

  constructor(context: GatewayContext, operators: Operators) {
    this.#context = context;
    this.#operators = operators;
  }

  /** Adds the caller, or finds it added already. `address` is where the call comes from. */
  async join(
    request: JoinRequest,
    address: string,
  ): Promise<MessageInitShape<typeof JoinResponseSchema> | Refusal> {
    const malformed = checkForm(request);
    if (malformed !== undefined) return malformed;
    const facts = this.#context.admin.clusterFacts();
    if (facts === undefined) return notFormed(this.#context);
    const claims = this.#readToken(request.token, facts, address);
    if (isRefusal(claims)) return claims;
    const misfit = refuseMisfit(request, claims, facts, this.#context.admin.clusterTimeMs());
    if (misfit !== undefined) return misfit;

    const { replicaId, birthNonce, peerAddress, clientAddress } = request;
    const member: MemberInfo = {
      replicaId,
      birthNonce,
      peerAddress,
      clientAddress,
      tokenNonce: claims.nonce,
      reader: claims.reader,
      away: false,
    };
    const added = await changeMembers(this.#context, { kind: "add", member });
    if (isRefusal(added)) return added;
    return this.#response({ ...member, replicaId: added.replicaId }, added.index);
  }

  #readToken(token: string, { clusterId }: ClusterFacts, address: string): JoinClaims | Refusal {
    const { chat, secrets } = this.#context;
    const tokenKey = chat.tokenKey();
    if (tokenKey === undefined) return notFormed(this.#context);
    const read = readJoinToken(token, { clusterId, tokenKey }, secrets.mac);
    if (read.kind === "genuine") return read.claims;
    const problem = {
      malformed: "This is no join token: it begins with `hfjoin_` and must be copied as a whole.",
      ofAnotherCluster: "This token is of another cluster.",
      forged: "This token was not made by this cluster, or was mistyped.",
    }[read.kind];
    return this.#operators.refuseToken(`${problem} ${makeNewOne}`, address);
  }

  /** This server may be behind the leader that added the newcomer, which is put in by hand then. */
  #response(added: MemberInfo, index: number): MessageInitShape<typeof JoinResponseSchema> {
    const facts = this.#context.admin.clusterFacts();
    const others = facts?.members.filter(({ replicaId }) => replicaId !== added.replicaId) ?? [];
    const known = facts?.members.find(({ birthNonce }) => birthNonce === added.birthNonce);
    return {
      replicaId: added.replicaId,
      clusterId: facts?.clusterId ?? 0n,
      clusterName: facts?.clusterName ?? "",
      founders: facts?.founders.map(placeOf) ?? [],
      joinedIndex: BigInt(index),
      members: [...others, known ?? added].map(placeOf),
    };
  }
}

const makeNewOne = "Make one with `holdfast member add` at a member.";

/** What a newcomer needs to know of a member, and no more. */
function placeOf(member: Pick<MemberInfo, "replicaId" | "birthNonce"> & Addresses) {
  const { replicaId, birthNonce, peerAddress, clientAddress } = member;
  return { replicaId, birthNonce, peerAddress, clientAddress };
}

type Addresses = Pick<MemberInfo, "peerAddress" | "clientAddress">;

function checkForm(request: JoinRequest): Refusal | undefined {
  const { replicaId, birthNonce, peerAddress, clientAddress } = request;
  if (replicaId > replicaIdMax) {
    return invalid(`replica_id is ${replicaId}; it must be 1 to ${replicaIdMax}, or 0 for any.`);
  }
  if (birthNonce === 0n) return invalid("birth_nonce is missing: it names the data folder.");
  if (!hostPort.test(peerAddress)) {
    return invalid(`peer_address is ${JSON.stringify(peerAddress)}; it must be host:port.`);
  }
  const client = /^http:\/\/(.*)$/.exec(clientAddress)?.[1] ?? "";
  if (!hostPort.test(client)) {
    const shown = JSON.stringify(clientAddress);
    return invalid(`client_address is ${shown}; it must be http://host:port.`);
  }
  return undefined;
}

function refuseMisfit(
  request: JoinRequest,
  claims: JoinClaims,
  { clusterName, members }: ClusterFacts,
  nowMs: number,
): Refusal | undefined {
  if (request.clusterName !== "" && request.clusterName !== clusterName) {
    const expected = JSON.stringify(request.clusterName);
    return notPossible(`This cluster is called ${JSON.stringify(clusterName)}, not ${expected}.`);
  }
  const others = members.filter(({ birthNonce }) => birthNonce !== request.birthNonce);
  const usedBy = others.find(({ tokenNonce }) => tokenNonce === claims.nonce);
  if (usedBy !== undefined) {
    const server = `server ${usedBy.replicaId}`;
    return refuse(RejectionCode.UNAUTHENTICATED, `This token was used by ${server}. ${makeNewOne}`);
  }
  // Who is in already asks again because an answer was lost; by now its token may have expired.
  if (others.length < members.length) return undefined;
  if (nowMs >= claims.expiresMs) {
    const at = new Date(claims.expiresMs).toISOString();
    return refuse(
      RejectionCode.UNAUTHENTICATED,
      `This token expired at ${at}; make a new one with \`holdfast member add\`.`,
    );
  }
  return refusePlaceTaken(request, others);
}

function refusePlaceTaken(
  request: JoinRequest,
  others: readonly MemberInfo[],
): Refusal | undefined {
  const { replicaId, peerAddress, clientAddress } = request;
  for (const other of others) {
    const server = `server ${other.replicaId}`;
    if (other.replicaId === replicaId) {
      return notPossible(
        `Id ${replicaId} is that of the server at ${other.peerAddress}. Choose another, or none; ` +
          `or take that one out first with \`holdfast member remove ${replicaId}\`.`,
      );
    }
    if (other.peerAddress === peerAddress) {
      return notPossible(`Address ${peerAddress} is where the others reach ${server}.`);
    }
    if (other.clientAddress === clientAddress) {
      return notPossible(`Address ${clientAddress} is where clients reach ${server}.`);
    }
  }
  return undefined;
}

function invalid(message: string): Refusal {
  return refuse(RejectionCode.INVALID_ARGUMENT, message);
}

function notPossible(message: string): Refusal {
  return refuse(RejectionCode.NOT_POSSIBLE, message);
}
