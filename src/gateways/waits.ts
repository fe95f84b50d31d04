// Bounded waits for the replica, as promises. Each answers with a refusal where the time is over;
// what may be answered without the wait is for the caller to decide.

import type { Position } from "../base/position.ts";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { type Refusal, refuse } from "./errors.ts";
import type { GatewayContext } from "./gateway-context.ts";

/**
 * Waits until this server has applied `position`, at most `positionWaitMs`; UNAVAILABLE where it
 * has not.
 */
export async function waitForPosition(
  context: GatewayContext,
  position: number,
): Promise<Refusal | undefined> {
  const { replica, limits } = context;
  if (position <= replica.appliedPosition()) return undefined;
  const isReached = await new Promise<boolean>((resolve) =>
    replica.waitForPosition(
      { position: position as Position, timeoutMs: limits.positionWaitMs },
      (answer) => resolve(answer.kind === "reached"),
    ),
  );
  if (isReached) return undefined;
  return refuse(
    RejectionCode.UNAVAILABLE,
    `This server is behind: position ${position} is still to come. Try again, or another server.`,
    limits.retryAfterMs,
  );
}

/**
 * As waitForPosition, for who only wants to read: in island mode what is missing here cannot come,
 * and people read what there is (design.md §6).
 */
export async function waitToRead(
  context: GatewayContext,
  position: number,
): Promise<Refusal | undefined> {
  const isOpen = () => context.island.islandState().open;
  if (isOpen()) return undefined;
  const behind = await waitForPosition(context, position);
  return isOpen() ? undefined : behind;
}

/**
 * Waits for a linearizable read, at most `readWaitMs`; answers whether the state here is up to
 * date. In island mode it is not, and nobody can tell what is missing: answers so at once.
 */
export function waitForRead(context: GatewayContext): Promise<boolean> {
  if (context.island.islandState().open) return Promise.resolve(false);
  return new Promise((resolve) =>
    context.replica.waitForRead({ timeoutMs: context.limits.readWaitMs }, (answer) =>
      resolve(answer.kind === "reached"),
    ),
  );
}
