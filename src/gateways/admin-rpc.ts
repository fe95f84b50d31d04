// AdminService over Connect, gRPC and gRPC-Web: checks who calls, and hands the rest on. Nothing is
// decided here.
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { AdminService } from "../proto/gen/cluster/v1/admin_pb.js";
import type { AdminDesk } from "./admin.ts";
import type { BackupDesk } from "./backups.ts";
import { answerCall, type CallServices, callPeerKey } from "./calls.ts";
import { type Refusal, toConnectError } from "./errors.ts";
import type { ImportDesk } from "./importing.ts";
import type { JoinDesk } from "./joining.ts";
import type { Operators } from "./operators.ts";
import { bearerToken } from "./tokens.ts";

/** What the handlers call. */
export interface AdminServices extends CallServices {
  readonly operators: Operators;
  readonly adminDesk: AdminDesk;
  readonly joinDesk: JoinDesk;
  readonly backups: BackupDesk;
  readonly imports: ImportDesk;
}

/** Registers the service. */
export function registerAdminService(router: ConnectRouter, services: AdminServices): void {
  const { context, operators, adminDesk, joinDesk, backups, imports } = services;
  const refuseStranger = (call: HandlerContext): Refusal | undefined => {
    const token = bearerToken(call.requestHeader.get("authorization"));
    return operators.check(token, call.values.get(callPeerKey).address);
  };
  const asOperator = <T extends object>(
    call: HandlerContext,
    work: () => T | Refusal | Promise<T | Refusal>,
  ): Promise<T> => answerCall(services, call, async () => refuseStranger(call) ?? (await work()));
  router.service(AdminService, {
    status: () => context.replica.status(),
    join: (request, call) =>
      answerCall(services, call, () =>
        joinDesk.join(request, call.values.get(callPeerKey).address),
      ),
    createJoinToken: (request, call) => asOperator(call, () => adminDesk.createJoinToken(request)),
    removeMember: ({ replicaId }, call) =>
      asOperator(call, () => adminDesk.changeMember("remove", replicaId)),
    promoteMember: ({ replicaId }, call) =>
      asOperator(call, () => adminDesk.changeMember("promote", replicaId)),
    transferLeadership: ({ replicaId }, call) =>
      asOperator(call, () => adminDesk.transferLeadership(replicaId)),
    takeCheckpoint: (_, call) => asOperator(call, () => adminDesk.takeCheckpoint()),
    importHeld: (request, call) => asOperator(call, () => imports.importHeld(request)),
    backup: async function* (_, call) {
      const refusal = refuseStranger(call);
      if (refusal !== undefined) throw toConnectError(refusal);
      const { destroy } = call.values.get(callPeerKey);
      yield* backups.stream({ signal: call.signal, destroy });
    },
  });
}
