// What operators ask of the cluster, but for joining (joining.ts) and backups (backups.ts): checks
// the form and hands it to the replica, which decides. Who may ask is checked in admin-rpc.ts.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import type {
  ChangeMembersResponseSchema,
  CreateJoinTokenRequest,
  CreateJoinTokenResponseSchema,
  TakeCheckpointResponseSchema,
  TransferLeadershipResponseSchema,
} from "../proto/gen/cluster/v1/admin_pb.js";
import type { ChangeAnswer, MembershipChange } from "../replica/index.ts";
import { isRefusal, type Refusal, refuse } from "./errors.ts";
import type { GatewayContext } from "./gateway-context.ts";
import { encodeJoinToken } from "./join-token.ts";
import { notFormed } from "./operators.ts";

const validForDefaultS = 3_600;
const validForMaxS = 30 * 24 * 3_600;

/** Serves the calls. */
export class AdminDesk {
  readonly #context: GatewayContext;

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** Makes a token for one newcomer. */
  createJoinToken(
    request: CreateJoinTokenRequest,
  ): MessageInitShape<typeof CreateJoinTokenResponseSchema> | Refusal {
    const { admin, chat, secrets, randomBytes } = this.#context;
    const validForS = request.validForS === 0 ? validForDefaultS : request.validForS;
    if (validForS > validForMaxS) {
      return invalid(`valid_for_s is ${validForS}; a join token lasts at most ${validForMaxS} s.`);
    }
    const facts = admin.clusterFacts();
    const tokenKey = chat.tokenKey();
    if (facts === undefined || tokenKey === undefined) return notFormed(this.#context);
    const expiresMs = Math.floor(admin.clusterTimeMs()) + validForS * 1000;
    // 0 would stand for none.
    const nonce = Buffer.from(randomBytes(8)).readBigUInt64BE() || 1n;
    const claims = { clusterId: facts.clusterId, nonce, expiresMs, reader: request.reader };
    const token = encodeJoinToken(claims, tokenKey, secrets.mac);
    return { token, expiresMs: BigInt(expiresMs) };
  }

  /** Takes a member out, or gives one a vote. */
  async changeMember(
    kind: "remove" | "promote",
    replicaId: number,
  ): Promise<MessageInitShape<typeof ChangeMembersResponseSchema> | Refusal> {
    if (replicaId === 0) return invalid("replica_id is missing: name the member by its id.");
    const answer = await changeMembers(this.#context, { kind, replicaId });
    return isRefusal(answer) ? answer : { configurationIndex: BigInt(answer.index) };
  }

  /** Hands leadership on. */
  transferLeadership(
    replicaId: number,
  ): Promise<MessageInitShape<typeof TransferLeadershipResponseSchema> | Refusal> {
    return new Promise((resolve) =>
      this.#context.admin.transferLeadership(replicaId, (answer) => {
        if (answer.kind === "done") resolve({ leaderId: answer.leaderId });
        else resolve(refuse(RejectionCode.NOT_POSSIBLE, answer.reason));
      }),
    );
  }

  /** Has all servers take a snapshot at one index. */
  takeCheckpoint(): Promise<MessageInitShape<typeof TakeCheckpointResponseSchema> | Refusal> {
    return new Promise((resolve) =>
      this.#context.admin.takeCheckpoint((answer) => {
        if (answer.kind === "unavailable") {
          resolve(unavailable(this.#context, answer.message));
          return;
        }
        const { index, digest } = answer.snapshot;
        answer.snapshot.close();
        resolve({ index: BigInt(index), digest });
      }),
    );
  }
}

/** Brings a change to the leader; a refusal where it did not come to be, or perhaps not. */
export function changeMembers(
  context: GatewayContext,
  change: MembershipChange,
): Promise<Extract<ChangeAnswer, { kind: "done" }> | Refusal> {
  return new Promise((resolve) =>
    context.admin.changeMembers(change, (answer) => {
      if (answer.kind === "done") resolve(answer);
      else if (answer.kind === "unavailable") resolve(unavailable(context, answer.message));
      else resolve(refuse(RejectionCode.NOT_POSSIBLE, answer.reason));
    }),
  );
}

/** For what may come to be later, or has perhaps. */
export function unavailable(context: GatewayContext, message: string): Refusal {
  return refuse(RejectionCode.UNAVAILABLE, message, context.limits.retryAfterMs);
}

function invalid(message: string): Refusal {
  return refuse(RejectionCode.INVALID_ARGUMENT, message);
}
